import * as z from 'zod';
import { parseJson, textsAt } from '../lib/json-text.ts';
import type { Access, Answer, Gap, HttpRequest, Missed, MissedDelivery } from './provider.ts';
import { call } from './stripe-api.ts';
import { readEvent, types } from './stripe-events.ts';

/** Events come a little later than they were made. */
const OVERLAP = 600;
/** Of a hundred events each. */
const PAGES = 10;
const PAGE_BYTES = 8_000_000;

const listedEvents = z.object({ has_more: z.boolean(), data: z.array(z.object({ id: z.string() })) });

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
    for (const text of textsAt(answer.text, 'data')) {
      found.push({ text, told: readEvent({ json: parseJson(text) }) });
    }
    if (!listed.has_more) return found;
    after = listed.data.at(-1)?.id;
  }
  return 'too_many';
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/** Events of the time within a gap: a half of it, and a half of that, where they are too many to be had at once. */
export function* missedEvents(access: Access, { since, until }: Gap): Generator<HttpRequest, Missed, Answer> {
  const from = seconds(since) - OVERLAP;
  const wanted = seconds(until);
  for (let to = wanted; to > from; to = from + Math.floor((to - from) / 2)) {
    const found = yield* eventsBetween(access, from, to);
    if (found === 'refused') return { unable: true };
    if (found !== 'too_many') return { deliveries: found, until: new Date(to * 1000), hasMore: to < wanted };
  }
  return { unable: true };
}
