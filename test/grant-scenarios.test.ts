import { expect, test } from 'vitest';
import { callersGone } from './chaos/callers-gone.ts';
import { connects } from './chaos/connects.ts';
import { disconnectOrders } from './chaos/disconnect-orders.ts';
import { failedSignIns } from './chaos/failed-sign-ins.ts';
import type { Figure } from './chaos/figures.ts';
import { githubBrands } from './chaos/github-brands.ts';
import { keysEnded } from './chaos/keys-ended.ts';
import { ownEvents } from './chaos/own-events.ts';
import { ownersLeave } from './chaos/owners-leave.ts';
import { strangersFlood } from './chaos/strangers-flood.ts';
import { stage } from './support/stage.ts';

/** The scenarios of `npm run chaos` about grants and owners, small. Times are no figures for a test. */
const scenarios: ReadonlyArray<[title: string, play: () => Promise<Figure[]>]> = [
  [
    'a sign-in that fails ends nobody’s connection, and leaves no token that nobody knows of',
    () => failedSignIns(stage, { every: 17 }),
  ],
  [
    'what its owner has left is used, told, shown and in the way no more, and ends',
    () => ownersLeave(stage, { owners: 1, minutes: 3 }),
  ],
  [
    'a caller who goes while a callback, a test or a disconnect waits takes nothing along',
    () => callersGone(stage, { each: 1, sides: ['the answer under way'] }),
  ],
  [
    'a flood of strangers costs a statement each, and no sign-in',
    () => strangersFlood(stage, { signIns: 12, strangers: 400, atOnce: 100 }),
  ],
  [
    'connects over many grants wait for no lock, those over one succeed in turn, and none takes more than its round trips',
    async () =>
      (await connects(stage, { grants: 60, sharers: 8, withinMs: 1_000 })).filter(
        ({ name }) => name !== 'which took',
      ),
  ],
  [
    'what happens to a connection reaches the agent without the cron',
    async () => (await ownEvents(stage, { connections: 10 })).slice(0, -1),
  ],
  [
    'what is ended at any provider is told within a day',
    () => keysEnded(stage, { hoursBefore: 0, stepMinutes: 120 }),
  ],
  [
    'whatever the order in which a grant is left, it ends with the last who lives on it, and the answers are true',
    () => disconnectOrders(stage, { orders: 140, atOnce: 8 }),
  ],
  [
    'of twelve brands of one GitHub login, each that says connected has a living token',
    () => githubBrands(stage, { signIns: 13, rests: 0.2 }),
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
