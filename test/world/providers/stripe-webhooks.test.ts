import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import { type HttpServer, serve } from '../http-server.ts';
import type { Happening, Simulator } from '../simulator.ts';
import { rollSecret, signStripe, stripe, stripeDeliveries } from './stripe.ts';

const API = 'https://api.stripe.com';
const DAY = 86_400_000;

const errorSchema = z.object({
  error: z.object({ type: z.string(), message: z.string(), code: z.string().optional() }).loose(),
});
const eventSchema = z.strictObject({
  id: z.string().regex(/^evt_\w{24}$/),
  object: z.literal('event'),
  api_version: z.string(),
  created: z.number(),
  data: z.strictObject({
    object: z.looseObject({ id: z.string(), object: z.string() }),
    previous_attributes: z.record(z.string(), z.unknown()).optional(),
  }),
  livemode: z.boolean(),
  pending_webhooks: z.number(),
  request: z.strictObject({ id: z.null(), idempotency_key: z.null() }),
  type: z.string(),
});
const listSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(z.looseObject({ id: z.string(), type: z.string() })),
  has_more: z.boolean(),
  url: z.literal('/v1/events'),
});
const endpointSchema = z.looseObject({ id: z.string(), secret: z.string().default('') });

interface Arrived {
  path: string;
  headers: Headers;
  body: Buffer;
}

let context: TestContext;
let simulator: Simulator;
let receiver: HttpServer;
let arrived: Arrived[];
let answer: () => Response | 'drop';

beforeAll(async () => {
  receiver = await serve(async (request) => {
    const body = Buffer.from(await request.arrayBuffer());
    arrived.push({ path: new URL(request.url).pathname, headers: request.headers, body });
    return answer();
  });
});
afterAll(() => receiver.close());

beforeEach(() => {
  arrived = [];
  answer = () => new Response();
  context = openContext('stripe');
  simulator = stripe(context);
});

const issue = (options?: Record<string, string>) => keyOf(simulator, options);

function happen(happening: Happening) {
  if (!simulator.happen) throw new Error('nothing happens here');
  return simulator.happen(happening);
}

async function call(key: string, path: string, init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${key}`, ...init.headers };
  return simulator.fetch(new Request(API + path, { ...init, headers }));
}

const post = (key: string, path: string, body: [string, string][]) =>
  call(key, path, { method: 'POST', body: new URLSearchParams(body) });

async function register(key: string, names: string[], more: Record<string, string> = {}) {
  const fields = { url: `${receiver.url}/hook`, ...more };
  const body = [
    ...Object.entries(fields),
    ...names.map((name): [string, string] => ['enabled_events[]', name]),
  ];
  const response = await post(key, '/v1/webhook_endpoints', body);
  expect(response.status, await response.clone().text()).toBe(200);
  return endpointSchema.parse(await response.json());
}

async function refusal(response: Response, status: number) {
  expect(response.status).toBe(status);
  return errorSchema.parse(await response.json()).error;
}

async function events(key: string, query = '') {
  const response = await call(key, `/v1/events${query}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return listSchema.parse(await response.json());
}

/** What Stripe's own library makes of a delivery. */
const verified = ({ body, headers }: Arrived, secret: string, at = context.clock) =>
  Stripe.webhooks.constructEvent(body, headers.get('stripe-signature') ?? '', secret, 300, undefined, at);

function first(): Arrived {
  const [delivery] = arrived;
  if (!delivery) throw new Error('nothing arrived');
  return delivery;
}

