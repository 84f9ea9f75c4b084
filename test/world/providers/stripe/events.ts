import { z } from 'zod';
import { StripeRefusal } from './errors.ts';
import type { EventBook, EventRecord } from './event-book.ts';
import { type FormValue, readForm } from './form.ts';
import { demand, type KeyRecord } from './keys.ts';
import { expandNothing, list, listParameters } from './lists.ts';
import { EVENTS } from './vocabulary.ts';

const seconds = z
  .string()
  .regex(/^\d{1,12}$/, 'must be a Unix timestamp')
  .transform(Number);
const range = z.strictObject({ gt: seconds, gte: seconds, lt: seconds, lte: seconds }).partial();

const isEvent = (name: string) => name !== '*' && EVENTS.has(name);

/**
 * stripe 23.1.0, EventListParams. What Stripe says to names of events that there are not is not in the
 * documents: here they are refused, as they never find anything.
 */
const listing = z
  .strictObject({
    ...listParameters,
    expand: expandNothing,
    created: z.preprocess((given) => (typeof given === 'string' ? { gte: given, lte: given } : given), range),
    delivery_success: z.enum(['true', 'false']),
    type: z.string().refine((name) => name.includes('*') || isEvent(name), 'No such event type'),
    types: z.array(z.string().refine(isEvent, 'No such event type')).max(20),
  })
  .partial();

const retrieval = z.strictObject({ expand: expandNothing.optional() });

/** docs.stripe.com/api/events, for the account and the mode of the key. */
export function events(book: EventBook) {
  const all = (record: KeyRecord) => book.of(record.account, record.mode === 'live');

  return {
    list(record: KeyRecord, form: FormValue) {
      demand(record, 'event_read');
      const { created = {}, delivery_success, type, types, ...page } = readForm(listing, form);
      if (type !== undefined && types !== undefined) {
        throw new StripeRefusal(400, 'You may only specify one of these parameters: type, types.');
      }
      const named = type === undefined ? undefined : pattern(type);
      const { gt = -1, gte = 0, lt = Number.POSITIVE_INFINITY, lte = Number.POSITIVE_INFINITY } = created;
      const found = all(record).filter(({ event, pending }) => {
        const at = event.created;
        if (!(at > gt && at >= gte && at < lt && at <= lte)) return false;
        if (types && !types.includes(event.type)) return false;
        if (named && !named.test(event.type)) return false;
        return delivery_success === undefined || delivery_success === String(pending.length === 0);
      });
      return list('/v1/events', found.map(shown), page);
    },

    retrieve(record: KeyRecord, id: string, form: FormValue) {
      demand(record, 'event_read');
      readForm(retrieval, form);
      const found = all(record).find(({ event }) => event.id === id);
      if (found) return shown(found);
      throw new StripeRefusal(404, `No such event: '${id}'`, { code: 'resource_missing', param: 'id' });
    },
  };
}

/** A forged event is shown as it is; of others one sees who has yet to take them. */
function shown({ event, payload, pending }: EventRecord) {
  return payload === undefined ? { ...event, pending_webhooks: pending.length } : event;
}

/** `invoice.*`: an asterisk stands for anything. */
function pattern(type: string): RegExp {
  const parts = type.split('*').map((part) => part.replace(/[^\w]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}
