import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { signQuery } from './shopify/signature.ts';
import { shopify, shopifyTokens } from './shopify.ts';

const CALLBACK = 'https://connect.example/callback';
const client = {
  id: 'reeve-test',
  secret: randomBytes(16).toString('hex'),
  redirectUris: [CALLBACK],
  settings: {},
};
const NORTH = 'north-store.myshopify.com';
const SOUTH = 'south-store.myshopify.com';
const PROBE =
  '{ shop { id name myshopifyDomain email currencyCode ianaTimezone } currentAppInstallation { accessScopes { handle } } }';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const tokenSchema = z.strictObject({
  access_token: z.string().regex(/^shpat_[0-9a-f]{32}$/),
  scope: z.string(),
  expires_in: z.number().optional(),
  refresh_token: z
    .string()
    .regex(/^shprt_[0-9a-f]{32}$/)
    .optional(),
  refresh_token_expires_in: z.number().optional(),
});
const errorSchema = z.strictObject({ error: z.string(), error_description: z.string() });

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('shopify', client);
  context.clock = Date.UTC(2026, 10, 24, 9, 0, 0, 500);
  simulator = shopify(context);
});

const send = async (url: string, init?: RequestInit) => simulator.fetch(new Request(url, init));

function authorizeUrl(query: Record<string, string> = {}, shop = NORTH) {
  const scope = 'read_products,write_orders,read_orders';
  const all = { client_id: client.id, redirect_uri: CALLBACK, state: 'st', scope, ...query };
  return `https://${shop}/admin/oauth/authorize?${new URLSearchParams(all)}`;
}

const consent = (url: string, decision: string) =>
  send(url, { method: 'POST', body: new URLSearchParams({ decision, account: 'north-store' }) });

async function getCode(shop = NORTH) {
  const { headers } = await consent(authorizeUrl({}, shop), 'approve');
  return new URL(headers.get('location') ?? '').searchParams.get('code') ?? '';
}

function exchange(body: Record<string, unknown>, shop = NORTH) {
  const credentials = { client_id: client.id, client_secret: client.secret };
  return send(`https://${shop}/admin/oauth/access_token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ ...credentials, ...body }),
  });
}

async function connect(body: Record<string, unknown> = { expiring: '1' }, shop = NORTH) {
  const response = await exchange({ code: await getCode(shop), ...body }, shop);
  return tokenSchema.parse(await response.json());
}

const refresh = (token: string | undefined, shop = NORTH) =>
  exchange({ grant_type: 'refresh_token', refresh_token: token }, shop);
const refreshed = async (token: string | undefined) => tokenSchema.parse(await (await refresh(token)).json());
const error = async (response: Response) => errorSchema.parse(await response.json()).error;

function graphql(token: string, query: unknown, shop = NORTH, version = '2026-10') {
  return send(`https://${shop}/admin/api/${version}/graphql.json`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-shopify-access-token': token },
    body: JSON.stringify({ query }),
  });
}

describe('the callback signature', () => {
  test.each([
    [
      'code=0907a61c0c8d55e99db179b68161bc00&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173',
      '700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf',
    ],
    [
      'code=0907a61c0c8d55e99db179b68161bc00&shop=some-shop.myshopify.com&timestamp=1337178173',
      '4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20',
    ],
    [
      'timestamp=1700000000&state=s1&shop=some-shop.myshopify.com&host=YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUveA%3D%3D&hmac=x&code=abc',
      'f23a3c20ff19e918d0dcc2a76d68bacd970bbb3306425e73c7140ddd1fdadbea',
    ],
  ])('of %s is the published one', (query, hmac) => {
    expect(signQuery(new URLSearchParams(query), 'hush')).toBe(hmac);
  });

  test('writes a space as %20', () => {
    const plus = signQuery([['state', 'a b']], 'hush');
    expect(plus).toBe(signQuery(new URLSearchParams('state=a%20b'), 'hush'));
    expect(plus).not.toBe(signQuery([['state', 'a+b']], 'hush'));
  });
});

test('answers at shops and nowhere else, and a shop nobody has is an HTML 404', async () => {
  const hosts = [
    NORTH,
    'no.such.myshopify.com',
    'myshopify.com',
    'x.myshopify.com.evil.example',
    '-a.myshopify.com',
  ];
  expect(hosts.filter(simulator.host)).toEqual([NORTH]);
  const response = await exchange({ code: 'x' }, 'nobody.myshopify.com');
  expect(response.status).toBe(404);
  expect(response.headers.get('content-type')).toContain('text/html');
  expect((await send(authorizeUrl({}, 'shop-17.myshopify.com'))).status).toBe(200);
});

