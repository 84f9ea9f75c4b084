import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema, isEnumType, isInputObjectType, isObjectType } from 'graphql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import { type HttpServer, type Served, serve } from '../http-server.ts';
import type { Delivered, Happening, Simulator } from '../simulator.ts';
import { SDL } from './shopify/schema.ts';
import { parseSearch } from './shopify/search.ts';
import { signShopify } from './shopify/signature.ts';
import { toShopTime } from './shopify/times.ts';
import { shopify, shopifyDeliveries, shopifySubscriptions, shopifyTokens } from './shopify.ts';

const NORTH = 'north-store.myshopify.com';
const SOUTH = 'south-store.myshopify.com';
const SCOPES = 'read_products,read_orders,read_inventory,read_customers';
const HOUR = 3_600_000;
const CREATE = `mutation ($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) {
    webhookSubscription { id topic uri format createdAt updatedAt includeFields filter }
    userErrors { field message }
  }
}`;

const answer = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z
    .array(z.looseObject({ message: z.string(), extensions: z.record(z.string(), z.unknown()).optional() }))
    .optional(),
  extensions: z.looseObject({}).optional(),
});
const userError = z.object({ field: z.array(z.string()), message: z.string() });
const created = z.object({
  webhookSubscriptionCreate: z.object({
    webhookSubscription: z.looseObject({ id: z.string() }).nullable(),
    userErrors: z.array(userError),
  }),
});
const list = z.record(
  z.string(),
  z.object({
    nodes: z.array(z.record(z.string(), z.unknown())),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() }).loose().optional(),
  }),
);

interface Received {
  path: string;
  headers: Headers;
  body: string;
}

let context: TestContext;
let simulator: Simulator;
let receiver: HttpServer;
let received: Received[];
let respond: (request: Request) => Served | Promise<Served>;
let token: string;

beforeEach(async () => {
  received = [];
  respond = () => new Response();
  receiver = await serve(async (request) => {
    const { pathname } = new URL(request.url);
    received.push({ path: pathname, headers: request.headers, body: await request.text() });
    return respond(request);
  });
  context = openContext('shopify', {
    id: 'reeve-test',
    secret: randomBytes(16).toString('hex'),
    redirectUris: [`${receiver.url}/api/oauth/shopify/callback`],
    settings: {},
  });
  context.clock = Date.UTC(2026, 10, 24, 9, 0, 0, 500);
  simulator = shopify(context);
  token = await connect();
});

afterEach(() => receiver.close());

const send = async (url: string, init?: RequestInit) => simulator.fetch(new Request(url, init));
const happen = async (told: Happening): Promise<Delivered[]> => (await simulator.happen?.(told)) ?? [];

async function connect(scope = SCOPES, shop = NORTH): Promise<string> {
  const { client } = context;
  const redirect_uri = client.redirectUris[0] ?? '';
  const query = new URLSearchParams({ client_id: client.id, redirect_uri, state: 's', scope });
  const decision = new URLSearchParams({ decision: 'approve' });
  const url = `https://${shop}/admin/oauth/authorize?${query}`;
  const { headers } = await send(url, { method: 'POST', body: decision });
  const code = new URL(headers.get('location') ?? '').searchParams.get('code');
  const response = await send(`https://${shop}/admin/oauth/access_token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ client_id: client.id, client_secret: client.secret, code }),
  });
  return z.object({ access_token: z.string() }).parse(await response.json()).access_token;
}

async function graphql(query: string, variables?: Record<string, unknown>, shop = NORTH, as = token) {
  const response = await send(`https://${shop}/admin/api/2026-10/graphql.json`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-shopify-access-token': as },
    body: JSON.stringify({ query, variables }),
  });
  expect(response.status).toBe(200);
  return answer.parse(await response.json());
}

async function subscribe(topic: string, sub: Record<string, unknown> = {}, shop = NORTH, as = token) {
  const uri = `${receiver.url}/hooks`;
  const { data } = await graphql(CREATE, { topic, sub: { uri, format: 'JSON', ...sub } }, shop, as);
  return created.parse(data).webhookSubscriptionCreate;
}

async function nodes(query: string) {
  const { data } = await graphql(query);
  return Object.values(list.parse(data))[0]?.nodes ?? [];
}

const messages = async (topic: string, sub?: Record<string, unknown>) =>
  (await subscribe(topic, sub)).userErrors.map(({ message }) => message);

