import { expect, test } from 'vitest';
import { changedColumns } from './chaos/changed-columns.ts';
import type { Figure } from './chaos/figures.ts';
import { strangersBodies } from './chaos/strangers-bodies.ts';
import { stage } from './support/stage.ts';

/** The scenarios of `npm run chaos` about who means harm, small. Ratios of time are no figures for a test. */
const scenarios: ReadonlyArray<[title: string, play: () => Promise<Figure[]>]> = [
  [
    'strangers and their bodies cost an address’s tries and no more, and no caller anything',
    async () =>
      (
        await strangersBodies(stage, { callers: 20, perSecond: 100, seconds: 10, addresses: 1, seed: 31 })
      ).slice(0, -1),
  ],
  [
    'a column that somebody has changed sends no secret elsewhere, and what does not open says so',
    () => changedColumns(stage, { every: 25 }),
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
