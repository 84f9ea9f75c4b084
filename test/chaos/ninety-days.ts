import { type Figure, figure } from './figures.ts';
import { budgetFigures } from './ninety-days/budgets.ts';
import { DAY, MINUTE } from './ninety-days/days.ts';
import { eventFigures, inDays } from './ninety-days/judge.ts';
import { type Lived, live } from './ninety-days/live.ts';
import { casts } from './ninety-days/tenures.ts';
import type { Stage } from './stage.ts';

/** How long before its end an access token is due, at the latest; the cron may come a step later. */
const AHEAD = 5 * MINUTE;
/** Of a token of an hour. */
const RENEWALS = 30;
const SEED = 20_270_215;

/** All connections there are, over many days, in two worlds with a clock each. */
export async function ninetyDays(
  stage: Stage,
  { days, stepMinutes }: { days: number; stepMinutes: number },
): Promise<Figure[]> {
  const step = stepMinutes * MINUTE;
  const all = await Promise.all(
    casts().map((cast, at) => live(stage, cast, { days, step, seed: SEED + at })),
  );
  const [{ until, length } = { until: 0, length: DAY }] = all;
  const courses = all.flatMap((lived) => lived.courses);
  const expired = all.flatMap((lived) => lived.expired);
  const mistaken = all.flatMap((lived) => lived.mistaken);
  const shortest = Math.min(...all.map((lived) => lived.shortest));
  const renewals = courses.map((course) => course.renewals);
  const most = Math.max(...renewals) / (length / DAY);
  const unsettled = all.flatMap((lived) => lived.unsettled);
  return [
    figure('access tokens that ended while connected', '0', list(expired), expired.length === 0),
    figure(
      'left of an access token when the cron finds it due',
      `${inDays(AHEAD)} less ${stepMinutes} minutes`,
      inDays(shortest),
      shortest >= AHEAD - step,
    ),
    figure(
      `${sum(all.map(({ tests }) => tests))} tests that said otherwise`,
      '0',
      list(mistaken),
      mistaken.length === 0,
    ),
    ...eventFigures(courses, until, step),
    figure(
      'renewals of one connection',
      `at most ${RENEWALS} a day`,
      `${most.toFixed(1)} a day, ${sum(renewals)} in all`,
      most <= RENEWALS && most > 0,
    ),
    figure(
      `${sum(all.map(({ firings }) => firings))} firings that were not worked off`,
      '0',
      list(unsettled),
      unsettled.length === 0,
    ),
    ...budgetFigures(together(all)),
  ];
}

/** The worlds' requests as those of one. */
function together(all: readonly Lived[]): Map<string, number[]> {
  const calls = new Map<string, number[]>();
  for (const [provider, times] of all.flatMap((lived) => [...lived.calls])) {
    calls.set(
      provider,
      [...(calls.get(provider) ?? []), ...times].sort((a, b) => a - b),
    );
  }
  return calls;
}

const list = (wrong: readonly string[]) => [wrong.length, ...wrong.slice(0, 8)].join('; ');
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
