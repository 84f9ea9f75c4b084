import { beforeEach, describe, expect, test } from 'vitest';
import {
  altered,
  appended,
  callbackUrl,
  outcome,
  signedAgain,
  tokenRequests,
} from '../../support/callbacks.ts';
import type { Reply } from '../../support/client.ts';
import { connectByOAuth, present } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { newcomer } from '../../support/newcomer.ts';
import { openWorld } from '../../support/open-world.ts';
import { until } from '../../support/trips.ts';

const world = await openWorld();

beforeEach(() => world.reset());

/** The log line of the request that was answered so. */
async function lineOf(reply: Reply): Promise<Record<string, unknown>> {
  const id = reply.headers.get('x-request-id') ?? '';
  const line = await until(() => world.logs.findLast((each) => each.includes(`"request_id":"${id}"`)));
  return JSON.parse(line) as Record<string, unknown>;
}

describe('a genuine callback that names another shop than the flow was begun with', () => {
  const real = 'shop-1a2b3c-4d.myshopify.com';
  const of = (shop: string) => (url: URL) => signedAgain(world, altered(url, { shop }));

  test('was called unsigned: it is refused with the address to enter', async () => {
    const { client, connections } = await newcomer(world);
    const url = await callbackUrl(client, 'shopify');
    const reply = await present(client, of(real)(url));
    expect([reply.status, reply.body.code], reply.text).toEqual([400, 'shop_mismatch']);
    expect(reply.body.detail).toContain(`enter ${real}.`);
    expect(tokenRequests(world)).toBe(0);
    expect(await connections()).toEqual([]);
    expect((await present(client, url)).body.code, 'the state is spent').toBe('invalid_state');

    const entered = { query: { shop: real } };
    expect((await connectByOAuth(client, 'shopify', entered)).body.account.id).toBe(real);
  });

  test('was called unsigned in a browser, too', async () => {
    const { client } = await newcomer(world);
    const reply = await present(client, of(real)(await callbackUrl(client, 'shopify')), { json: false });
    expect(outcome(reply)).toEqual({ provider: 'shopify', status: 'error', error: 'shop_mismatch' });
    expect(reply.headers.get('location')).not.toContain(real);
  });

  test('is refused for that before its denial is believed', async () => {
    const { client } = await newcomer(world);
    const url = altered(await callbackUrl(client, 'shopify'), { code: undefined, error: 'access_denied' });
    expect((await present(client, of(real)(url))).body.code).toBe('shop_mismatch');
  });

  test.each([
    'NORTH-STORE.myshopify.com',
    'south-store.myshopify.com.evil.example',
    'south-store.myshopify.com/',
    'south-store.myshopify.com\n',
    'evil.example',
    '<script>alert(1)</script>',
    `${'a'.repeat(64)}.myshopify.com`,
  ])('is refused without an echo of what is no address: %j', async (shop) => {
    const { client } = await newcomer(world);
    const reply = await present(client, of(shop)(await callbackUrl(client, 'shopify')));
    expect([reply.status, reply.body.code], reply.text).toEqual([400, 'shop_mismatch']);
    expect(reply.body.detail).toContain('your-shop.myshopify.com');
    expect(reply.body.detail).not.toContain(shop.trim());
    expect(JSON.stringify(await lineOf(reply))).not.toContain(shop.trim());
  });

  test.each<[string, (url: URL) => URL]>([
    ['is signed for the first', (url) => altered(url, { shop: real })],
    ['is signed by another secret', (url) => altered(of(real)(url), { hmac: '0'.repeat(64) })],
    ['is stale', (url) => of(real)(altered(url, { timestamp: String(Math.floor(Date.now() / 1000) - 120) }))],
    ['names both', (url) => signedAgain(world, appended(url, 'shop', real))],
    ['names it empty', of('')],
  ])('is no genuine one where it %s', async (_, bend) => {
    const { client } = await newcomer(world);
    const reply = await present(client, bend(await callbackUrl(client, 'shopify')));
    expect([reply.status, reply.body.code], reply.text).toEqual([400, 'invalid_hmac']);
    expect(reply.text).not.toContain(real);
    expect(tokenRequests(world)).toBe(0);
  });
});

describe('a denial at TikTok, which sends neither a code nor an error,', () => {
  const without = (code?: string) => (url: URL) => altered(url, { auth_code: code, code });

  test.each([
    ['nothing', without()],
    ['an empty code', without('')],
    ['no code by its name', (url: URL) => altered(url, { auth_code: undefined })],
  ])('was called an invalid request: with %s it is access_denied', async (_, bend) => {
    const { client, connections } = await newcomer(world);
    const reply = await present(client, bend(await callbackUrl(client, 'tiktok')));
    expect([reply.status, reply.body.code], reply.text).toEqual([400, 'access_denied']);
    expect(reply.body.detail).toContain('TikTok Ads was not granted');
    const browser = await present(client, bend(await callbackUrl(client, 'tiktok')), { json: false });
    expect(outcome(browser)).toEqual({ provider: 'tiktok', status: 'error', error: 'access_denied' });
    expect(tokenRequests(world)).toBe(0);
    expect(await connections()).toEqual([]);
  });

  test.each<[string, (url: URL) => URL, number, string]>([
    ['two codes', (url) => appended(url, 'auth_code', 'other'), 400, 'invalid_request'],
    ['a code of 4 kB', without('a'.repeat(4_096)), 400, 'invalid_request'],
    ['another error', (url) => altered(without()(url), { error: 'server_error' }), 502, 'provider_error'],
  ])('is none with %s', async (_, bend, status, code) => {
    const { client } = await newcomer(world);
    const reply = await present(client, bend(await callbackUrl(client, 'tiktok')));
    expect([reply.status, reply.body.code], reply.text).toEqual([status, code]);
  });

  test('is none elsewhere: without a code, Slack’s answer is not valid', async () => {
    const { client } = await newcomer(world);
    const url = altered(await callbackUrl(client, 'slack'), { code: undefined });
    expect((await present(client, url)).body.code).toBe('invalid_request');
  });
});

