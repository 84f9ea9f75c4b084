import { z } from 'zod';
import type { Delivered, Happening, SimulatorContext } from '../../simulator.ts';
import { courier } from './deliveries.ts';
import type { EndpointBook, WebhookEndpoint } from './endpoint-book.ts';
import type { EventBook, EventRecord, StripeEvent } from './event-book.ts';
import { eventData } from './event-data.ts';
import { accountNamed, modeOf, nextSequence } from './keys.ts';
import { type Moment, newId } from './moment.ts';
import { ACCOUNT_VERSION, EVENTS } from './vocabulary.ts';

const flag = z.enum(['true', 'false']);

const happeningSchema = z.strictObject({
  event: z.string(),
  account: z.string().optional(),
  livemode: flag.optional(),
  payload: z.string().optional(),
  object: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(z.record(z.string(), z.unknown()))
    .optional(),
  lost: flag.optional(),
  resend: z.string().optional(),
});

const eventSchema = z.looseObject({
  id: z.string(),
  object: z.literal('event'),
  type: z.string(),
  created: z.number(),
});

/**
 * Lets something happen to an account (`acct_…`) in a mode, by default that of its first key. `payload` is sent
 * as it is, and kept if it is an event; else `object` is JSON of members for `data.object`. `lost`: 'true'
 * tells nobody. `resend` sends the event of that id once more, to all that are registered for it by now.
 */
export function happenings(context: SimulatorContext, endpoints: EndpointBook, events: EventBook) {
  const deliver = courier(context, endpoints);

  return async (happening: Happening): Promise<Delivered[]> => {
    const given = happeningSchema.parse(happening);
    if (given.resend !== undefined) {
      const kept = events.find(given.resend);
      if (!kept) throw new Error(`no such event: ${given.resend}`);
      return tell(endpoints.registered(kept.account, kept.livemode, kept.event.type), kept);
    }

    const account = accountNamed(context, given.account);
    const livemode = (given.livemode ?? String(modeOf(context.store, account.id) === 'live')) === 'true';
    const created = Math.floor(context.now() / 1000);
    const event =
      given.payload === undefined
        ? makeEvent(given.event, { account, livemode, created }, given.object ?? {})
        : readEvent(given.payload);
    const name = given.event || event?.type;
    if (!name) throw new Error('which event?');

    const audience = endpoints.registered(account.id, livemode, name);
    const record = {
      sequence: nextSequence(context.store),
      account: account.id,
      livemode,
      at: context.now(),
      ...(given.payload !== undefined && { payload: given.payload }),
      pending: audience.map(({ id }) => id),
    };
    if (event) events.save({ ...record, event });
    return given.lost === 'true' ? [] : tell(audience, { ...record, event });
  };

  function tell(
    audience: WebhookEndpoint[],
    { event, payload }: Pick<EventRecord, 'payload'> & { event: StripeEvent | undefined },
  ): Promise<Delivered[]> {
    const id = event?.id ?? 'no event';
    return Promise.all(
      audience.map(async (endpoint) => {
        const body = payload ?? rendered(endpoint, audience.length, event);
        const delivered = await deliver(endpoint, id, body);
        if (String(delivered.status).startsWith('2')) events.settle(id, endpoint.id);
        return delivered;
      }),
    );
  }
}

/** Only the version says that it is the endpoint's: the objects are of the newest one, whichever it is. */
function rendered(endpoint: WebhookEndpoint, pending: number, event: StripeEvent | undefined): string {
  const version = { api_version: endpoint.api_version ?? ACCOUNT_VERSION, pending_webhooks: pending };
  return JSON.stringify({ ...event, ...version }, null, 2);
}

function makeEvent(name: string, moment: Moment, members: Record<string, unknown>): StripeEvent {
  if (name === '*' || !EVENTS.has(name)) throw new Error(`no such event: ${name}`);
  return {
    id: newId('evt'),
    object: 'event',
    api_version: ACCOUNT_VERSION,
    created: moment.created,
    data: eventData(name, moment, members),
    livemode: moment.livemode,
    pending_webhooks: 0,
    request: { id: null, idempotency_key: null },
    type: name,
  };
}

function readEvent(payload: string): StripeEvent | undefined {
  try {
    return eventSchema.parse(JSON.parse(payload));
  } catch {
    return undefined;
  }
}