describe('signatures', () => {
  test.each([
    [
      '{"id":"evt_test_webhook","object":"event"}',
      1700000000,
      'd95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990',
    ],
    [
      '{\n  "id": "evt_test_webhook",\n  "object": "event"\n}',
      1492774577,
      'c2f890decbc5ede7c5060bb9a6d31e0626a4342bacb9aeae2adb1bcea72f9812',
    ],
    [
      '{"id":"evt_ü","object":"event"}',
      1700000000,
      '094ceb7c57633a45ad71c5e1adcdaffa12687f23adf8df4ec70ad9bfb161d674',
    ],
  ])('of %s are as the vectors have them', (payload, timestamp, digest) => {
    const header = `t=${timestamp},v1=${digest}`;
    expect(signStripe(payload, 'whsec_test_secret', timestamp)).toBe(header);
    expect(signStripe(Buffer.from(payload), 'whsec_test_secret', timestamp)).toBe(header);
  });
});

describe('a delivery', () => {
  test('is a signed event in the endpoint’s version', async () => {
    const { api_key } = issue();
    const version = { api_version: '2025-03-31.basil' };
    const { secret } = await register(api_key, ['invoice.created'], version);
    const [delivered, ...others] = await happen({ event: 'invoice.created' });
    expect(others).toEqual([]);
    expect(delivered).toEqual({
      id: expect.stringMatching(/^evt_/),
      url: `${receiver.url}/hook`,
      status: 200,
    });

    const { headers, body } = first();
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('user-agent')).toBe('Stripe/1.0 (+https://stripe.com/docs/webhooks)');
    expect(headers.get('stripe-signature')).toMatch(/^t=1795478400,v1=[0-9a-f]{64},v0=[0-9a-f]{64}$/);
    expect(verified(first(), secret)).toMatchObject({ id: delivered?.id, type: 'invoice.created' });
    expect(eventSchema.parse(JSON.parse(body.toString()))).toMatchObject({
      id: delivered?.id,
      ...version,
      created: context.clock / 1000,
      livemode: false,
      pending_webhooks: 1,
      type: 'invoice.created',
    });
    expect(stripeDeliveries(context.store)).toMatchObject([{ ...delivered, at: context.clock }]);
  });

  test('has two signatures for as long as a rolled secret still holds, and then the new one’s', async () => {
    const { id, secret } = await register(issue().api_key, ['*']);
    rollSecret(context.store, id, { now: context.clock, hours: 24 });
    context.clock += DAY - 1;
    await happen({ event: 'charge.succeeded' });
    context.clock += 1;
    await happen({ event: 'charge.succeeded' });
    const next = [...context.secrets].at(-1) ?? '';
    const [both, ended] = arrived;
    if (!both || !ended) throw new Error('too few');
    expect(both.headers.get('stripe-signature')).toMatch(/^t=\d+,v1=\w{64},v1=\w{64},v0=/);
    for (const each of [secret, next]) expect(verified(both, each, context.clock - 1)).toBeTruthy();
    expect(verified(ended, next)).toBeTruthy();
    expect(() => verified(ended, secret)).toThrow(Stripe.errors.StripeSignatureVerificationError);
  });

  test('has the new signature alone where a secret was rolled without delay, at that endpoint alone', async () => {
    const { api_key } = issue();
    const [one, other] = [await register(api_key, ['*']), await register(api_key, ['*'])];
    rollSecret(context.store, one.id, { now: context.clock, hours: 0 });
    await happen({ event: 'charge.succeeded' });
    expect(arrived).toHaveLength(2);
    for (const { headers } of arrived)
      expect(headers.get('stripe-signature')).toMatch(/^t=\d+,v1=\w{64},v0=\w{64}$/);
    const fits = (secret: string) =>
      arrived.filter((each) => {
        const sent = each.headers.get('stripe-signature') ?? '';
        return sent.includes(signStripe(each.body, secret, context.clock / 1000));
      });
    expect([fits(one.secret).length, fits(other.secret).length]).toEqual([0, 1]);
  });

  test('is signed with a secret that ends within a day, of an endpoint that is there, or nothing is rolled', async () => {
    const { id } = await register(issue().api_key, ['*']);
    expect(() => rollSecret(context.store, id, { now: context.clock, hours: 25 })).toThrow('24 hours');
    expect(() => rollSecret(context.store, 'we_none', { now: context.clock, hours: 0 })).toThrow(
      'no such endpoint',
    );
  });

  test('goes to every enabled endpoint that wants the event, of the account and the mode alone', async () => {
    const { api_key, account } = issue();
    const other = issue({ name: 'Other Ltd' });
    const live = issue({ mode: 'live' });
    const wants = ['payment_intent.succeeded', 'invoice.created'];
    await register(api_key, wants, { url: `${receiver.url}/named` });
    await register(issue({ kind: 'secret' }).api_key, ['*'], { url: `${receiver.url}/all` });
    await register(api_key, ['invoice.created'], { url: `${receiver.url}/else` });
    await register(api_key, ['*'], { url: `${receiver.url}/connect`, connect: 'true' });
    await register(other.api_key, ['*'], { url: `${receiver.url}/other` });
    await register(live.api_key, ['*'], { url: `${receiver.url}/live` });
    const { id } = await register(api_key, ['*'], { url: `${receiver.url}/disabled` });
    await post(api_key, `/v1/webhook_endpoints/${id}`, [['disabled', 'true']]);

    const event = 'payment_intent.succeeded';
    const told = async (happening: Happening) => {
      const delivered = await happen(happening);
      return delivered.map(({ url }) => new URL(url).pathname).sort();
    };
    expect(await told({ event })).toEqual(['/all', '/named']);
    expect(await told({ event, account: account.id })).toEqual(['/all', '/named']);
    expect(await told({ event, livemode: 'true' })).toEqual(['/live']);
    expect(await told({ event, account: other.account.id })).toEqual(['/other']);
    expect(await told({ event: 'reporting.report_type.updated' })).toEqual([]);
    expect(arrived.find(({ path }) => path === '/live')?.headers.get('stripe-signature')).not.toContain('v0');
  });

  test('of a payload is that payload, byte for byte', async () => {
    const { api_key } = issue();
    const { secret } = await register(api_key, ['invoice.created']);
    const forged = {
      id: `evt_${'0'.repeat(24)}`,
      object: 'event',
      type: 'invoice.created',
      created: 5,
      ü: 1,
    };
    const payload = ` ${JSON.stringify(forged)}\r\n`;
    expect(await happen({ event: 'invoice.created', payload })).toMatchObject([
      { id: forged.id, status: 200 },
    ]);
    expect(first().body.toString()).toBe(payload);
    expect(verified(first(), secret)).toEqual(forged);
    expect(await (await call(api_key, `/v1/events/${forged.id}`)).json()).toEqual(forged);

    expect(await happen({ event: 'invoice.created', payload: '{"no":' })).toMatchObject([{ status: 200 }]);
    expect((await events(api_key)).data).toEqual([forged]);
  });

  test('may fail, and follows no redirect', async () => {
    await register(issue().api_key, ['*']);
    answer = () => new Response(null, { status: 307, headers: { location: `${receiver.url}/elsewhere` } });
    expect(await happen({ event: 'charge.failed' })).toMatchObject([{ status: 307 }]);
    answer = () => 'drop';
    expect(await happen({ event: 'charge.failed' })).toMatchObject([{ status: 'no answer' }]);
    expect(arrived.map(({ path }) => path)).not.toContain('/elsewhere');
  });

  test('can be made again, with the same bytes and a new timestamp', async () => {
    const { api_key } = issue();
    const { secret } = await register(api_key, ['*']);
    const [delivered] = await happen({ event: 'customer.subscription.updated' });
    context.clock += 3_600_000;
    simulator = stripe(context);
    expect(await happen({ event: '', resend: delivered?.id ?? '' })).toEqual([delivered]);
    const [one, two] = arrived;
    expect(two?.body.equals(one?.body ?? Buffer.of())).toBe(true);
    expect(verified(two ?? first(), secret)).toMatchObject({ id: delivered?.id });
    expect((await events(api_key)).data).toHaveLength(1);
  });

  test('is of nothing that does not exist', async () => {
    issue();
    await expect(happen({ event: 'invoice.made' })).rejects.toThrow('no such event');
    await expect(happen({ event: '' })).rejects.toThrow();
    await expect(happen({ event: 'invoice.created', account: 'acct_none' })).rejects.toThrow(
      'no such account',
    );
    await expect(happen({ event: 'invoice.created', colour: 'red' })).rejects.toThrow();
  });
});