test('a signature is the published one', () => {
  const body = '{"id":820982911946154508,"name":"#9999"}';
  const signature = 'YBwnJ9vsibq7srObgXybmGHWuwos+jDEL//7749XS78=';
  expect(signShopify(body, 'hush')).toBe(signature);
  expect(signShopify(new TextEncoder().encode(body), 'hush')).toBe(signature);
});

test('a shop tells time by its own clock', () => {
  expect(toShopTime(Date.UTC(2026, 10, 24, 3), 'America/New_York')).toBe('2026-11-23T22:00:00-05:00');
  expect(toShopTime(Date.UTC(2026, 6, 1), 'Europe/Paris')).toBe('2026-07-01T02:00:00+02:00');
  expect(toShopTime(0, 'UTC')).toBe('1970-01-01T00:00:00+00:00');
});

describe.skipIf(!process.env.SPECS_DIR)('the schema', () => {
  test("is part of Shopify's own", () => {
    const file = path.join(process.env.SPECS_DIR ?? '', 'shopify-admin-2026-10.graphql');
    const real = buildSchema(readFileSync(file, 'utf8')).getTypeMap();
    const strange: string[] = [];
    for (const [name, type] of Object.entries(buildSchema(SDL).getTypeMap())) {
      const other = real[name];
      if (isEnumType(type)) {
        const values = isEnumType(other) ? other.getValues().map((value) => value.name) : [];
        strange.push(
          ...type.getValues().flatMap((value) => (values.includes(value.name) ? [] : [value.name])),
        );
      }
      if (!isObjectType(type) && !isInputObjectType(type)) continue;
      const fields = isObjectType(other) || isInputObjectType(other) ? other.getFields() : undefined;
      if (!fields) strange.push(name);
      for (const [key, field] of Object.entries(fields ? type.getFields() : {})) {
        const its = fields?.[key];
        const same = (a: unknown, b: unknown) => String(a) === String(b);
        if (!its || !same(its.type, field.type)) strange.push(`${name}.${key}`);
        if (!its || !('args' in field) || !('args' in its)) continue;
        for (const argument of field.args) {
          const fits = its.args.some((each) => each.name === argument.name && same(each.type, argument.type));
          if (!fits) strange.push(`${name}.${key}(${argument.name})`);
        }
      }
    }
    expect(strange).toEqual([]);
  });
});

