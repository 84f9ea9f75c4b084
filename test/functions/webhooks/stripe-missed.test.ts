import { expect, test } from 'vitest';
import type { Access, Answer, Missed } from '../../../providers/provider.ts';
import { missedEvents } from '../../../providers/stripe-missed.ts';

const access: Access = {
  credential: 'rk_test_1',
  config: {},
  client: { id: '', secret: '', settings: {} },
  pinned: undefined,
};
const DAY = 86_400;
const BEGIN = 1_700_000_000;
const END = BEGIN + 20 * DAY;

/** Stripe's list of events that were made at those times, oldest first; it takes so long to answer. */
function answerFor(times: readonly number[]) {
  return (url: string): Answer => {
    const query = new URL(url).searchParams;
    const [from, to] = ['created[gte]', 'created[lt]'].map((name) => Number(query.get(name)));
    const after = query.get('starting_after');
    const before = after === null ? times.length : Number(after.slice('evt_'.length));
    const data: { id: string }[] = [];
    let hasMore = false;
    for (let at = before - 1; at >= 0; at -= 1) {
      const created = times[at] ?? 0;
      if (created >= (to ?? 0)) continue;
      if (created < (from ?? 0)) break;
      if (data.length === 100) {
        hasMore = true;
        break;
      }
      const made = { object: 'event', type: 'invoice.created', livemode: false, created, data: {} };
      data.push({ id: `evt_${at}`, ...made });
    }
    const texts = () => data.map((each) => JSON.stringify(each));
    return {
      status: 200,
      headers: new Headers(),
      json: { has_more: hasMore, data },
      texts,
    } as unknown as Answer;
  };
}

/** Asks as often as there is more; how many looks that took, and of what we were told. */
function lookFor(times: readonly number[], mostLooks: number) {
  const answer = answerFor(times);
  const ids = new Set<string | undefined>();
  let since = new Date(BEGIN * 1000);
  let looks = 0;
  let isOver = false;
  while (!isOver && looks < mostLooks) {
    looks += 1;
    const dialogue = missedEvents(access, { since, until: new Date(END * 1000), registered: [] });
    let requests = 0;
    let step = dialogue.next();
    while (!step.done) {
      requests += 1;
      step = dialogue.next(answer(step.value.url));
    }
    expect(requests).toBeLessThanOrEqual(30);
    const missed = step.value as Exclude<Missed, { unable: true }>;
    expect(missed).toHaveProperty('deliveries');
    for (const { told } of missed.deliveries) ids.add(told.id);
    isOver = !missed.hasMore;
    if (missed.hasMore) expect(missed.until.getTime()).toBeGreaterThan(since.getTime());
    since = missed.until;
  }
  return { ids, looks, since };
}

const steady = (count: number, begin: number, end: number) =>
  Array.from({ length: count }, (_, at) => Math.floor(begin + (at * (end - begin)) / count));

test.each<[string, number[], number]>([
  ['nothing', [], 1],
  ['a hundred thousand in twenty days', steady(100_000, BEGIN, END), 90],
  ['five a second', steady(30_000, END - 6_000, END), 40],
  ['all of it at the beginning', steady(30_000, BEGIN, BEGIN + 6_000), 40],
  [
    'far more at the beginning than at the end',
    [...steady(20_000, BEGIN, BEGIN + 2_000), ...steady(20_000, BEGIN + 2_000, END)],
    60,
  ],
  [
    'eight hundred in a second',
    [...steady(800, BEGIN + 100, BEGIN + 101), ...steady(800, BEGIN + 200, END)],
    6,
  ],
])('%s: all of it is found, with a step forward at every look', (_, times, mostLooks) => {
  const { ids, since, looks } = lookFor(times, mostLooks);
  expect(ids.size).toBe(times.length);
  expect(since).toEqual(new Date(END * 1000));
  expect(looks).toBeLessThanOrEqual(mostLooks);
});

test('a page of events over 8 MB stops catching up for good', () => {
  const times = steady(95, BEGIN + DAY, END);
  const answer = answerFor(times);
  const dialogue = missedEvents(access, {
    since: new Date(BEGIN * 1000),
    until: new Date(END * 1000),
    registered: [],
  });
  const lengths = new Set<string | null>();
  let step = dialogue.next();
  while (!step.done) {
    const query = new URL(step.value.url).searchParams;
    const limit = Number(query.get('limit'));
    lengths.add(query.get('limit'));
    const { json } = answer(step.value.url);
    const data = (json as { data: object[] }).data.slice(0, limit);
    const hasMore = data.length === limit;
    step =
      data.length > 10
        ? dialogue.throw({ failure: 'too_large' })
        : dialogue.next({
            status: 200,
            headers: new Headers(),
            json: { has_more: hasMore, data },
            texts: () => data.map((each) => JSON.stringify(each)),
          } as unknown as Answer);
  }
  expect(lengths).toEqual(new Set(['100', '10']));
  const missed = step.value as Exclude<Missed, { unable: true }>;
  expect(missed.deliveries.length).toBeGreaterThan(20);
  expect(missed.until.getTime()).toBeGreaterThan(BEGIN * 1000);
});

test('what there was no time for is not told to be known', () => {
  const answer = answerFor(steady(100_000, BEGIN, END));
  const dialogue = missedEvents(access, {
    since: new Date(BEGIN * 1000),
    until: new Date(END * 1000),
    registered: [],
  });
  let step = dialogue.next();
  for (let requests = 1; !step.done; requests += 1)
    step = dialogue.next(
      requests < 12 ? answer(step.value.url) : ({ status: 500, texts: () => [] } as unknown as Answer),
    );
  const missed = step.value as Exclude<Missed, { unable: true }>;
  expect(missed.hasMore).toBe(true);
  const until = missed.until.getTime() / 1000;
  const known = steady(100_000, BEGIN, END).filter((at) => at < until).length;
  const told = missed.deliveries.filter(({ told }) => (told.occurredAt?.getTime() ?? 0) / 1000 < until);
  expect(new Set(told.map(({ told: { id } }) => id)).size).toBe(known);
});
