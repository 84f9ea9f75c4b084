import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  altered,
  appended,
  callbackUrl,
  keptFlow,
  signedAgain,
  tokenRequests,
  told,
} from '../../support/callbacks.ts';
import { Client, type Reply } from '../../support/client.ts';
import { present } from '../../support/flows.ts';
import { newcomer, sha256 } from '../../support/newcomer.ts';
import { openWorld } from '../../support/open-world.ts';

const world = await openWorld();
const unbound = await openWorld({ env: { OAUTH_BROWSER_BINDING: 'off' } });
const kv = await world.miniflare.getKVNamespace('STATES');
const path = '/api/oauth/github/callback';

const visit = (client: Client, query: string, accept = 'application/json') =>
  client.get(`${path}?${query}`, { headers: { accept } });
const stateOf = (url: URL) => url.searchParams.get('state') ?? '';
const codeOf = (url: URL) => url.searchParams.get('code') ?? '';

/** What every bad state is answered with; the one sentence for them all is taken from an unknown one. */
const unknownState = told(await visit(world.ada, `state=${'a'.repeat(43)}&code=abc`));

function expectInvalidState(reply: Reply) {
  expect(reply.status, reply.text).toBe(400);
  expect(reply.body.code).toBe('invalid_state');
  expect(told(reply)).toEqual(unknownState);
  expect(reply.headers.get('location')).toBeNull();
  expect(reply.headers.getSetCookie()).toEqual([]);
  expect(tokenRequests(world)).toBe(0);
}

/** The state was not touched by what went before: it still brings a connection. */
async function expectGood(client: Client, url: URL) {
  const reply = await present(client, url);
  expect(reply.status, reply.text).toBe(200);
  expect(reply.body.status).toBe('connected');
}

beforeEach(() => world.reset());

describe('a state that is none of ours reaches no token endpoint:', () => {
  const states: Record<string, (state: string) => string> = {
    'missing altogether': () => '',
    missing: () => 'code=abc',
    empty: () => 'state=&code=abc',
    unknown: () => `state=${randomBytes(32).toString('base64url')}&code=abc`,
    'chosen by the client': () => `state=${'A'.repeat(43)}&code=abc`,
    'short by one': (state) => `state=${state.slice(0, -1)}&code=abc`,
    'long by one': (state) => `state=${state}A&code=abc`,
    padded: (state) => `state=${state}%3D&code=abc`,
    'with a space before it': (state) => `state=%20${state}&code=abc`,
    'with a line feed after it': (state) => `state=${state}%0A&code=abc`,
    'with NUL after it': (state) => `state=${state}%00&code=abc`,
    'in upper case': (state) => `state=${state.toUpperCase()}&code=abc`,
    'with its first letter changed': (state) =>
      `state=${state.startsWith('A') ? 'B' : 'A'}${state.slice(1)}&code=abc`,
    'with the bits changed that base64url does not use': (state) =>
      `state=${state.slice(0, -1)}${sibling(state.at(-1) ?? '')}&code=abc`,
    'backwards through folders': (state) => `state=..%2F${state}&code=abc`,
    'not UTF-8': () => 'state=%ff%fe&code=abc',
    'a percent sign': () => 'state=%&code=abc',
    oversized: () => `state=${'a'.repeat(8_192)}&code=abc`,
    doubled: (state) => `state=${state}&state=${state}&code=abc`,
    'doubled with another': (state) => `state=${state}&state=${'a'.repeat(43)}&code=abc`,
    'doubled behind an empty one': (state) => `state=&state=${state}&code=abc`,
    'an array of one': (state) => `state[]=${state}&code=abc`,
    'an indexed array': (state) => `state[0]=${state}&code=abc`,
    'an object': (state) => `state[value]=${state}&code=abc`,
    'another case of its name': (state) => `State=${state}&code=abc`,
    'its own hash': (state) => `state=${sha256(state)}&code=abc`,
    'its key in KV': (state) => `state=state:${sha256(state)}&code=abc`,
    'another key in KV': () => 'state=other:key&code=abc',
    'a key in KV of the length of a state': () => `state=${'k'.repeat(43)}&code=abc`,
    'a property of every object': () => 'state=__proto__&code=abc',
  };

  let flow: { client: Client; url: URL };
  beforeAll(async () => {
    const { client } = await newcomer(world);
    flow = { client, url: await callbackUrl(client, 'github') };
    await kv.put('other:key', 'x');
    await kv.put('k'.repeat(43), await (await keptFlow(world, stateOf(flow.url))).read());
  });

  test.each(Object.keys(states))('%s', async (name) => {
    const query = states[name]?.(stateOf(flow.url)) ?? '';
    expectInvalidState(await visit(flow.client, query));

    const page = await visit(flow.client, query, 'text/html');
    expect(page.status).toBe(400);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('location')).toBeNull();
  });

  test('and after all of them the true one is as good as before', async () => {
    await expectGood(flow.client, flow.url);
  });

  test('a state that the client has put into the authorize request', async () => {
    const { client } = await newcomer(world);
    const state = 'C'.repeat(43);
    const url = await callbackUrl(client, 'github', { query: { state } });
    expectInvalidState(await present(client, altered(url, { state })));
    await expectGood(client, url);
  });
});