describe('a subscription', () => {
  test('is made with variables, shown, changed and deleted', async () => {
    const { webhookSubscription, userErrors } = await subscribe('ORDERS_CREATE');
    expect(userErrors).toEqual([]);
    expect(webhookSubscription).toEqual({
      id: expect.stringMatching(/^gid:\/\/shopify\/WebhookSubscription\/\d+$/),
      topic: 'ORDERS_CREATE',
      uri: `${receiver.url}/hooks`,
      format: 'JSON',
      createdAt: '2026-11-24T09:00:00Z',
      updatedAt: '2026-11-24T09:00:00Z',
      includeFields: [],
      filter: null,
    });
    const id = webhookSubscription?.id;
    context.clock += HOUR;
    const changed = await graphql(
      `mutation ($id: ID!) { webhookSubscriptionUpdate(id: $id, webhookSubscription: {uri: "https://connect.example/x"}) {
        webhookSubscription { uri callbackUrl updatedAt } userErrors { message } } }`,
      { id },
    );
    expect(changed.data).toEqual({
      webhookSubscriptionUpdate: {
        webhookSubscription: {
          uri: 'https://connect.example/x',
          callbackUrl: 'https://connect.example/x',
          updatedAt: '2026-11-24T10:00:00Z',
        },
        userErrors: [],
      },
    });
    const remove = `mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } } }`;
    const deleted = { deletedWebhookSubscriptionId: id, userErrors: [] };
    expect((await graphql(remove, { id })).data).toEqual({ webhookSubscriptionDelete: deleted });
    const gone = [{ field: ['id'], message: 'Webhook subscription does not exist' }];
    expect((await graphql(remove, { id })).data).toEqual({
      webhookSubscriptionDelete: { deletedWebhookSubscriptionId: null, userErrors: gone },
    });
    expect(shopifySubscriptions(context.store)).toEqual([]);
  });

  test('four are made by one document with its arguments in line, and listed', async () => {
    const topics = ['ORDERS_CREATE', 'PRODUCTS_UPDATE', 'INVENTORY_LEVELS_UPDATE', 'APP_UNINSTALLED'];
    const input = `{ uri: "${receiver.url}/hooks", format: JSON }`;
    const fields = topics.map(
      (topic, at) =>
        `t${at}: webhookSubscriptionCreate(topic: ${topic}, webhookSubscription: ${input}) { ...made }`,
    );
    const made = 'fragment made on WebhookSubscriptionCreatePayload { userErrors { message } }';
    const { data } = await graphql(`mutation Four { ${fields.join(' ')} } ${made}`);
    expect(Object.values(data ?? {})).toEqual(topics.map(() => ({ userErrors: [] })));

    const page = `query ($after: String) { webhookSubscriptions(first: 3, after: $after) {
      nodes { topic } edges { node { topic } } pageInfo { hasNextPage endCursor } } }`;
    const first = list.parse((await graphql(page)).data).webhookSubscriptions;
    const after = first?.pageInfo?.endCursor;
    const second = list.parse((await graphql(page, { after })).data).webhookSubscriptions;
    expect([...(first?.nodes ?? []), ...(second?.nodes ?? [])]).toEqual(topics.map((topic) => ({ topic })));
    expect([first, second].map((each) => each?.pageInfo?.hasNextPage)).toEqual([true, false]);
    const some = (given: string) => nodes(`{ webhookSubscriptions(first: 9, ${given}) { nodes { topic } } }`);
    expect(await some('topics: [APP_UNINSTALLED, SHOP_UPDATE]')).toEqual([{ topic: 'APP_UNINSTALLED' }]);
    expect(await some('uri: "https://connect.example/"')).toEqual([]);
    expect(await some(`uri: "${receiver.url}/hooks", query: "topic:ORDERS*", sortKey: ID`)).toHaveLength(1);
  });

  test('is its shop’s own, and there once for a topic and an address', async () => {
    await subscribe('ORDERS_CREATE');
    const { webhookSubscription, userErrors } = await subscribe('ORDERS_CREATE');
    expect(webhookSubscription).toBeNull();
    expect(userErrors).toEqual([
      {
        field: ['webhookSubscription', 'callbackUrl'],
        message: 'Address for this topic has already been taken',
      },
    ]);
    expect(await messages('ORDERS_CREATE', { uri: 'https://connect.example/' })).toEqual([]);
    const south = await connect(SCOPES, SOUTH);
    expect((await subscribe('ORDERS_CREATE', {}, SOUTH, south)).userErrors).toEqual([]);
    const { data } = await graphql('{ webhookSubscriptions(first: 9) { nodes { id } } }', {}, SOUTH, south);
    expect(list.parse(data).webhookSubscriptions?.nodes).toHaveLength(1);
  });

  test.each([
    [{ uri: undefined }, "Address can't be blank"],
    [{ uri: 'http://connect.example/' }, 'Address protocol http:// is not supported'],
    [{ uri: 'pubsub://project:topic' }, 'Address protocol pubsub:// is not supported'],
    [{ uri: 'connect.example' }, 'Address is invalid'],
    [{ uri: `https://${NORTH}/` }, 'Address cannot be a Shopify or an internal domain'],
    [{ uri: 'https://10.0.0.1/' }, 'Address cannot be a Shopify or an internal domain'],
    [{ filter: 'anything' }, expect.stringMatching(/^The specified filter is invalid/)],
    [{ format: 'XML' }, expect.stringContaining("Format 'xml'")],
    [{ name: 'a b' }, expect.stringContaining('alphanumeric')],
  ])('with %o is refused', async (sub, message) => {
    expect(await messages('ORDERS_CREATE', sub)).toEqual([message]);
  });

  test('wants the scope of its topic, and takes an address by its old name', async () => {
    token = await connect('write_products');
    const [message] = await messages('ORDERS_CREATE');
    expect(message).toBe('You cannot create a webhook subscription with the specified topic');
    expect(await messages('PRODUCTS_UPDATE', { uri: null, callbackUrl: 'https://connect.example/' })).toEqual(
      [],
    );
    expect(await messages('APP_UNINSTALLED')).toEqual([]);
    context.store.set('settings.topicsDenied', true);
    const { data, errors } = await graphql(CREATE, { topic: 'ORDERS_CREATE', sub: { uri: receiver.url } });
    expect(data).toEqual({ webhookSubscriptionCreate: null });
    expect(errors).toMatchObject([{ extensions: { code: 'ACCESS_DENIED' } }]);
  });

  test('of customers’ data wants an approved app', async () => {
    context.store.set('settings.unapproved', true);
    expect(await messages('ORDERS_CREATE')).toEqual([expect.stringMatching(/^This app is not approved/)]);
    expect(await messages('PRODUCTS_UPDATE')).toEqual([]);
    const { data, errors } = await graphql('{ orders(first: 1) { nodes { id } } }');
    expect(data).toBeNull();
    expect(errors).toMatchObject([{ path: ['orders'], extensions: { code: 'ACCESS_DENIED' } }]);
  });
});