describe('the authorization page', () => {
  test('asks to install the app with its normalized scopes', async () => {
    const text = await (await send(authorizeUrl())).text();
    expect(text).toContain('Install app');
    expect([...text.matchAll(/name="scopes" value="([^"]+)"/g)].map((match) => match[1])).toEqual([
      'read_products',
      'write_orders',
    ]);
  });

  test.each([
    { client_id: 'other' },
    { redirect_uri: `${CALLBACK}/sub` },
    { scope: 'read_products read_orders' },
    { scope: '' },
    { state: '' },
    { 'grant_options[]': 'per-user' },
  ])('refuses %o on the spot', async (query) => {
    const response = await send(authorizeUrl(query));
    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
  });

  test('comes back signed, with the shop, the time and the host', async () => {
    const response = await consent(authorizeUrl({ state: 'a b+c/=' }), 'approve');
    const { origin, pathname, searchParams } = new URL(response.headers.get('location') ?? '');
    expect(origin + pathname).toBe(CALLBACK);
    const { code, hmac, ...rest } = Object.fromEntries(searchParams);
    expect(rest).toEqual({
      host: Buffer.from('admin.shopify.com/store/north-store').toString('base64'),
      shop: NORTH,
      state: 'a b+c/=',
      timestamp: String(Date.UTC(2026, 10, 24, 9) / 1000),
    });
    expect(hmac).toBe(signQuery(searchParams, client.secret));
    expect(context.secrets).toContain(code);
  });

  test('leaves a merchant who cancels in the admin: no callback comes', async () => {
    const response = await consent(authorizeUrl(), 'deny');
    expect(response.status).toBe(200);
    expect(response.headers.get('location')).toBeNull();
    expect(response.headers.get('content-type')).toContain('text/html');
  });
});

describe('the token endpoint', () => {
  test('gives an expiring pair when asked for one', async () => {
    const token = await connect();
    expect(token).toMatchObject({
      scope: 'read_products,write_orders',
      expires_in: 3600,
      refresh_token_expires_in: 7_776_000,
    });
    expect(context.secrets).toContain(token.access_token);
    expect(context.secrets).toContain(token.refresh_token);
  });

  test('gives a lasting token otherwise, the same one each time', async () => {
    const first = await connect({});
    expect(Object.keys(first)).toEqual(['access_token', 'scope']);
    expect((await connect({ expiring: '0' })).access_token).toBe(first.access_token);
    context.store.set('settings.publicApp', true);
    expect((await graphql(first.access_token, PROBE)).status).toBe(403);
  });

  test('takes a form too', async () => {
    const form = { client_id: client.id, client_secret: client.secret, code: await getCode(), expiring: '1' };
    const response = await send(`https://${NORTH}/admin/oauth/access_token`, {
      method: 'POST',
      body: new URLSearchParams(form),
    });
    expect(tokenSchema.parse(await response.json()).expires_in).toBe(3600);
  });

  test('redeems a code once, in its own shop, in time', async () => {
    const code = await getCode();
    expect(await error(await exchange({ code }, SOUTH))).toBe('invalid_request');
    expect((await exchange({ code })).status).toBe(200);
    const again = await exchange({ code });
    expect(again.status).toBe(400);
    expect(errorSchema.parse(await again.json())).toEqual({
      error: 'invalid_request',
      error_description: 'The authorization code was not found or was already used',
    });
    const late = await getCode();
    context.clock += 600_000;
    expect(await error(await exchange({ code: late }))).toBe('invalid_request');
  });

  test.each([{ client_secret: 'wrong' }, { client_id: 'other' }])('refuses the client %o', async (body) => {
    const response = await exchange({ code: await getCode(), ...body });
    expect(response.status).toBe(400);
    expect(await error(response)).toBe('invalid_client');
  });

  test('does not look for the client in a header', async () => {
    const basic = Buffer.from(`${client.id}:${client.secret}`).toString('base64');
    const response = await send(`https://${NORTH}/admin/oauth/access_token`, {
      method: 'POST',
      headers: { accept: 'application/json', authorization: `Basic ${basic}` },
      body: new URLSearchParams({ code: await getCode() }),
    });
    expect(await error(response)).toBe('invalid_client');
  });

  test('refuses other grants and other values of expiring', async () => {
    expect(await error(await exchange({ grant_type: 'password' }))).toBe('unsupported_grant_type');
    expect(await error(await exchange({ code: await getCode(), expiring: 'true' }))).toBe('invalid_request');
  });

  test('refuses with a page whoever does not ask for JSON', async () => {
    const response = await send(`https://${NORTH}/admin/oauth/access_token`, { method: 'POST' });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toContain('text/html');
  });
});

