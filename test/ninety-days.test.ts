import { expect, test } from 'vitest';
import { ninetyDays } from './chaos/ninety-days.ts';
import { stage } from './support/stage.ts';

/** `npm run chaos` plays all ninety; the first hours have a warning, and an end and another beginning. */
test('hours of every connection there is pass without an end that was not announced', async () => {
  for (const { name, must, got, ok } of await ninetyDays(stage, { days: 0.1, stepMinutes: 1 }))
    expect(ok, `${name}: must be ${must}, is ${got}`).toBe(true);
}, 120_000);
