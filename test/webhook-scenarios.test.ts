import { expect, test } from 'vitest';
import { agentDown } from './chaos/agent-down.ts';
import type { Figure } from './chaos/figures.ts';
import { poison } from './chaos/poison.ts';
import { webhooks } from './chaos/webhooks.ts';
import { stage } from './support/stage.ts';

/** What becomes of deliveries in the scenarios of `npm run chaos`, small. */
const scenarios: ReadonlyArray<[title: string, play: () => Promise<Figure[]>]> = [
  [
    'no delivery that was acknowledged is lost, whatever fails meanwhile',
    async () =>
      (await webhooks(stage, { deliveries: 300, senders: 8, kills: 1, lasting: [300, 900], seed: 31 })).slice(
        0,
        -1,
      ),
  ],
  ['an event that is never taken dies alone', () => poison(stage, { neighbours: 40, hangs: false })],
  [
    'an agent that was away is told everything soon after its return',
    () => agentDown(stage, { events: 48, minutes: 12 }),
  ],
];

test.each(scenarios)(
  '%s',
  async (_, play) => {
    const figures = await play();
    for (const { name, must, got, ok } of figures)
      expect(ok, `${name}: must be ${must}, is ${got}`).toBe(true);
  },
  120_000,
);