describe('a document', () => {
  const input = '{ uri: "https://connect.example/" }';
  const create = (given: string) =>
    `mutation { webhookSubscriptionCreate(${given}) { userErrors { message } } }`;

  test.each([
    [create(`topic: SHOP_REDACT, webhookSubscription: ${input}`), 'argumentLiteralsIncompatible'],
    [create(`topic: "ORDERS_CREATE", webhookSubscription: ${input}`), 'argumentLiteralsIncompatible'],
    [create(`topic: ORDERS_CREATE, webhookSubscription: ${input}, id: 1`), 'argumentNotAccepted'],
    [create('topic: ORDERS_CREATE, webhookSubscription: { address: "x" }'), 'argumentNotAccepted'],
    [create('topic: ORDERS_CREATE'), 'missingRequiredArguments'],
    ['{ orders(first: "1") { nodes { id } } }', 'argumentLiteralsIncompatible'],
    ['{ orders(first: 1) { nodes } }', 'selectionMismatch'],
  ])('%s is refused', async (query, code) => {
    const { data, errors } = await graphql(query);
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ extensions: { code } }]);
    expect(shopifySubscriptions(context.store)).toEqual([]);
  });

  test.each([
    { topic: 'NOPE', sub: {} },
    { topic: 'ORDERS_CREATE', sub: { address: 'x' } },
    { sub: {} },
    { topic: 'ORDERS_CREATE', sub: null },
  ])('with the variables %o is refused', async (variables) => {
    const { data, errors } = await graphql(CREATE, variables);
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ extensions: { code: 'INVALID_VARIABLE' } }]);
  });

  test('with a variable too many, or of another type, is refused', async () => {
    const documents = [
      'query ($a: Int) { shop { id } }',
      'query ($a: String) { orders(first: $a) { nodes { id } } }',
    ];
    for (const query of documents) expect((await graphql(query)).data).toBeUndefined();
  });
});