/** Another letter that decodes to the same two last bits of 32 bytes. */
function sibling(letter: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(letter) ^ 1] ?? '';
}

describe('a person’s browser', () => {
  test('is shown a page for a bad state, which no frame may hold and no referrer tells of', async () => {
    const reply = await visit(world.ada, 'state=abc&code=abc', 'text/html,application/xhtml+xml,*/*;q=0.8');
    expect(reply.status).toBe(400);
    expect(reply.headers.get('content-type')).toMatch(/^text\/html/);
    expect(reply.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(reply.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
    expect(reply.text).not.toMatch(/<script|http-equiv|state=|code=/i);
  });

  test('of no script is told anything, whatever its origin', async () => {
    for (const origin of ['https://evil.example', world.url]) {
      const reply = await world.ada.get(`${path}?state=abc`, { headers: { origin } });
      expect(reply.headers.get('access-control-allow-origin')).toBeNull();
    }
  });
});

describe('another browser cannot finish a flow:', () => {
  const cookies: Record<string, (name: string, value: string, other: string) => [string, string][]> = {
    'one without a cookie': () => [],
    'one with an empty cookie': (name) => [[name, '']],
    'one with a wrong cookie': (name) => [[name, randomBytes(32).toString('base64url')]],
    'one with the cookie in another case': (name, value) => [[name, value.toUpperCase()]],
    'one with the cookie cut short': (name, value) => [[name, value.slice(0, -1)]],
    'one with the hash of the cookie': (name, value) => [[name, sha256(value)]],
    'one with the cookie of another flow': (name, _, other) => [[name, other]],
    'one with the cookie under another name': (name, value) => [
      [`x-${name}`, value],
      ['reeve-flow', value],
      [`__Host-${name}`, value],
    ],
  };

  test.each(Object.keys(cookies))('%s', async (kind) => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const [[name = '', value = ''] = []] = client.cookies;
    const other = await newcomer(world);
    await callbackUrl(other.client, 'github');
    const [foreign = ''] = other.client.cookies.values();

    const stranger = new Client(world, undefined);
    for (const [key, text] of cookies[kind]?.(name, value, foreign) ?? []) stranger.cookies.set(key, text);
    expectInvalidState(await present(stranger, url));
    await expectGood(client, url);
  });

  test('a victim who is sent an attacker’s provider URL', async () => {
    const attacker = await newcomer(world);
    const victim = await newcomer(world);
    await callbackUrl(victim.client, 'github');
    const url = await callbackUrl(attacker.client, 'github');
    expectInvalidState(await present(victim.client, url));
    expect(await attacker.connections()).toEqual([]);
    expect(await victim.connections()).toEqual([]);
  });

  test('not even with a code of its own for a state of another', async () => {
    const [attacker, victim] = [await newcomer(world), await newcomer(world)];
    const bait = await callbackUrl(victim.client, 'github');
    const own = await callbackUrl(attacker.client, 'github', { account: 'hubot' });
    expectInvalidState(await present(attacker.client, altered(bait, { code: codeOf(own) })));
    await expectGood(victim.client, bait);
  });

  test('but with OAUTH_BROWSER_BINDING=off a client that is no browser can', async () => {
    const { client } = await newcomer(unbound);
    const url = await callbackUrl(client, 'github');
    expect(client.cookies.size).toBe(0);
    const reply = await present(new Client(unbound, undefined), url);
    expect(reply.status, reply.text).toBe(200);
    const again = await present(new Client(unbound, undefined), url);
    expect([again.status, again.body.code]).toEqual([400, 'invalid_state']);
  });

  test('and a browser of two tabs finishes both, in any order', async () => {
    const { client } = await newcomer(world);
    const [first, second] = [await callbackUrl(client, 'github'), await callbackUrl(client, 'github')];
    await expectGood(client, second);
    await expectGood(client, first);
    expect(client.cookies.size).toBe(0);
  });
});

describe('a state is good once:', () => {
  test('not replayed with the same code, nor with another', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const another = codeOf(await callbackUrl(client, 'github'));
    const jar = new Map(client.cookies);
    await expectGood(client, url);
    world.reset();
    for (const replay of [url, altered(url, { code: another }), altered(url, { code: undefined })]) {
      for (const [name, value] of jar) client.cookies.set(name, value);
      const reply = await present(client, replay);
      expect(told(reply)).toEqual(unknownState);
      expect(reply.headers.get('location')).toBeNull();
      expect(tokenRequests(world)).toBe(0);
    }
  });

  test('not again after the provider’s answer was a refusal', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github', { decision: 'deny' });
    const jar = new Map(client.cookies);
    expect((await present(client, url)).body.code).toBe('access_denied');
    for (const [name, value] of jar) client.cookies.set(name, value);
    const replay = await present(client, altered(url, { error: undefined, code: 'abc' }));
    expect(told(replay)).toEqual(unknownState);
    expect(tokenRequests(world)).toBe(0);
  });

  test('not past its end, though KV still holds it', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const flow = await keptFlow(world, stateOf(url));
    await flow.write(JSON.stringify({ ...JSON.parse(await flow.read()), expiresAt: Date.now() - 1 }));
    const reply = await present(client, url);
    expect(told(reply)).toEqual(unknownState);
    expect(tokenRequests(world)).toBe(0);
  });

  describe('by the database’s clock', () => {
    afterEach(() => moveDatabaseClock(undefined));

    test.each([
      ['not ten minutes later', '10 minutes 5 seconds', 400],
      ['but nine and a half minutes later', '9 minutes 30 seconds', 200],
    ])('%s', async (_, by, status) => {
      const { client } = await newcomer(world);
      const url = await callbackUrl(client, 'github');
      await moveDatabaseClock(by);
      const reply = await present(client, url);
      expect(reply.status, reply.text).toBe(status);
      expect(tokenRequests(world)).toBe(status === 200 ? 1 : 0);
    });
  });

  test('not where its record in KV is no flow', async () => {
    const { client } = await newcomer(world);
    for (const record of ['', 'null', '[]', '{}', '{"provider":"github"}', 'not json']) {
      const url = await callbackUrl(client, 'github');
      await (await keptFlow(world, stateOf(url))).write(record);
      const reply = await present(client, url);
      expect(told(reply), record).toEqual(unknownState);
    }
    expect(tokenRequests(world)).toBe(0);
  });
});

