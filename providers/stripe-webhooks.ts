import * as z from 'zod';
import {
  type Access,
  type Answer,
  fromHex,
  isOwnAddress,
  type Registration,
  type WantedWebhooks,
  type WebhookMac,
  type Webhooks,
} from './provider.ts';
import { apiVersion, call } from './stripe-api.ts';
import { readEvent, types } from './stripe-events.ts';
import { missedEvents } from './stripe-missed.ts';

const root = 'https://api.stripe.com/v1/webhook_endpoints';

const endpoint = z.object({
  id: z.string().min(1),
  url: z.string(),
  status: z.string(),
  livemode: z.boolean(),
  created: z.number(),
  enabled_events: z.array(z.string()),
  secret: z.string().optional(),
});
const endpoints = z.object({ data: z.array(endpoint) });
const refusal = z.object({ error: z.object({ code: z.string().optional(), message: z.string() }) });

/**
 * Seconds that an endpoint stands beside the one that it takes the place of: as long as what that one was refused takes
 * to be there for who asks for it, since Stripe tries nothing more for an endpoint that is gone.
 */
const HANDOVER = 140;
const DAY = 86_400;

/** https://docs.stripe.com/webhooks#verify-manually */
function readMac(header: string): WebhookMac | undefined {
  const pairs = header.split(',').map((pair) => /^([a-z0-9]+)=(.*)$/.exec(pair)?.slice(1));
  const valuesOf = (scheme: string) => pairs.flatMap((pair) => (pair?.[0] === scheme ? [pair[1] ?? ''] : []));
  const [time = '', ...moreTimes] = valuesOf('t');
  const macs = valuesOf('v1').flatMap((text) => fromHex(text) ?? []);
  const fitting = macs.filter((mac) => mac.length === 32);
  if (pairs.includes(undefined) || moreTimes.length > 0 || !/^\d{1,12}$/.test(time)) return undefined;
  return fitting.length === 0 ? undefined : { macs: fitting, prefix: `${time}.`, time: Number(time) };
}

/** https://docs.stripe.com/webhooks and https://docs.stripe.com/api/webhook_endpoints */
export const stripeWebhooks = {
  maxBytes: 1_000_000,
  signature: { header: 'stripe-signature', read: readMac, tolerance: 300 },
  read: readEvent,
  *register(
    access,
    { url, registered, isSecretKnown, misfit },
  ): Generator<ReturnType<typeof call>, Registration, Answer> {
    const listed = yield call(access, 'GET', `${root}?limit=100`);
    const found = endpoints.safeParse(listed.json);
    if (listed.status !== 200 || !found.success) return failed(listed);
    const isKnown = (id: string) => registered.some((each) => each.id === id);
    const ours = found.data.data.filter((each) => isKnown(each.id) || isOwnAddress(each.url, url));
    const known = isSecretKnown ? ours.find((each) => each.id === registered[0]?.id) : undefined;
    const others = ours.filter((each) => each !== known);
    const isHandover = known !== undefined && registered.length > 1 && others.length > 0;
    if (isHandover && ageOf(known) < HANDOVER) {
      const both = [known, ...others].map(({ id }) => ({ id }));
      return { ...adopt(known), registered: both, isFormerInUse: true, again: HANDOVER - ageOf(known) };
    }
    // The secret of another one is told to nobody any more.
    for (const { id } of others) yield call(access, 'DELETE', `${root}/${id}`);
    // What the former one was refused says nothing of the one in its place.
    if (known && (isHandover || !isOutworn(known, misfit))) {
      return adopt(known, yield* mended(access, known, url));
    }
    return yield* replaced(access, known, url);
  },
  *unregister(access, { registered, url, kept }) {
    // One may have been made whose id we never heard.
    const listed = yield call(access, 'GET', `${root}?limit=100`);
    if (listed.status === 401) return 'out_of_reach';
    const found =
      endpoints.safeParse(listed.json).data?.data.filter((each) => isOwnAddress(each.url, url)) ?? [];
    const ids = new Set([...registered, ...found].map(({ id }) => id));
    for (const { id } of kept) ids.delete(id);
    for (const id of ids) {
      const { status } = yield call(access, 'DELETE', `${root}/${encodeURIComponent(id)}`);
      if (status === 401) return 'out_of_reach';
      if (status !== 200 && status !== 404) return false;
    }
    return listed.status === 200 || registered.length > 0;
  },
  missed: missedEvents,
} satisfies Webhooks;

function wanted(): Record<string, string> {
  return Object.fromEntries([...types.keys()].map((type, at) => [`enabled_events[${at}]`, type]));
}

/** Makes an endpoint, since a secret is only to be had with a new one; the one before stands until that is known here. */
function* replaced(
  access: Access,
  former: z.infer<typeof endpoint> | undefined,
  url: string,
): Generator<ReturnType<typeof call>, Registration, Answer> {
  const made = yield call(access, 'POST', root, {
    url,
    api_version: apiVersion,
    description: 'Reeve',
    ...wanted(),
  });
  const body = endpoint.safeParse(made.json);
  if (made.status !== 200 || !body.success || body.data.secret === undefined) return failed(made);
  const { secret } = body.data;
  const { registered, facts } = adopt(body.data);
  return former
    ? { registered: [...registered, { id: former.id }], facts, secret, isFormerInUse: true }
    : { registered, facts, secret };
}

/** Whether an endpoint is to be replaced: on a mere suspicion, which anybody may raise, once a day at most. */
function isOutworn(known: z.infer<typeof endpoint>, misfit: WantedWebhooks['misfit']): boolean {
  return misfit === 'certain' || (misfit === 'possible' && ageOf(known) > DAY);
}

function ageOf({ created }: z.infer<typeof endpoint>): number {
  return Math.floor(Date.now() / 1000) - created;
}

/** Sees to it that an endpoint that stands sends what it should, to where it should; why it does not, if it does not. */
function* mended(
  access: Access,
  { id, url: before, status, enabled_events: events }: z.infer<typeof endpoint>,
  url: string,
): Generator<ReturnType<typeof call>, string | undefined, Answer> {
  const isOn = status === 'enabled';
  const isComplete = [...types.keys()].every((type) => events.includes(type));
  if (isOn && isComplete && before === url) return undefined;
  // An endpoint keeps its secret wherever it moves.
  const answer = yield call(access, 'POST', `${root}/${id}`, { url, disabled: 'false', ...wanted() });
  if (answer.status === 200) return undefined;
  return isOn
    ? 'Stripe did not change our webhook. It is tried again.'
    : 'Stripe has switched our webhook off. Switch it on in the Stripe Dashboard under Developers, Webhooks.';
}

function adopt({ id, livemode }: z.infer<typeof endpoint>, failed?: string) {
  return { registered: [{ id }], facts: { livemode }, ...(failed !== undefined && { failed }) };
}

function failed({ status, json }: Answer): Registration {
  const { code, message = '' } = refusal.safeParse(json).data?.error ?? {};
  if (status === 429 || code === 'rate_limit') return { limited: undefined };
  if (status === 403)
    return {
      failed:
        'The key may not make webhooks. Give it Write for Webhook Endpoints in the Stripe Dashboard under Developers, API keys.',
    };
  if (/maximum|limit of \d+/i.test(message))
    return {
      failed:
        'Stripe lets an account have no more webhooks. Delete one in the Stripe Dashboard under Developers, Webhooks.',
    };
  return { failed: 'Stripe did not take our webhook. It is tried again.' };
}