describe('an issuer that a provider tells one day, of which we know none,', () => {
  const iss = 'https://issuer.of.theirs.example/path';

  test.each(['shopify', 'meta', 'tiktok', 'slack'])(
    'was fatal to a sign-in at %s: it is ignored, and logged without its value',
    async (provider) => {
      const { client } = await newcomer(world);
      const told = altered(await callbackUrl(client, provider), { iss });
      const url = provider === 'shopify' ? signedAgain(world, told) : told;
      const reply = await present(client, url);
      expect(reply.status, reply.text).toBe(200);
      const line = await lineOf(reply);
      expect(line).toMatchObject({
        provider_id: provider,
        connection_id: reply.body.id,
        unknown_issuer: 'ignored',
      });
      expect(JSON.stringify(line)).not.toContain('issuer.of.theirs');
    },
  );

  test.each(['', 'twice'])('was fatal as well when it was odd (%j)', async (odd) => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'slack');
    const reply = await present(
      client,
      odd === '' ? altered(url, { iss: '' }) : appended(altered(url, { iss }), 'iss', iss),
    );
    expect(reply.status, reply.text).toBe(200);
  });

  test('hid what else went wrong', async () => {
    const { client } = await newcomer(world);
    const url = altered(await callbackUrl(client, 'meta'), { iss, code: undefined, error: 'access_denied' });
    const browser = await present(client, url, { json: false });
    expect(outcome(browser).error).toBe('access_denied');
    expect(await lineOf(browser)).toMatchObject({ code: 'access_denied', unknown_issuer: 'ignored' });
  });

  test.each(['github', 'google_ads'])('is one that we know of %s: another is refused', async (provider) => {
    const { client } = await newcomer(world);
    const reply = await present(client, altered(await callbackUrl(client, provider), { iss }));
    expect([reply.status, reply.body.code], reply.text).toEqual([400, 'issuer_mismatch']);
    expect(await lineOf(reply)).not.toHaveProperty('unknown_issuer');
  });
});

describe('the fragment that Facebook puts behind its redirect', () => {
  /** Where a browser arrives: the former fragment goes on unless the new address has one (Fetch, RFC 9110 10.2.2). */
  const landing = (from: URL, reply: Reply) => {
    const location = reply.headers.get('location') ?? '';
    return new URL(location.includes('#') ? location : location + from.hash);
  };

  test.each([
    ['connected', (url: URL) => url, { status: 'connected' }],
    [
      'not connected',
      (url: URL) => altered(url, { code: undefined, error: 'access_denied' }),
      { status: 'error', error: 'access_denied' },
    ],
  ])('landed on our page with who was %s', async (_, bend, said) => {
    const { client } = await newcomer(world);
    const url = bend(await callbackUrl(client, 'meta'));
    url.hash = '#_=_';
    const reply = await present(client, url, { json: false });
    const page = landing(url, reply);
    expect(page.hash).not.toContain('_=_');
    expect(outcome(reply)).toEqual({ provider: 'meta', ...said });
    expect(page.href).toBe(`${world.url}/cockpit?${new URLSearchParams({ provider: 'meta', ...said })}#_`);
  });

  test.each([
    ['#top', '#top'],
    ['#/connectors?tab=1', '#/connectors?tab=1'],
    ['#', '#_'],
    ['?tab=1', '#_'],
  ])('gives way to the one of return_to: %s', async (end, hash) => {
    const { client } = await newcomer(world);
    const query = { return_to: `${world.url}/cockpit${end}` };
    const url = await callbackUrl(client, 'meta', { query });
    url.hash = '#_=_';
    const reply = await present(client, url, { json: false });
    expect(landing(url, reply).hash).toBe(hash);
    expect(outcome(reply)).toMatchObject({ provider: 'meta', status: 'connected' });
  });
});

describe('a key of a claimable sandbox (rkcs_)', () => {
  test('was refused unasked: Stripe is asked, and it is connected', async () => {
    const { client } = await newcomer(world);
    const key = issueKey(world, 'stripe', { kind: 'claimable' });
    expect(key.api_key).toMatch(/^rkcs_test_/);
    const reply = await connect(client, 'stripe', key);
    expect(reply.status, reply.text).toBe(201);
    expect(reply.body).toMatchObject({ status: 'connected', account: key.account });
    expect((await client.post('/api/connectors/stripe/test')).body.status).toBe('connected');
  });

  test('was refused unasked where Stripe does not know it: it is refused by Stripe', async () => {
    const { client, connections } = await newcomer(world);
    const { api_key } = issueKey(world, 'stripe', { kind: 'claimable' });
    const unknown = api_key.slice(0, -1) + (api_key.endsWith('a') ? 'b' : 'a');
    const reply = await connect(client, 'stripe', { api_key: unknown, config: {} });
    expect([reply.status, reply.body.code], reply.text).toEqual([422, 'invalid_credential']);
    expect(world.gateway.count('stripe')).toBe(1);
    expect(await connections()).toEqual([]);
  });
});
