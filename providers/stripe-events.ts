import * as z from 'zod';
import type { Told } from './provider.ts';

/** What Stripe is asked to tell, and what the agent is told. */
export const types = new Map([
  ['payment_intent.succeeded', 'stripe.payment.succeeded'],
  ['customer.subscription.updated', 'stripe.subscription.updated'],
  ['invoice.created', 'stripe.invoice.created'],
]);

const eventType = /^[\w.]{1,200}$/;

/** https://docs.stripe.com/api/events/object; thin events have another `object`, and go elsewhere. */
const event = z.object({
  id: z.string().regex(/^evt_\w{1,250}$/),
  object: z.literal('event'),
  type: z.string().regex(eventType),
  livemode: z.boolean(),
  created: z.number().int().nonnegative().max(253_402_300_799),
  /** Of an account that is connected to the endpoint's, which is none of ours. */
  account: z.null().optional(),
});
/** What a body may be besides. */
const other = z.object({
  id: z
    .string()
    .regex(/^\w{1,255}$/)
    .optional()
    .catch(undefined),
  type: z.string().regex(eventType).optional().catch(undefined),
  livemode: z.boolean().optional().catch(undefined),
});

/** What an event says, be it delivered or asked for. */
export function readEvent({ json }: { json: unknown }): Told {
  const body = event.safeParse(json).data;
  if (!body) {
    const { id, type = 'unknown', livemode } = other.safeParse(json).data ?? {};
    return {
      topic: type,
      ...(id !== undefined && { id, isIdSigned: true }),
      facts: livemode === undefined ? {} : { livemode },
    };
  }
  const type = types.get(body.type);
  return {
    topic: body.type,
    ...(type !== undefined && { type }),
    id: body.id,
    isIdSigned: true,
    occurredAt: new Date(body.created * 1000),
    facts: { livemode: body.livemode },
  };
}