describe('refreshing', () => {
  test('gives a new pair and leaves the old access token its hour', async () => {
    const first = await connect();
    context.clock += HOUR / 2;
    const second = await refreshed(first.refresh_token);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(second).toMatchObject({ expires_in: 3600, refresh_token_expires_in: 7_776_000 });
    expect((await graphql(first.access_token, PROBE)).status).toBe(200);
    context.clock += HOUR / 2;
    expect((await graphql(first.access_token, PROBE)).status).toBe(401);
    expect((await graphql(second.access_token, PROBE)).status).toBe(200);
  });

  test('may be retried until the replacement is used', async () => {
    const first = await connect();
    const second = await refreshed(first.refresh_token);
    expect(await refreshed(first.refresh_token)).toEqual(second);
    context.clock += 2 * HOUR;
    const retried = await refreshed(first.refresh_token);
    expect(retried.refresh_token).toBe(second.refresh_token);
    expect((await graphql(retried.access_token, PROBE)).status).toBe(200);
    await refreshed(second.refresh_token);
    const dead = await refresh(first.refresh_token);
    expect(dead.status).toBe(400);
    expect(await error(dead)).toBe('invalid_grant');
  });

  test('may be retried for 30 days and never past its own 90', async () => {
    const first = await connect();
    await refreshed(first.refresh_token);
    context.clock += 30 * DAY - 1;
    await refreshed(first.refresh_token);
    context.clock += 1;
    expect(await error(await refresh(first.refresh_token))).toBe('invalid_grant');

    const other = await connect();
    context.clock += 89 * DAY;
    await refreshed(other.refresh_token);
    context.clock += DAY;
    expect(await error(await refresh(other.refresh_token))).toBe('invalid_grant');
  });

  test('ends when the token is 90 days old, unknown, or of another shop', async () => {
    const { refresh_token } = await connect();
    expect(await error(await refresh(refresh_token, SOUTH))).toBe('invalid_grant');
    expect(await error(await refresh('shprt_unknown'))).toBe('invalid_grant');
    expect(await error(await refresh(undefined))).toBe('invalid_grant');
    context.clock += 90 * DAY;
    expect(await error(await refresh(refresh_token))).toBe('invalid_grant');
  });

  test('ends for the old pair when the app is authorized again', async () => {
    const old = await connect();
    const other = await connect({ expiring: '1' }, SOUTH);
    await connect();
    expect(await error(await refresh(old.refresh_token))).toBe('invalid_grant');
    expect((await refresh(other.refresh_token, SOUTH)).status).toBe(200);
  });

  test('can be refused the way apps have seen it', async () => {
    context.store.set('settings.deadRefreshToken', 'invalid_request');
    const response = await refresh('shprt_unknown');
    expect(response.status).toBe(401);
    expect(errorSchema.parse(await response.json())).toEqual({
      error: 'invalid_request',
      error_description: 'This request requires an active refresh_token',
    });
  });
});

