import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { accountObject, balanceObject } from './stripe/account.ts';
import { type Delivery, deliveryRecords } from './stripe/deliveries.ts';
import { checkAccount, checkContentType, checkQuery, checkVersion, HELP } from './stripe/door.ts';
import { type EndpointBook, endpointBook } from './stripe/endpoint-book.ts';
import { StripeRefusal } from './stripe/errors.ts';
import { type EventBook, eventBook } from './stripe/event-book.ts';
import { events } from './stripe/events.ts';
import { readForm, unfold } from './stripe/form.ts';
import { happenings } from './stripe/happen.ts';
import {
  accountOf,
  authenticate,
  createKey,
  demand,
  demandAccount,
  type KeyRecord,
  keyRecords,
  randomLetters,
} from './stripe/keys.ts';
import { LISTS, list } from './stripe/lists.ts';
import { ACCOUNT_VERSION } from './stripe/vocabulary.ts';
import { webhookEndpoints } from './stripe/webhook-endpoints.ts';

export { rollSecret } from './stripe/endpoint-book.ts';
export { signStripe } from './stripe/signature.ts';

type Env = { Variables: { record: KeyRecord } };

const expandOnly = z.strictObject({ expand: z.array(z.string()).optional() });

/** An answer under an idempotency key, kept for 24 hours (docs.stripe.com/api/idempotent_requests). */
interface Remembered {
  request: string;
  status: number;
  body: string;
  at: number;
}

/**
 * Stripe's /v1 as the owner of a key meets it (docs.stripe.com/api): account, balance, webhook endpoints,
 * events, and the lists behind Reeve's tools, which are empty. A key belongs to an account and a mode, and what
 * is made with one is seen with every other of them.
 *
 * Settings in the store: `settings.rateLimit` answers every call with 429. The secret of a webhook endpoint is under
 * `signing/we_…`, the one that it was rolled to (`rollSecret`) under `signing-rolled/we_…`.
 *
 * `happen` takes `livemode`, `object`, `lost` and `resend` besides (stripe/happen.ts). Nothing is tried again.
 */
export const stripe: SimulatorFactory = (context) => {
  const endpoints = endpointBook(context);
  const happened = eventBook(context);
  const api = stripeApi(context, endpoints, happened);
  return {
    provider: 'stripe',
    host: (hostname) => hostname === 'api.stripe.com',
    fetch: (request) => api.fetch(request),
    issueKey: (options) => createKey(context, options),
    happen: happenings(context, endpoints, happened),
  };
};

/** The keys made so far, oldest first. */
export function stripeKeys(store: Store): Array<{ key: string; account: string; alive: boolean }> {
  return keyRecords(store).map(({ key, account, alive }) => ({ key, account, alive }));
}

/** The webhooks sent so far, oldest first. */
export function stripeDeliveries(store: Store): Delivery[] {
  return deliveryRecords(store);
}

/** Rolls or deletes a key in the Dashboard: from now on it is an expired one. */
export function expireStripeKey(store: Store, key: string): void {
  const record = store.get<KeyRecord>(`key/${key}`);
  if (record) store.set(`key/${key}`, { ...record, alive: false });
}

function stripeApi(context: SimulatorContext, endpointRecords: EndpointBook, eventRecords: EventBook) {
  const { store, now } = context;
  const endpoints = webhookEndpoints(context, endpointRecords);
  const happened = events(eventRecords);
  const api = new Hono<Env>();

  api.use(async (c, next) => {
    await next();
    c.header('request-id', `req_${randomLetters(14)}`);
    c.header('stripe-version', c.req.header('stripe-version') ?? ACCOUNT_VERSION);
  });

  api.use(async (c, next) => {
    const record = authenticate(store, c.req.header('authorization'));
    c.set('record', record);
    checkVersion(c.req.header('stripe-version'));
    checkAccount(record, c.req.header('stripe-account'));
    if (store.get<boolean>('settings.rateLimit')) {
      c.header('stripe-rate-limited-reason', 'global-rate');
      const message =
        'Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.';
      throw new StripeRefusal(429, message, { code: 'rate_limit' });
    }
    await next();
  });

  api.on('POST', '/v1/*', async (c, next) => {
    checkContentType(c.req.header('content-type'), await c.req.text());
    checkQuery(new URL(c.req.url).searchParams);
    const key = c.req.header('idempotency-key');
    if (key === undefined) return next();
    const slot = `idempotency/${c.var.record.account}/${c.var.record.mode}/${key}`;
    const request = `${c.req.path} ${await c.req.text()}`;
    const kept = store.get<Remembered>(slot);
    if (kept && now() - kept.at < 86_400_000) {
      if (kept.request !== request) {
        const message = `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`;
        throw new StripeRefusal(400, message, { type: 'idempotency_error' });
      }
      return new Response(kept.body, {
        status: kept.status,
        headers: { 'content-type': 'application/json', 'idempotent-replayed': 'true' },
      });
    }
    await next();
    // A refusal of the parameters is not kept: nothing had begun.
    if (c.res.ok) {
      const body = await c.res.clone().text();
      store.set(slot, { request, status: c.res.status, body, at: now() } satisfies Remembered);
    }
    return undefined;
  });

  api.get('/v1/account', (c) => {
    demandAccount(c.var.record);
    readForm(expandOnly, query(c));
    return c.json(accountObject(accountOf(store, c.var.record)));
  });

  api.get('/v1/balance', (c) => {
    demand(c.var.record, 'balance_read');
    readForm(expandOnly, query(c));
    return c.json(balanceObject(c.var.record));
  });

  const path = '/v1/webhook_endpoints';
  api.get(path, (c) => c.json(endpoints.list(c.var.record, query(c))));
  api.post(path, async (c) => c.json(endpoints.create(c.var.record, await form(c))));
  api.get(`${path}/:id`, (c) => c.json(endpoints.retrieve(c.var.record, c.req.param('id'), query(c))));
  api.post(`${path}/:id`, async (c) =>
    c.json(endpoints.update(c.var.record, c.req.param('id'), await form(c))),
  );
  api.delete(`${path}/:id`, async (c) =>
    c.json(endpoints.remove(c.var.record, c.req.param('id'), await form(c))),
  );

  api.get('/v1/events', (c) => c.json(happened.list(c.var.record, query(c))));
  api.get('/v1/events/:id', (c) => c.json(happened.retrieve(c.var.record, c.req.param('id'), query(c))));

  for (const [name, { permission, query: schema }] of Object.entries(LISTS)) {
    api.get(`/v1/${name}`, (c) => {
      demand(c.var.record, permission);
      return c.json(list(`/v1/${name}`, [], readForm(schema, query(c))));
    });
  }

  api.notFound((c) => {
    const message = `Unrecognized request URL (${c.req.method}: ${c.req.path}). Please see https://stripe.com/docs or ${HELP}`;
    return c.json(new StripeRefusal(404, message).body, 404);
  });
  api.onError((fault, c) => {
    if (!(fault instanceof StripeRefusal)) throw fault;
    return c.json(fault.body, fault.status);
  });
  return api;
}

const query = (c: Context) => unfold(new URL(c.req.url).searchParams);
const form = async (c: Context) =>
  unfold([...new URL(c.req.url).searchParams, ...new URLSearchParams(await c.req.text())]);