describe('what happened', () => {
  const object = async (event: string, more: Record<string, string> = {}) => {
    await happen({ event, ...more });
    const { data } = eventSchema.parse((await events(issue().api_key, '?limit=1')).data[0]);
    return data;
  };

  test('is to a payment', async () => {
    const succeeded = await object('payment_intent.succeeded');
    expect(succeeded.object).toMatchObject({
      object: 'payment_intent',
      status: 'succeeded',
      amount_received: 2400,
    });
    const failed = await object('payment_intent.payment_failed');
    expect(failed.object).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'card_declined' },
    });
  });

  test('is to a subscription, and an update says what was before', async () => {
    const created = await object('customer.subscription.created');
    expect(created.object).toMatchObject({
      object: 'subscription',
      status: 'active',
      created: context.clock / 1000,
    });
    expect(created).not.toHaveProperty('previous_attributes');
    const updated = await object('customer.subscription.updated');
    expect(updated.object).toMatchObject({ cancel_at_period_end: true, items: { data: [{ quantity: 1 }] } });
    expect(updated.previous_attributes).toMatchObject({ cancel_at_period_end: false });
    expect((await object('customer.subscription.deleted')).object).toMatchObject({ status: 'canceled' });
  });

  test('is to an invoice', async () => {
    const created = await object('invoice.created');
    expect(created.object).toMatchObject({
      object: 'invoice',
      status: 'draft',
      number: null,
      amount_paid: 0,
    });
    const paid = await object('invoice.paid');
    expect(paid.object).toMatchObject({ status: 'paid', amount_remaining: 0 });
    expect((await object('invoice.updated')).previous_attributes).toMatchObject({ status: 'open' });
  });

  test('is to anything else, or as told', async () => {
    expect((await object('customer.source.created')).object).toMatchObject({
      object: 'source',
      metadata: {},
    });
    expect((await object('product.updated')).previous_attributes).toEqual({ metadata: { order: null } });
    const given = { object: '{"id":"sub_1","status":"past_due"}' };
    expect((await object('customer.subscription.updated', given)).object).toMatchObject(
      JSON.parse(given.object),
    );
  });
});