describe('the Admin API', () => {
  test('answers the probe', async () => {
    const { access_token } = await connect();
    const response = await graphql(access_token, PROBE);
    expect(response.headers.get('x-shopify-api-version')).toBe('2026-10');
    expect(await response.json()).toEqual({
      data: {
        shop: {
          id: 'gid://shopify/Shop/60210012345',
          name: 'North Store',
          myshopifyDomain: NORTH,
          email: 'owner@north-store.example',
          currencyCode: 'USD',
          ianaTimezone: 'America/New_York',
        },
        currentAppInstallation: {
          accessScopes: [{ handle: 'read_products' }, { handle: 'write_orders' }, { handle: 'read_orders' }],
        },
      },
      extensions: expect.objectContaining({ cost: expect.anything() }),
    });
  });

  test('answers a named query with any of the fields in any order', async () => {
    const { access_token } = await connect();
    const query =
      'query Who($yes: Boolean = true) { # comment\n store: shop @include(if: $yes) { name, __typename id } }';
    const response = await graphql(access_token, query);
    expect(await response.json()).toMatchObject({
      data: { store: { name: 'North Store', __typename: 'Shop', id: 'gid://shopify/Shop/60210012345' } },
    });
  });

  test('lists faults in the query at 200', async () => {
    const { access_token } = await connect();
    const response = await graphql(access_token, 'query Who {\n  shop { name nope }\n}');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: "Field 'nope' doesn't exist on type 'Shop'",
          locations: [{ line: 2, column: 15 }],
          path: ['query Who', 'shop', 'nope'],
          extensions: { code: 'undefinedField', typeName: 'Shop', fieldName: 'nope' },
        },
      ],
    });
  });

  test.each([
    '{ shop }',
    '{ shop { name { x } } }',
    '{ shop(id: 1) { name } }',
    '{ shop { name }',
    '{ shop { } }',
    '{ shop { name } } extra',
    '{ shop { name } } \u00e9',
    'mutation { shop { name } }',
    '',
  ])('has only errors for %o', async (query) => {
    const { access_token } = await connect();
    const response = await graphql(access_token, query);
    expect(response.status).toBe(200);
    const body = z.strictObject({ errors: z.array(z.looseObject({ message: z.string() })).min(1) });
    body.parse(await response.json());
  });

  test('wants a query, in JSON', async () => {
    const { access_token } = await connect();
    expect((await graphql(access_token, undefined)).status).toBe(400);
    const response = await send(`https://${NORTH}/admin/api/2026-10/graphql.json`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', 'x-shopify-access-token': access_token },
      body: JSON.stringify({ query: PROBE }),
    });
    expect(response.status).toBe(400);
  });

  test('answers for a version it no longer has with the oldest one', async () => {
    const { access_token } = await connect();
    const response = await graphql(access_token, PROBE, NORTH, '2023-01');
    expect(response.headers.get('x-shopify-api-version')).toBe('2025-10');
  });

  test('refuses an unknown token, and a token of another shop, with a string of errors', async () => {
    const { access_token } = await connect();
    for (const response of [
      await graphql('shpat_unknown', PROBE),
      await graphql(access_token, PROBE, SOUTH),
    ]) {
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({
        errors: '[API] Invalid API key or access token (unrecognized login or wrong password)',
      });
    }
  });

  test('throttles at 200', async () => {
    const { access_token } = await connect();
    context.store.set('settings.throttled', true);
    const response = await graphql(access_token, PROBE);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'THROTTLED' } }] });
  });
});

describe('uninstalling', () => {
  const remove = (token: string) =>
    send(`https://${NORTH}/admin/api_permissions/current.json`, {
      method: 'DELETE',
      headers: { 'x-shopify-access-token': token, accept: 'application/json' },
    });

  test('kills every token of the shop and no other, once', async () => {
    const { access_token, refresh_token } = await connect();
    const second = await refreshed(refresh_token);
    const other = await connect({ expiring: '1' }, SOUTH);
    expect((await remove(access_token)).status).toBe(200);
    expect((await remove(access_token)).status).toBe(401);
    expect((await graphql(second.access_token, PROBE)).status).toBe(401);
    expect(await error(await refresh(second.refresh_token))).toBe('invalid_client');
    expect(shopifyTokens(context.store)).toEqual([
      { token: access_token, shop: NORTH, alive: false },
      { token: second.access_token, shop: NORTH, alive: false },
      { token: other.access_token, shop: SOUTH, alive: true },
    ]);
    expect(shopifyTokens(context.store, context.clock + HOUR).some(({ alive }) => alive)).toBe(false);
  });

  test('works as a mutation', async () => {
    const { access_token } = await connect();
    const query = 'mutation { appUninstall { app { id } userErrors { code message } } }';
    expect(await (await graphql(access_token, query)).json()).toMatchObject({
      data: { appUninstall: { app: { id: expect.stringMatching(/^gid:/) }, userErrors: [] } },
    });
    expect((await graphql(access_token, query)).status).toBe(401);
  });

  test('does not happen when part of the mutation is wrong', async () => {
    const { access_token } = await connect();
    await graphql(access_token, 'mutation { appUninstall { app { id } userErrors { nope } } }');
    expect((await graphql(access_token, PROBE)).status).toBe(200);
  });
});