/** Sets the database's clock forward for every session from now on, or right again. */
async function moveDatabaseClock(by: string | undefined): Promise<void> {
  const { database } = world;
  const setting = by === undefined ? 'reset search_path' : 'set search_path = moved, pg_catalog, public';
  await world.databases.run(
    database,
    `create schema if not exists moved;
     create or replace function moved.now() returns timestamptz language sql stable
       as $$ select pg_catalog.now() + interval '${by ?? 0}' $$;
     alter database ${database} ${setting};
     select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid();`,
  );
}

describe('a state presented to another provider’s callback is spent by that:', () => {
  test.each([
    ['github', 'shopify'],
    ['shopify', 'github'],
  ])('%s’s at %s', async (own, other) => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, own);
    const elsewhere = new URL(url);
    elsewhere.pathname = `/api/oauth/${other}/callback`;
    expectInvalidState(await present(client, elsewhere));
    const late = await present(client, url);
    expect(told(late)).toEqual(unknownState);
    expect(tokenRequests(world)).toBe(0);
  });

  test('github’s at shopify, even rightly signed and with a code of Shopify', async () => {
    const { client } = await newcomer(world);
    const [github, shopify] = [await callbackUrl(client, 'github'), await callbackUrl(client, 'shopify')];
    const mixed = signedAgain(world, altered(shopify, { state: stateOf(github) }));
    expectInvalidState(await present(client, mixed));
    expect((await present(client, github)).status).toBe(400);
    await expectGood(client, shopify);
  });
});

describe('who only looks consumes nothing:', () => {
  const looks: Record<string, RequestInit> = {
    HEAD: { method: 'HEAD' },
    'Sec-Purpose: prefetch': { headers: { 'sec-purpose': 'prefetch' } },
    'Sec-Purpose: prefetch;prerender': { headers: { 'sec-purpose': 'prefetch;prerender' } },
    'Purpose: prefetch': { headers: { purpose: 'prefetch' } },
    'X-Moz: prefetch': { headers: { 'x-moz': 'prefetch' } },
    'X-Purpose: preview': { headers: { 'x-purpose': 'preview' } },
    OPTIONS: { method: 'OPTIONS' },
  };

  test.each(Object.keys(looks))('%s', async (name) => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const headers = new Headers(looks[name]?.headers);
    headers.set('cookie', [...client.cookies].map(([key, value]) => `${key}=${value}`).join('; '));
    const response = await fetch(url, { ...looks[name], headers, redirect: 'manual' });
    await response.arrayBuffer();
    expect(response.headers.get('location')).toBeNull();
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(tokenRequests(world)).toBe(0);
    await expectGood(client, url);
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('%s, which is no method of a callback', async (method) => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const reply = await client.send(method, `${url.pathname}${url.search}`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      raw: url.search.slice(1),
    });
    expect([reply.status, reply.body.code]).toEqual([405, 'method_not_allowed']);
    expect(reply.headers.get('allow')).toContain('GET');
    await expectGood(client, url);
  });
});

test('parameters that nobody knows do no harm', async () => {
  const { client } = await newcomer(world);
  await expectGood(client, appended(await callbackUrl(client, 'github'), 'utm_source', 'x'));
});
