import { expect, test } from 'vitest';
import { bigAppDelivery } from './chaos/big-app-delivery.ts';
import type { Figure } from './chaos/figures.ts';
import { lanes } from './chaos/lanes.ts';
import { largeEvents } from './chaos/large-events.ts';
import { stage } from './support/stage.ts';

/** The scenarios of `npm run chaos` about how events are told, small. Shares of time are no figures for a test. */
const scenarios: ReadonlyArray<[title: string, play: () => Promise<Figure[]>]> = [
  [
    'an agent that hangs, is gone or asks for time delays nobody else’s events, and gets no more than its share',
    async () =>
      (await lanes(stage, { tenants: 8, events: 30, perSecond: 20, retryAfter: 4, seed: 31 })).filter(
        ({ name }) => !name.endsWith('p99'),
      ),
  ],
  [
    'events of up to 25 MB are told once an agent is back, hold up no small one, and are read meanwhile',
    () => largeEvents(stage, { events: 60, bytes: 100_000_000, tenants: 5, minutes: 6, seed: 31 }),
  ],
  [
    'a delivery to an App for many connections is stored once a tenant, or refused',
    () => bigAppDelivery(stage, { connections: 20, tenants: 4, bytes: 2_000_000, each: 1 }),
  ],
];

test.each(scenarios)(
  '%s',
  async (_, play) => {
    for (const { name, must, got, ok } of await play())
      expect(ok, `${name}: must be ${must}, is ${got}`).toBe(true);
  },
  180_000,
);
