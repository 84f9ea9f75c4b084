import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { expireStripeKey, stripe, stripeKeys } from './stripe.ts';

const API = 'https://api.stripe.com';
const HOOK = 'https://reeve.example/api/webhooks/stripe/1';
const errorSchema = z.strictObject({
  error: z.strictObject({
    type: z.string(),
    message: z.string(),
    code: z.string().optional(),
    doc_url: z.string().optional(),
    param: z.string().optional(),
  }),
});
const endpointSchema = z.strictObject({
  id: z.string().regex(/^we_\w{24}$/),
  object: z.literal('webhook_endpoint'),
  api_version: z.string().nullable(),
  application: z.null(),
  created: z.number(),
  description: z.string().nullable(),
  enabled_events: z.array(z.string()),
  livemode: z.boolean(),
  metadata: z.record(z.string(), z.string()),
  secret: z.string().optional(),
  status: z.enum(['enabled', 'disabled']),
  url: z.string(),
});
const listSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(endpointSchema),
  has_more: z.boolean(),
  url: z.string(),
});

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('stripe');
  simulator = stripe(context);
});

const issue = (options?: Record<string, string>) => keyOf(simulator, options);

async function call(key: string, path: string, init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${key}`, ...init.headers };
  return simulator.fetch(new Request(API + path, { ...init, headers }));
}

const post = (
  key: string,
  path: string,
  body: Record<string, string>,
  headers: Record<string, string> = {},
) => call(key, path, { method: 'POST', body: new URLSearchParams(body), headers });

async function refusal(response: Response, status: number) {
  expect(response.status).toBe(status);
  expect(response.headers.get('request-id')).toMatch(/^req_\w{14}$/);
  return errorSchema.parse(await response.json()).error;
}

const newEndpoint = { url: HOOK, 'enabled_events[]': 'invoice.created', 'metadata[connection]': 'c1' };

test('answers at api.stripe.com alone', () => {
  const hosts = ['api.stripe.com', 'stripe.com', 'api.stripe.com.evil.example'];
  expect(hosts.filter(simulator.host)).toEqual(['api.stripe.com']);
});

describe('keys', () => {
  test('have the prefix of their kind and mode, and belong to one account', () => {
    const keys = [issue(), issue({ kind: 'secret', mode: 'live' })];
    expect(keys[0]?.api_key).toMatch(/^rk_test_[A-Za-z0-9]{99}$/);
    expect(keys[1]?.api_key).toMatch(/^sk_live_[A-Za-z0-9]{99}$/);
    expect(issue({ kind: 'claimable', mode: 'live' }).api_key).toMatch(/^rkcs_test_[A-Za-z0-9]{99}$/);
    expect(keys[0]?.account).toEqual({ id: expect.stringMatching(/^acct_\w{16}$/), name: 'Acme Inc' });
    expect(keys[1]?.account).toEqual(keys[0]?.account);
    expect(keys.every(({ api_key }) => context.secrets.has(api_key))).toBe(true);
  });

  test('can be made for another account', () => {
    const first = issue();
    const id = `acct_${'2'.repeat(16)}`;
    expect(issue({ accountId: id, name: 'Other Ltd' }).account).toEqual({ id, name: 'Other Ltd' });
    expect(issue({ accountId: id }).account).toEqual({ id, name: 'Other Ltd' });
    expect(issue({ name: 'Third GmbH' }).account.id).not.toBe(first.account.id);
    expect(issue().account).toEqual(first.account);
  });

  test('can be rolled', async () => {
    const { api_key, account } = issue();
    expireStripeKey(context.store, api_key);
    expect(stripeKeys(context.store)).toEqual([{ key: api_key, account: account.id, alive: false }]);
    expect((await refusal(await call(api_key, '/v1/balance'), 401)).code).toBe('api_key_expired');
  });
});

describe('authentication', () => {
  test('takes Bearer, and Basic with the key as the user name', async () => {
    const { api_key } = issue();
    expect((await call(api_key, '/v1/account')).status).toBe(200);
    const authorization = `Basic ${Buffer.from(`${api_key}:`).toString('base64')}`;
    expect((await call(api_key, '/v1/account', { headers: { authorization } })).status).toBe(200);
  });

  test.each(['', 'Bearer', 'Token abc', 'abc'])('finds no key in %o', async (authorization) => {
    const error = await refusal(await call('', '/v1/account', { headers: { authorization } }), 401);
    expect(error.message).toMatch(/^You did not provide an API key/);
    expect(error.type).toBe('invalid_request_error');
  });

  test('refuses an unknown key and shows only its end', async () => {
    const unknown = `rk_test_${'a'.repeat(20)}wxyz`;
    const error = await refusal(await call(unknown, '/v1/account'), 401);
    expect(error).toEqual({
      message: `Invalid API Key provided: rk_test_${'*'.repeat(20)}wxyz`,
      type: 'invalid_request_error',
    });
  });

  test('tells an expired key by its code', async () => {
    const { api_key } = issue({ expired: 'true' });
    const error = await refusal(await call(api_key, '/v1/account'), 401);
    expect(error).toMatchObject({
      code: 'api_key_expired',
      doc_url: 'https://stripe.com/docs/error-codes/api-key-expired',
      type: 'invalid_request_error',
    });
    expect(error.message).not.toContain(api_key);
  });
});

describe('the account', () => {
  test('has its id and names', async () => {
    const { api_key, account } = issue({ kind: 'secret' });
    const response = await call(api_key, '/v1/account', {
      headers: { 'stripe-version': '2026-10-28.endive' },
    });
    expect(response.headers.get('request-id')).toMatch(/^req_/);
    expect(await response.json()).toMatchObject({
      id: account.id,
      object: 'account',
      business_profile: { name: 'Acme Inc' },
      settings: { dashboard: { display_name: 'Acme Inc' } },
      charges_enabled: true,
    });
  });

  test('is named in the refusal of a key that may not read it', async () => {
    const { api_key, account } = issue({ account: 'false' });
    const error = await refusal(await call(api_key, '/v1/account'), 403);
    expect(error).toEqual({
      message: `The provided key 'rk_test_${'*'.repeat(93)}${api_key.slice(-6)}' does not have the required permissions for this endpoint on account '${account.id}'. Having the 'rak_accounts_kyc_basic_read' permission would allow this request to continue.`,
      type: 'invalid_request_error',
    });
    const balance = await call(api_key, '/v1/balance');
    expect(await balance.json()).toMatchObject({ object: 'balance', livemode: false });
  });

  test('is no other by Stripe-Account', async () => {
    const { api_key, account } = issue();
    const as = (id: string) => call(api_key, '/v1/account', { headers: { 'stripe-account': id } });
    expect((await as(account.id)).status).toBe(200);
    expect((await refusal(await as('acct_other'), 403)).code).toBe('account_invalid');
  });
});

describe('requests', () => {
  test.each(['2026-10-28', '2026-10-28.clover', 'latest'])('of version %s are refused', async (version) => {
    const { api_key } = issue();
    const response = await call(api_key, '/v1/balance', { headers: { 'stripe-version': version } });
    expect((await refusal(response, 400)).message).toBe(`Invalid Stripe API version: ${version}`);
  });

  test('to an unknown path are 404', async () => {
    const { api_key } = issue();
    const error = await refusal(await call(api_key, '/v1/nothing'), 404);
    expect(error.message).toMatch(/^Unrecognized request URL \(GET: \/v1\/nothing\)/);
    await refusal(await call(api_key, '/v1/account', { method: 'DELETE' }), 404);
  });

  test('with an unknown parameter are refused', async () => {
    const { api_key } = issue();
    const error = await refusal(await call(api_key, '/v1/balance?verbose=1'), 400);
    expect(error).toMatchObject({ code: 'parameter_unknown', param: 'verbose' });
  });

  test('with a body must be forms', async () => {
    const { api_key } = issue();
    for (const type of ['application/json', 'text/plain']) {
      const init = { method: 'POST', body: JSON.stringify(newEndpoint), headers: { 'content-type': type } };
      await refusal(await call(api_key, '/v1/webhook_endpoints', init), 400);
    }
  });

  test('beyond the limit are told why, without Retry-After', async () => {
    const { api_key } = issue();
    context.store.set('settings.rateLimit', true);
    const response = await call(api_key, '/v1/balance');
    expect(response.headers.get('stripe-rate-limited-reason')).toBe('global-rate');
    expect(response.headers.has('retry-after')).toBe(false);
    expect((await refusal(response, 429)).code).toBe('rate_limit');
  });

  test('for lists want their permission', async () => {
    const { api_key } = issue({ permissions: 'charge_read' });
    const response = await call(api_key, '/v1/charges?limit=3&created[gte]=1');
    expect(await response.json()).toEqual({ object: 'list', data: [], has_more: false, url: '/v1/charges' });
    expect((await refusal(await call(api_key, '/v1/invoices'), 403)).message).toContain("'rak_invoice_read'");
    expect((await refusal(await call(api_key, '/v1/charges?limit=101'), 400)).param).toBe('limit');
  });
});

describe('webhook endpoints', () => {
  const path = '/v1/webhook_endpoints';
  const create = async (key: string, body: Record<string, string> = newEndpoint) =>
    endpointSchema.parse(await (await post(key, path, body)).json());

  test('show their secret at creation only', async () => {
    const { api_key } = issue();
    const body = {
      ...newEndpoint,
      'enabled_events[1]': 'payment_intent.succeeded',
      api_version: '2026-10-28.endive',
    };
    const { secret, ...rest } = await create(api_key, body);
    expect(secret).toMatch(/^whsec_\w{32}$/);
    expect(context.secrets).toContain(secret);
    expect(rest).toMatchObject({
      enabled_events: ['invoice.created', 'payment_intent.succeeded'],
      api_version: '2026-10-28.endive',
      metadata: { connection: 'c1' },
      livemode: false,
      status: 'enabled',
      created: context.clock / 1000,
    });
    expect(await (await call(api_key, `${path}/${rest.id}`)).json()).toEqual(rest);
    expect(listSchema.parse(await (await call(api_key, path)).json()).data).toEqual([rest]);
  });

  test('are updated and deleted', async () => {
    const { api_key } = issue();
    const { id } = await create(api_key);
    const changes = {
      disabled: 'true',
      'enabled_events[]': '*',
      'metadata[connection]': '',
      'metadata[a]': 'b',
    };
    const updated = endpointSchema.parse(await (await post(api_key, `${path}/${id}`, changes)).json());
    expect(updated).toMatchObject({
      status: 'disabled',
      enabled_events: ['*'],
      metadata: { a: 'b' },
      url: HOOK,
    });
    expect(updated.metadata).not.toHaveProperty('connection');
    const error = await refusal(
      await post(api_key, `${path}/${id}`, { api_version: '2026-10-28.endive' }),
      400,
    );
    expect(error.code).toBe('parameter_unknown');
    const gone = await call(api_key, `${path}/${id}`, { method: 'DELETE' });
    expect(await gone.json()).toEqual({ id, object: 'webhook_endpoint', deleted: true });
    const missing = await refusal(await call(api_key, `${path}/${id}`, { method: 'DELETE' }), 404);
    expect(missing.code).toBe('resource_missing');
  });

  test('are listed newest first, a page at a time', async () => {
    const { api_key } = issue();
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) ids.unshift((await create(api_key)).id);
    const first = listSchema.parse(await (await call(api_key, `${path}?limit=2`)).json());
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(first.has_more).toBe(true);
    const rest = await call(api_key, `${path}?limit=2&starting_after=${ids[1]}`);
    expect(listSchema.parse(await rest.json())).toMatchObject({ data: [{ id: ids[2] }], has_more: false });
  });

  test.each([
    [{ 'enabled_events[]': 'invoice.created' }, 'url'],
    [{ url: HOOK }, 'enabled_events'],
    [{ url: HOOK, 'enabled_events[]': 'invoice.made' }, 'enabled_events[0]'],
    [{ ...newEndpoint, api_version: '2026-01-01' }, 'api_version'],
    [{ ...newEndpoint, url: 'not a url' }, 'url'],
    [{ ...newEndpoint, secret: 'x' }, 'secret'],
  ])('are not made of %o', async (body, param) => {
    expect((await refusal(await post(issue().api_key, path, body), 400)).param).toBe(param);
  });

  test('want the permission to write them', async () => {
    const { api_key } = issue({ permissions: 'webhook_read' });
    const error = await refusal(await post(api_key, path, newEndpoint), 403);
    expect(error.message).toContain("'rak_webhook_write'");
    expect((await call(api_key, path)).status).toBe(200);
  });

  test('want https in live mode, and are sixteen at most', async () => {
    const live = issue({ mode: 'live' }).api_key;
    await refusal(await post(live, path, { ...newEndpoint, url: 'http://reeve.example/' }), 400);
    for (let count = 0; count < 16; count++) await create(live);
    await refusal(await post(live, path, newEndpoint), 400);
    expect((await create(issue().api_key)).livemode).toBe(false);
  });

  test('are made once under an idempotency key', async () => {
    const { api_key } = issue();
    const headers = { 'idempotency-key': 'k1' };
    const first = await post(api_key, path, newEndpoint, headers);
    const again = await post(api_key, path, newEndpoint, headers);
    expect(await again.json()).toEqual(await first.json());
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const other = await post(api_key, path, { ...newEndpoint, description: 'x' }, headers);
    expect((await refusal(other, 400)).type).toBe('idempotency_error');
    expect(listSchema.parse(await (await call(api_key, path)).json()).data).toHaveLength(1);
  });
});
