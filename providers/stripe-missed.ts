import * as z from 'zod';
import type { Access, Answer, Gap, HttpRequest, Missed, MissedDelivery } from './provider.ts';
import { call } from './stripe-api.ts';
import { readEvent, types } from './stripe-events.ts';

/** Events come a little later than they were made. */
const OVERLAP = 600;
/** Of a hundred events each. */
const PAGES = 10;
const WINDOWS = 4;
const PAGE_BYTES = 8_000_000;

const listedEvents = z.object({ has_more: z.boolean(), data: z.array(z.looseObject({ id: z.string() })) });

/** https://docs.stripe.com/api/events/list */
function* eventsBetween(
  access: Access,
  from: number,
  to: number,
): Generator<HttpRequest, MissedDelivery[] | 'refused' | 'too_many', Answer> {
  const found: MissedDelivery[] = [];
  let after: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const query = new URLSearchParams({ limit: '100', 'created[gte]': `${from}`, 'created[lt]': `${to}` });
    [...types.keys()].forEach((type, at) => {
      query.set(`types[${at}]`, type);
    });
    if (after !== undefined) query.set('starting_after', after);
    const request = call(access, 'GET', `https://api.stripe.com/v1/events?${query}`);
    const answer = yield { ...request, maxBytes: PAGE_BYTES };
    const listed = listedEvents.safeParse(answer.json).data;
    if (answer.status !== 200 || !listed) return 'refused';
    const texts = answer.texts('data');
    listed.data.forEach((json, at) => {
      found.push({ text: texts[at] ?? '', told: readEvent({ json }) });
    });
    if (!listed.has_more) return found;
    after = listed.data.at(-1)?.id;
  }
  return 'too_many';
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/**
 * Events of the time within a gap, window after window from its beginning: where there are too many in one, the next is
 * a quarter of it. What was had is told where there is no time for all.
 */
export function* missedEvents(access: Access, { since, until }: Gap): Generator<HttpRequest, Missed, Answer> {
  const wanted = seconds(until);
  const found: MissedDelivery[] = [];
  let from = seconds(since) - OVERLAP;
  let span = wanted - from;
  for (let windows = 0; windows < WINDOWS && from < wanted && span >= 1; windows += 1) {
    const to = Math.min(wanted, from + span);
    const events = yield* eventsBetween(access, from, to);
    if (events === 'refused') break;
    if (events === 'too_many') {
      span = Math.floor(span / 4);
      continue;
    }
    found.push(...events);
    from = to;
  }
  // Not a step further than before: another time.
  if (from <= seconds(since)) return { unable: true };
  return { deliveries: found, until: new Date(from * 1000), hasMore: from < wanted };
}