describe('the list of events', () => {
  test('has all, newest first and a page at a time, told or not', async () => {
    const { api_key } = issue();
    await happen({ event: 'invoice.created' });
    context.clock += 1000;
    await register(api_key, ['*']);
    answer = () => new Response(null, { status: 500 });
    await happen({ event: 'invoice.paid' });
    await happen({ event: 'invoice.sent', lost: 'true' });
    answer = () => new Response(null, { status: 204 });
    await happen({ event: 'charge.succeeded' });
    expect(arrived).toHaveLength(2);

    const all = await events(api_key);
    expect(all.data.map(({ type }) => type)).toEqual([
      'charge.succeeded',
      'invoice.sent',
      'invoice.paid',
      'invoice.created',
    ]);
    expect(all.data.map(({ pending_webhooks }) => pending_webhooks)).toEqual([0, 1, 1, 0]);
    const page = await events(api_key, '?limit=3');
    expect(page.has_more).toBe(true);
    const rest = await events(api_key, `?limit=3&starting_after=${page.data[2]?.id}`);
    expect(rest).toMatchObject({ has_more: false, data: [all.data[3]] });
    const back = await events(api_key, `?limit=1&ending_before=${all.data[2]?.id}`);
    expect(back).toMatchObject({ has_more: true, data: [all.data[1]] });
    expect(await (await call(api_key, `/v1/events/${all.data[1]?.id}`)).json()).toEqual(all.data[1]);
  });

  test('is filtered', async () => {
    const { api_key } = issue();
    await register(api_key, ['invoice.paid']);
    answer = () => 'drop';
    const names = ['invoice.created', 'invoice.paid', 'charge.succeeded', 'customer.subscription.updated'];
    for (const event of names) {
      await happen({ event });
      context.clock += 10_000;
    }
    const since = context.clock / 1000 - 40;
    const found = async (query: string) => {
      const { data } = await events(api_key, `?${query}`);
      return data.map(({ type }) => names.indexOf(type)).reverse();
    };
    expect(await found('type=invoice.paid')).toEqual([1]);
    expect(await found('type=invoice.*')).toEqual([0, 1]);
    expect(await found('type=*.updated')).toEqual([3]);
    expect(await found('types[]=invoice.created&types[]=charge.succeeded')).toEqual([0, 2]);
    expect(await found(`created[gte]=${since + 10}`)).toEqual([1, 2, 3]);
    expect(await found(`created[gt]=${since}&created[lt]=${since + 30}`)).toEqual([1, 2]);
    expect(await found(`created[lte]=${since}`)).toEqual([0]);
    expect(await found(`created=${since + 20}`)).toEqual([2]);
    expect(await found('delivery_success=false')).toEqual([1]);
    expect(await found('delivery_success=true&limit=2')).toEqual([2, 3]);
  });

  test('goes back thirty days, over a restart', async () => {
    const { api_key } = issue();
    await happen({ event: 'invoice.created' });
    simulator = stripe(context);
    const [event] = (await events(api_key)).data;
    context.clock += 30 * DAY - 1;
    expect((await events(api_key)).data).toEqual([event]);
    context.clock += 1;
    expect((await events(api_key)).data).toEqual([]);
    const error = await refusal(await call(api_key, `/v1/events/${event?.id}`), 404);
    expect(error).toMatchObject({ code: 'resource_missing', message: `No such event: '${event?.id}'` });
  });

  test('is of one account and mode', async () => {
    const keys = [issue(), issue({ mode: 'live' }), issue({ name: 'Other Ltd' })];
    await happen({ event: 'invoice.created', livemode: 'true' });
    const lists = await Promise.all(keys.map(({ api_key }) => events(api_key)));
    expect(lists.map(({ data }) => data.length)).toEqual([0, 1, 0]);
    const id = lists[1]?.data[0]?.id;
    await refusal(await call(keys[0]?.api_key ?? '', `/v1/events/${id}`), 404);
  });

  test.each([
    ['colour=red', 'colour'],
    ['created[after]=1', 'created[after]'],
    ['created[gte]=today', 'created[gte]'],
    ['delivery_success=1', 'delivery_success'],
    ['type=invoice.made', 'type'],
    ['types[]=invoice.*', 'types[0]'],
    ['types=invoice.paid', 'types'],
    [new URLSearchParams(Array(21).fill(['types[]', 'invoice.paid'])).toString(), 'types'],
    ['limit=0', 'limit'],
    ['starting_after=evt_1', 'starting_after'],
    ['expand[]=data.object', 'expand'],
  ])('refuses ?%s', async (query, param) => {
    expect(await refusal(await call(issue().api_key, `/v1/events?${query}`), 400)).toMatchObject({ param });
  });

  test('refuses what contradicts itself, and a key that may not read events', async () => {
    const { api_key } = issue();
    await refusal(await call(api_key, '/v1/events?type=invoice.paid&types[]=invoice.paid'), 400);
    await refusal(await call(api_key, '/v1/events?starting_after=a&ending_before=b'), 400);
    const mute = issue({ permissions: 'webhook_write' }).api_key;
    for (const path of ['/v1/events', '/v1/events/evt_1']) {
      expect((await refusal(await call(mute, path), 403)).message).toContain("'rak_event_read'");
    }
  });
});

