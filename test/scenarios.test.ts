import { expect, test } from 'vitest';
import { claimPlan } from './chaos/claim-plan.ts';
import { clientSecret } from './chaos/client-secret.ts';
import { deadGrants } from './chaos/dead-grants.ts';
import { deletes } from './chaos/deletes.ts';
import type { Figure } from './chaos/figures.ts';
import { keyRotation } from './chaos/key-rotation.ts';
import { kills } from './chaos/kills.ts';
import { race } from './chaos/race.ts';
import { sweeps } from './chaos/sweeps.ts';
import { throughput } from './chaos/throughput.ts';
import { stage } from './support/stage.ts';

/** The scenarios of `npm run chaos`, small. Shares and ratios of time are no figures for a test, and are left to the harness. */
const scenarios: ReadonlyArray<[title: string, play: () => Promise<Figure[]>]> = [
  ['many racers refresh a token that works once, once', () => race(stage, { rounds: 6, racers: 16 })],
  [
    'faults of the provider and commits that fail lose no connection',
    () => sweeps(stage, { connections: 60, rounds: 3 }),
  ],
  [
    'a wrong client secret marks nobody dead, and is over one sweep after it is right',
    () => clientSecret(stage, { connections: 40, sweeps: 2 }),
  ],
  [
    'a dead grant is asked about once, and told once',
    () => deadGrants(stage, { connections: 12, sweeps: 3 }),
  ],
  [
    'a Worker killed at any await of a refresh loses nothing that can be kept',
    () => kills(stage, { each: 2, atOnce: 2, kinds: ['github'] }),
  ],
  [
    'what is due is found by an index alone',
    async () => (await claimPlan(stage, { few: 500, many: 20_000 })).slice(0, 1),
  ],
  [
    'keys are rotated under live work by a command that is killed',
    () => keyRotation(stage, { rows: 300, kills: 1 }),
  ],
  [
    'two DELETEs at once end a grant once, however often that fails',
    () => deletes(stage, { connections: 10 }),
  ],
  [
    'a refresh takes no more than its round trips',
    async () => (await throughput(stage, { connections: 240, latencyMs: 5 })).slice(1),
  ],
];

test.each(scenarios)(
  '%s',
  async (_, play) => {
    for (const { name, must, got, ok } of await play())
      expect(ok, `${name}: must be ${must}, is ${got}`).toBe(true);
  },
  120_000,
);
