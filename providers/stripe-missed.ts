import * as z from 'zod';
import type { Access, Answer, Gap, HttpRequest, Missed, MissedDelivery } from './provider.ts';
import { call } from './stripe-api.ts';
import { readEvent, types } from './stripe-events.ts';

/** Events come a little later than they were made. */
const OVERLAP = 600;
/** Of a hundred events each: of one window, of what was before the gap, and in all. */
const PAGES = 3;
const OVERLAP_PAGES = 5;
const MOST_PAGES = 30;
/** What was had must not be lost to the deadline of the whole. */
const ASKING_MS = 20_000;
/** Events that a window is made for. */
const AIM = 150;
/** How much longer the next may be, where there are few. */
const GROWTH = 4;
const PAGE_BYTES = 8_000_000;
/** Events of a page: fewer where they are too large together, and one may be. */
const LENGTHS = [100, 10, 1];

const listedEvents = z.object({
  has_more: z.boolean(),
  data: z.array(z.looseObject({ id: z.string(), created: z.number() })),
});

interface Found {
  deliveries: MissedDelivery[];
  /** When the oldest of them was made, where there are more that are as old or older. */
  oldest?: number;
}

/** How many pages may still be asked for. */
class Budget {
  #pages = MOST_PAGES;
  readonly #end = Date.now() + ASKING_MS;

  get isSpent(): boolean {
    return this.#pages <= 0 || Date.now() >= this.#end;
  }

  spend(): void {
    this.#pages -= 1;
  }
}

/** Newest first: https://docs.stripe.com/api/events/list. Undefined where Stripe does not tell. */
function* eventsBetween(
  access: Access,
  { from, to, pages }: { from: number; to: number; pages: number },
  budget: Budget,
): Generator<HttpRequest, Found | undefined, Answer> {
  const deliveries: MissedDelivery[] = [];
  let last: { id: string; created: number } | undefined;
  for (let [page, shorter] = [0, 0]; page < pages && !budget.isSpent; page += 1) {
    const limit = LENGTHS[shorter];
    if (limit === undefined) return undefined;
    const query = new URLSearchParams({
      limit: `${limit}`,
      'created[gte]': `${from}`,
      'created[lt]': `${to}`,
    });
    [...types.keys()].forEach((type, at) => {
      query.set(`types[${at}]`, type);
    });
    if (last) query.set('starting_after', last.id);
    budget.spend();
    const request = call(access, 'GET', `https://api.stripe.com/v1/events?${query}`);
    const answer = yield* unlessTooLarge({ ...request, maxBytes: PAGE_BYTES });
    if (!answer) {
      shorter += 1;
      continue;
    }
    const listed = listedEvents.safeParse(answer.json).data;
    if (answer.status !== 200 || !listed) return undefined;
    const texts = answer.texts('data');
    listed.data.forEach((json, at) => {
      deliveries.push({ text: texts[at] ?? '', told: readEvent({ json }) });
    });
    if (!listed.has_more) return { deliveries };
    last = listed.data.at(-1);
  }
  return { deliveries, oldest: last?.created ?? to };
}

function* unlessTooLarge(request: HttpRequest): Generator<HttpRequest, Answer | undefined, Answer> {
  try {
    return yield request;
  } catch (error) {
    if ((error as { failure?: unknown }).failure === 'too_large') return undefined;
    throw error;
  }
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/**
 * Events of the time within a gap, window after window from its beginning. Where there are too many in one, the next
 * is as long as its last few took, and ever shorter, down to a second: a gap never holds so much that nothing of it is
 * told. What was had is told where there is no time for all.
 */
export function* missedEvents(access: Access, { since, until }: Gap): Generator<HttpRequest, Missed, Answer> {
  const [begin, wanted] = [seconds(since), seconds(until)];
  const budget = new Budget();
  const before = yield* eventsBetween(
    access,
    { from: begin - OVERLAP, to: begin, pages: OVERLAP_PAGES },
    budget,
  );
  if (!before) return { unable: true };
  const found = before.deliveries;
  let from = begin;
  let span = wanted - begin;
  let shrink = 2;
  while (from < wanted && !budget.isSpent) {
    const to = Math.min(wanted, from + span);
    // A second cannot be divided.
    const pages = to - from === 1 ? MOST_PAGES : PAGES;
    const window = yield* eventsBetween(access, { from, to, pages }, budget);
    if (!window) break;
    found.push(...window.deliveries);
    if (window.oldest !== undefined) {
      span = Math.max(1, Math.floor((to - window.oldest) / shrink));
      shrink *= shrink;
      continue;
    }
    from = to;
    span = Math.max(1, Math.floor(span * Math.min(GROWTH, AIM / window.deliveries.length)));
    shrink = 2;
  }
  const end = new Date(Math.max(since.getTime(), from * 1000));
  return { deliveries: found, until: end, hasMore: from > begin && from < wanted };
}