describe('what happens', () => {
  test('is told to whoever is subscribed, signed, with every header', async () => {
    await subscribe('ORDERS_CREATE', { name: 'all-orders' });
    await subscribe('ORDERS_CREATE', { uri: `${receiver.url}/more` });
    await subscribe('PRODUCTS_UPDATE');
    const [first, second, ...others] = await happen({ event: 'orders/create', account: NORTH });
    expect(others).toEqual([]);
    expect([first?.status, second?.url]).toEqual([200, `${receiver.url}/more`]);
    const [at] = received.filter(({ path }) => path === '/hooks');
    expect(Object.fromEntries(at?.headers ?? [])).toMatchObject({
      'content-type': 'application/json',
      'x-shopify-topic': 'orders/create',
      'x-shopify-hmac-sha256': signShopify(at?.body ?? '', context.client.secret),
      'x-shopify-shop-domain': NORTH,
      'x-shopify-api-version': '2026-10',
      'x-shopify-webhook-id': first?.id,
      'x-shopify-triggered-at': '2026-11-24T09:00:00.500000000Z',
      'x-shopify-event-id': expect.any(String),
      'x-shopify-name': 'all-orders',
    });
    expect(new Set(received.map(({ headers }) => headers.get('x-shopify-event-id'))).size).toBe(1);
    expect(first?.id).not.toBe(second?.id);
    expect(at?.body).toMatch(/^\{"id":820982911946154508,/);
    expect(JSON.parse(at?.body ?? '')).toMatchObject({
      admin_graphql_api_id: 'gid://shopify/Order/820982911946154508',
      name: '#1001',
      order_number: 1001,
      created_at: '2026-11-24T04:00:00-05:00',
      total_price: '398.00',
      currency: 'USD',
      financial_status: 'pending',
      fulfillment_status: null,
      customer: { email: 'bob@biller.example' },
      line_items: [{ quantity: 1 }],
    });
  });

  test.each([
    [
      'products/update',
      { title: expect.any(String), status: 'active', tags: expect.any(String), variants: [{}] },
    ],
    [
      'inventory_levels/update',
      { inventory_item_id: 47219305545893, location_id: 74816585013, available: 75 },
    ],
    ['customers/create', { email: 'bob@biller.example' }],
    ['app/scopes_update', { previous: SCOPES.split(','), current: SCOPES.split(',') }],
    ['app/uninstalled', { id: 60210012345, name: 'North Store', myshopify_domain: NORTH }],
  ])('%s has its own body', async (event, body) => {
    await subscribe(event.toUpperCase().replace('/', '_'));
    expect(await happen({ event })).toMatchObject([{ status: 200 }]);
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject(body);
  });

  test('is told to nobody in another shop, of another topic, or without a subscription', async () => {
    await subscribe('ORDERS_CREATE');
    expect(await happen({ event: 'orders/create', account: SOUTH })).toEqual([]);
    expect(await happen({ event: 'products/update' })).toEqual([]);
    expect(received).toEqual([]);
  });

  test('can be told byte for byte, under the ids and the time that are given', async () => {
    await subscribe('ORDERS_CREATE', { includeFields: ['id'], filter: 'id:1' });
    const payload = '{ "id": 9007199254740993,\n"name":"Zoë" }';
    const ids = { webhook_id: 'w-1', event_id: 'e-1', triggered_at: '2026-11-01T00:00:00Z' };
    expect(await happen({ event: 'orders/create', payload, ...ids })).toMatchObject([{ id: 'w-1' }]);
    expect(received[0]?.body).toBe(payload);
    expect(Object.fromEntries(received[0]?.headers ?? [])).toMatchObject({
      'x-shopify-webhook-id': 'w-1',
      'x-shopify-event-id': 'e-1',
      'x-shopify-triggered-at': '2026-11-01T00:00:00Z',
      'x-shopify-hmac-sha256': signShopify(payload, context.client.secret),
    });
  });

  test('is cut to the fields, and held back by the filter, of a subscription', async () => {
    const includeFields = ['id', 'line_items.sku'];
    await subscribe('ORDERS_CREATE', {
      includeFields,
      filter: 'total_price:>=100.00 AND line_items.quantity:1',
    });
    expect(await happen({ event: 'orders/create', total_price: '99.50' })).toEqual([]);
    await happen({ event: 'orders/create', total_price: '100.00' });
    expect(received[0]?.body).toBe('{"id":820982911946154509,"line_items":[{"sku":"example-shirt-s"}]}');
  });

  test('is signed with the secret from before a rotation while a setting says so', async () => {
    await subscribe('PRODUCTS_UPDATE');
    context.store.set('settings.previousSecret', 'hush');
    await happen({ event: 'products/update' });
    expect(received[0]?.headers.get('x-shopify-hmac-sha256')).toBe(
      signShopify(received[0]?.body ?? '', 'hush'),
    );
  });

  test.each([
    { event: 'orders/nope' },
    { event: 'ORDERS_CREATE' },
    { event: 'orders/create', account: 'nobody.myshopify.com' },
    { event: 'orders/create', shop: NORTH },
    { event: 'refunds/create' },
  ])('is none of Shopify’s: %o', async (told) => {
    await expect(happen(told)).rejects.toThrow();
  });
});

describe('a delivery that fails', () => {
  test('is retried when told to: the same ids and body to the address of that time', async () => {
    await subscribe('ORDERS_CREATE');
    respond = () => new Response(null, { status: 503 });
    const [failed] = await happen({ event: 'orders/create' });
    expect(failed?.status).toBe(503);
    respond = () => new Response();
    expect(await happen({ event: 'orders/create', retry: failed?.id })).toEqual([{ ...failed, status: 200 }]);
    expect(received[1]?.body).toBe(received[0]?.body);
    for (const name of ['webhook-id', 'event-id', 'triggered-at', 'hmac-sha256']) {
      expect(received[1]?.headers.get(`x-shopify-${name}`)).toBe(
        received[0]?.headers.get(`x-shopify-${name}`),
      );
    }
    expect(shopifyDeliveries(context.store)).toMatchObject([
      { attempts: [{ status: 503 }, { status: 200 }] },
    ]);
  });

  test('eight times in a row ends the subscription; a redirect, a lost and a late answer have failed', async () => {
    await subscribe('ORDERS_CREATE');
    const told = () => happen({ event: 'orders/create' });
    const failures = [
      () => Response.redirect(`${receiver.url}/elsewhere`, 302),
      () => 'drop' as const,
      () => new Response(null, { status: 500 }),
    ];
    const statuses: unknown[] = [];
    for (const failure of failures) {
      respond = failure;
      statuses.push((await told())[0]?.status);
    }
    expect(statuses).toEqual([302, 'no answer', 500]);
    expect(shopifySubscriptions(context.store)).toMatchObject([{ failures: 3 }]);
    respond = () => new Response(null, { status: 204 });
    await told();
    expect(shopifySubscriptions(context.store)).toMatchObject([{ failures: 0 }]);
    respond = () => new Response(null, { status: 410 });
    for (let count = 0; count < 7; count++) await told();
    expect(shopifySubscriptions(context.store)).toHaveLength(1);
    await told();
    expect(shopifySubscriptions(context.store)).toEqual([]);
    expect(await told()).toEqual([]);
    expect(received.some(({ path }) => path === '/elsewhere')).toBe(false);
  });

  test('ends it sooner where a setting says so', async () => {
    context.store.set('settings.failuresToDelete', 1);
    await subscribe('ORDERS_CREATE', { uri: 'http://127.0.0.1:9/' });
    expect(await happen({ event: 'orders/create' })).toMatchObject([{ status: 'no answer' }]);
    expect(shopifySubscriptions(context.store)).toEqual([]);
  });

  test('by taking more than five seconds', { timeout: 10_000 }, async () => {
    await subscribe('ORDERS_CREATE');
    respond = () => new Promise((resolve) => setTimeout(() => resolve(new Response()), 5500));
    expect(await happen({ event: 'orders/create' })).toMatchObject([{ status: 'no answer' }]);
  });
});

describe('an uninstalled app', () => {
  const remove = () =>
    send(`https://${NORTH}/admin/api_permissions/current.json`, {
      method: 'DELETE',
      headers: { 'x-shopify-access-token': token },
    });

  test('has lost its tokens and subscriptions before it is told', async () => {
    await subscribe('APP_UNINSTALLED');
    await subscribe('ORDERS_CREATE');
    let alive: unknown;
    respond = () => {
      alive = [shopifyTokens(context.store), shopifySubscriptions(context.store)];
      return new Response();
    };
    expect(await happen({ event: 'app/uninstalled' })).toMatchObject([{ status: 200 }]);
    expect(alive).toMatchObject([[{ alive: false }], []]);
    expect(await happen({ event: 'app/uninstalled' })).toEqual([]);
    expect((await remove()).status).toBe(401);
  });

  test('that did it itself is told only where a setting says so', async () => {
    await subscribe('APP_UNINSTALLED');
    expect((await remove()).status).toBe(200);
    expect(shopifySubscriptions(context.store)).toEqual([]);

    context.store.set('settings.tellsUninstall', true);
    token = await connect();
    await subscribe('APP_UNINSTALLED');
    await graphql('mutation { appUninstall { userErrors { code } } }');
    await expect.poll(() => received.length).toBe(1);
    expect(received[0]?.headers.get('x-shopify-topic')).toBe('app/uninstalled');
    expect(shopifySubscriptions(context.store)).toEqual([]);
  });

  test('is still asked to erase, at the address in its configuration', async () => {
    await happen({ event: 'orders/create' });
    await happen({ event: 'app/uninstalled' });
    for (const event of ['customers/data_request', 'customers/redact', 'shop/redact']) {
      const url = `${receiver.url}/api/webhooks/shopify`;
      expect(await happen({ event, webhook_id: event })).toEqual([{ url, id: event, status: 200 }]);
    }
    const shop = { shop_id: 60210012345, shop_domain: NORTH };
    const customer = { id: 8011302502693, email: 'bob@biller.example', phone: null };
    const orders = [Number('820982911946154508')];
    expect(received.map(({ body }) => JSON.parse(body))).toEqual([
      { ...shop, customer, orders_requested: orders, data_request: { id: 9999 } },
      { ...shop, customer, orders_to_redact: orders },
      shop,
    ]);
    expect(received[2]?.headers.get('x-shopify-hmac-sha256')).toBe(
      signShopify(received[2]?.body ?? '', context.client.secret),
    );
  });
});

test('other scopes are granted as a shop says, and the app told of both', async () => {
  await subscribe('APP_SCOPES_UPDATE');
  await happen({ event: 'app/scopes_update', scopes: 'read_products' });
  expect(JSON.parse(received[0]?.body ?? '')).toEqual({
    id: 60210012345,
    previous: SCOPES.split(','),
    current: ['read_products'],
    updated_at: '2026-11-24T09:00:00.500Z',
  });
  const { errors } = await graphql('{ orders(first: 1) { nodes { id } } }');
  expect(errors?.[0]?.message).toBe(
    'Access denied for orders field. Required access: `read_orders` access scope.',
  );
});

describe('what a shop has', () => {
  test('is listed by time, page by page', async () => {
    for (let hour = 0; hour < 3; hour++) {
      await happen({ event: 'orders/create' });
      context.clock += HOUR;
    }
    await happen({ event: 'orders/paid', id: '820982911946154508' });
    const find = (given: string) => nodes(`{ orders(first: 9, ${given}) { nodes { name } } }`);
    expect(await find('query: "created_at:>=2026-11-24T10:00:00Z"')).toEqual([
      { name: '#1002' },
      { name: '#1003' },
    ]);
    expect(await find(`query: "updated_at:>='2026-11-24T12:00:00Z'"`)).toEqual([{ name: '#1001' }]);
    expect(await find('query: "financial_status:paid OR name:#1002", reverse: true')).toEqual([
      { name: '#1002' },
      { name: '#1001' },
    ]);
    const page = `query ($after: String, $before: String) {
      orders(first: 2, after: $after, before: $before, sortKey: UPDATED_AT, reverse: true) {
        nodes { name } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`;
    const first = list.parse((await graphql(page)).data).orders;
    expect(first).toMatchObject({
      nodes: [{ name: '#1001' }, { name: '#1003' }],
      pageInfo: { hasNextPage: true, hasPreviousPage: false },
    });
    const after = first?.pageInfo?.endCursor;
    expect(list.parse((await graphql(page, { after })).data).orders).toMatchObject({
      nodes: [{ name: '#1002' }],
      pageInfo: { hasNextPage: false, hasPreviousPage: true },
    });
    expect(await nodes('{ orders(last: 1, sortKey: ID) { nodes { name } } }')).toEqual([{ name: '#1003' }]);
    const wrong = { after: Buffer.from('{}').toString('base64') };
    expect((await graphql(page, wrong)).errors?.[0]?.message).toMatch(/^Invalid cursor/);
  });

  test('is an order as the pages describe it', async () => {
    await happen({ event: 'orders/create' });
    const query = `orders(first: 50, query: "created_at:>=2026-11-01", sortKey: CREATED_AT, reverse: true) { nodes {
      id legacyResourceId name createdAt updatedAt cancelledAt test displayFinancialStatus
      currentTotalPriceSet { shopMoney { amount currencyCode } } totalRefundedSet { shopMoney { amount } }
      customer { id } lineItems(first: 20) { nodes { title quantity sku } } } pageInfo { hasNextPage endCursor } }`;
    const [order] = await nodes(`{ ${query} }`);
    expect(order).toMatchObject({
      id: 'gid://shopify/Order/820982911946154508',
      legacyResourceId: '820982911946154508',
      createdAt: '2026-11-24T09:00:00Z',
      displayFinancialStatus: 'PENDING',
      currentTotalPriceSet: { shopMoney: { amount: '398.00', currencyCode: 'USD' } },
      customer: { id: 'gid://shopify/Customer/8011302502693' },
      lineItems: { nodes: [{ title: 'Example T-Shirt', quantity: 1, sku: 'example-shirt-s' }] },
    });
    const one = `{ order(id: "gid://shopify/Order/820982911946154508") { name } other: order(id: "gid://shopify/Order/1") { name } }`;
    expect((await graphql(one)).data).toEqual({ order: { name: '#1001' }, other: null });
    expect((await graphql('{ order(id: "1") { name } }')).errors).toHaveLength(1);

    token = await connect('read_orders');
    const { data, errors } = await graphql('{ orders(first: 1) { nodes { name customer { id } } } }');
    expect(data).toEqual({ orders: { nodes: [{ name: '#1001', customer: null }] } });
    expect(errors).toMatchObject([{ path: ['orders', 'nodes', 0, 'customer'] }]);
    context.clock += 61 * 24 * HOUR;
    expect(await nodes('{ orders(first: 1) { nodes { name } } }')).toEqual([]);
    token = await connect('read_orders,read_all_orders');
    expect(await nodes('{ orders(first: 1) { nodes { name } } }')).toHaveLength(1);
  });

  test('is products, by their time or title', async () => {
    await happen({ event: 'products/create', title: 'Mug' });
    context.clock += HOUR;
    await happen({ event: 'products/update', id: '77', title: 'Cap' });
    const fields =
      '{ nodes { id legacyResourceId title createdAt updatedAt status vendor totalInventory handle } }';
    const find = async (given: string) =>
      (await nodes(`{ products(first: 9, ${given}) ${fields} }`)).map(({ title }) => title);
    expect(await find('sortKey: TITLE')).toEqual(['Cap', 'Mug']);
    expect(await find('query: "updated_at:>2026-11-24T09:30:00Z"')).toEqual(['Cap']);
    expect(await find('query: "title:mug"')).toEqual(['Mug']);
    const { data } = await graphql('{ product(id: "gid://shopify/Product/77") { title } }');
    expect(data).toEqual({ product: { title: 'Cap' } });
  });

  test('is inventory, whose items keep their time when only a level moves', async () => {
    await happen({ event: 'inventory_levels/update', available: '7' });
    context.clock += HOUR;
    await happen({ event: 'inventory_levels/update' });
    const query = `{ inventoryItems(first: 9) { nodes { id legacyResourceId sku updatedAt inventoryLevels(first: 9) {
      nodes { updatedAt location { id } quantities(names: ["available", "on_hand"]) { name quantity } } } } } }`;
    const levels = {
      nodes: [
        {
          updatedAt: '2026-11-24T10:00:00Z',
          location: { id: 'gid://shopify/Location/74816585013' },
          quantities: [{ name: 'available', quantity: 6 }],
        },
      ],
    };
    expect(await nodes(query)).toMatchObject([
      { updatedAt: '2026-11-24T09:00:00Z', inventoryLevels: levels },
    ]);
    context.store.set('settings.itemsFollowLevels', true);
    await happen({ event: 'inventory_levels/update' });
    const found = `{ inventoryItems(first: 9, query: "updated_at:>='2026-11-24T10:00:00Z'") { nodes { id } } }`;
    expect(await nodes(found)).toEqual([{ id: 'gid://shopify/InventoryItem/47219305545893' }]);
  });

  test('is also what a body that was given tells of', async () => {
    const payload = `{"admin_graphql_api_id":"gid://shopify/Order/9007199254740993","created_at":"2026-11-20T00:00:00-05:00","order_number":7}`;
    await happen({ event: 'orders/create', payload });
    await happen({ event: 'orders/create', payload: 'nonsense' });
    expect(await nodes('{ orders(first: 9) { nodes { legacyResourceId name createdAt } } }')).toEqual([
      { legacyResourceId: '9007199254740993', name: '#7', createdAt: '2026-11-20T05:00:00Z' },
    ]);
  });

  test('is not shown without a page size, or for more than a page holds', async () => {
    for (const given of ['', '(first: 1, last: 1)', '(first: 251)', '(first: 1, query: "id:")']) {
      const { data, errors } = await graphql(`{ orders${given} { nodes { id } } }`);
      expect(data).toBeNull();
      expect(errors).toMatchObject([{ path: ['orders'], extensions: { code: 'BAD_REQUEST' } }]);
    }
  });

  test('is searched without the fields that nobody knows, and the answer says so', async () => {
    await happen({ event: 'orders/create' });
    const { data, extensions } = await graphql(
      '{ orders(first: 1, query: "colour:red") { nodes { name } } }',
    );
    expect(data).toEqual({ orders: { nodes: [{ name: '#1001' }] } });
    expect(extensions).toMatchObject({
      search: [{ path: ['orders'], warnings: [{ field: 'colour', code: 'invalid_field' }] }],
    });
  });
});

test.each([
  ['created_at:2026-11-24', true],
  ['created_at:2026', true],
  ['created_at:>2026-11-24', false],
  ['created_at:<=2026-11', true],
  ['created_at:<"2026-11-24T04:00:00-05:00"', false],
  ['id:>9007199254740992 id:<9007199254740994', true],
  ['-name:x', true],
  ['NOT (name:x OR name:Mug)', false],
  ['-(name:x)', true],
  ['name:m*', true],
  ['name:*', true],
  ["name:'a b' OR price:>=9.50", true],
  ['price:<9.5', false],
  ['name:x AND (created_at:nonsense)', false],
])('the search %s finds: %s', (query, found) => {
  const values: Record<string, string> = {
    created_at: '2026-11-24T09:00:00Z',
    id: '9007199254740993',
    name: 'Mug',
    price: '9.50',
  };
  expect(parseSearch(query)?.matches((field) => [values[field] ?? ''])).toBe(found);
});

test.each(['name:', '(name:x', 'name:x)', '', 'OR', 'name:"x'])('the search %s has no sense', (query) => {
  expect(parseSearch(query)).toBeUndefined();
});