describe('an endpoint', () => {
  const path = '/v1/webhook_endpoints';
  const wants: [string, string] = ['enabled_events[]', '*'];

  test('wants https in live mode, but on loopback', async () => {
    const { api_key } = issue({ mode: 'live' });
    for (const url of [
      'http://localhost:8787/hook',
      'http://127.0.0.1:1/',
      'http://[::1]/',
      'https://a.example/',
    ])
      await register(api_key, ['*'], { url });
    const url = 'http://127.0.0.1.evil.example/';
    const { message } = await refusal(await post(api_key, path, [wants, ['url', url]]), 400);
    expect(message).toBe(`Invalid URL: ${url}. URLs in livemode must begin with "https://"`);
  });

  test.each(['reeve.example/hook', '/hook'])('has no address like %s', async (url) => {
    const error = await refusal(await post(issue().api_key, path, [wants, ['url', url]]), 400);
    expect(error).toMatchObject({ code: 'url_invalid', param: 'url' });
  });

  test('is nobody’s but its account’s', async () => {
    const { id } = await register(issue().api_key, ['*']);
    const other = issue({ name: 'Other Ltd' }).api_key;
    const live = issue({ mode: 'live' }).api_key;
    for (const key of [other, live]) {
      await refusal(await call(key, `${path}/${id}`), 404);
      await refusal(await post(key, `${path}/${id}`, [['disabled', 'true']]), 404);
      await refusal(await call(key, `${path}/${id}`, { method: 'DELETE' }), 404);
    }
    expect((await call(issue().api_key, `${path}/${id}`)).status).toBe(200);
  });

  test('takes no parameter that is unknown, wherever it stands', async () => {
    const { api_key } = issue();
    const { id } = await register(api_key, ['*']);
    for (const [method, where] of [
      ['GET', `${path}?colour=red`],
      ['GET', `${path}/${id}?colour=red`],
      ['POST', `${path}/${id}?colour=red`],
      ['DELETE', `${path}/${id}?colour=red`],
    ] as const) {
      const error = await refusal(await call(api_key, where, { method }), 400);
      expect(error, `${method} ${where}`).toMatchObject({ code: 'parameter_unknown', param: 'colour' });
    }
  });

  test('keeps fifty keys of metadata, and forgets an empty description', async () => {
    const { api_key } = issue();
    const { id, description } = await register(api_key, ['*'], { description: 'Reeve' });
    expect(description).toBe('Reeve');
    const change = async (body: [string, string][]) => post(api_key, `${path}/${id}`, body);
    expect(await (await change([['description', '']])).json()).toMatchObject({ description: null });
    const keys = (count: number) =>
      Array.from({ length: count }, (_, at): [string, string] => [`metadata[k${at}]`, 'v']);
    expect((await change(keys(50))).status).toBe(200);
    await refusal(await change(keys(51)), 400);
    await refusal(await change([['metadata[a]', 'v'.repeat(501)]]), 400);
    await refusal(await change([[`metadata[${'a'.repeat(41)}]`, 'v']]), 400);
    expect(await (await change([['metadata', '']])).json()).toMatchObject({ metadata: {} });
  });

  test('that moves keeps its id and its secret, and the API shows neither that nor rolls it', async () => {
    const { api_key } = issue();
    const { id, secret } = await register(api_key, ['*']);
    const moved = await (await post(api_key, `${path}/${id}`, [['url', `${receiver.url}/moved`]])).json();
    expect(moved).toMatchObject({ id, url: `${receiver.url}/moved` });
    expect(moved).not.toHaveProperty('secret');
    await happen({ event: 'invoice.created' });
    expect(arrived.map((each) => each.path)).toEqual(['/moved']);
    expect(verified(first(), secret)).toBeTruthy();
    await refusal(await post(api_key, `${path}/${id}`, [['secret', 'whsec_mine']]), 400);
  });

  test('is told nothing after its deletion', async () => {
    const { api_key } = issue();
    const { id } = await register(api_key, ['*']);
    await call(api_key, `${path}/${id}`, { method: 'DELETE' });
    expect(await happen({ event: 'invoice.created' })).toEqual([]);
  });
});
