import { beforeEach, describe, expect, test } from 'vitest';
import {
  altered,
  appended,
  callbackUrl,
  outcome,
  signedAgain,
  tokenRequests,
} from '../../support/callbacks.ts';
import { connectByOAuth, present } from '../../support/flows.ts';
import { type Newcomer, newcomer } from '../../support/newcomer.ts';
import { openWorld } from '../../support/open-world.ts';
import { quiet, tripsOf } from '../../support/trips.ts';

const world = await openWorld();
const ISSUER = 'https://github.com/login/oauth';

const nobody = await newcomer(world);

/** The answer is refused before the code went anywhere, and nothing is stored. */
async function expectRefused(provider: string, bend: (url: URL) => URL, status: number, code: string) {
  const reply = await present(nobody.client, bend(await callbackUrl(nobody.client, provider)));
  expect([reply.status, reply.body.code], reply.text).toEqual([status, code]);
  expect(tokenRequests(world)).toBe(0);
  expect((await nobody.client.get('/api/connectors/list')).body.connections).toEqual([]);
}

beforeEach(() => world.reset());

describe('an answer that is refused', () => {
  const issuer = (url: URL) => altered(url, { iss: 'https://evil.example' });
  const hmac = (url: URL) => altered(url, { hmac: 'abc' });

  test.each<[string, (url: URL) => URL, string]>([
    ['github', (url) => altered(url, { code: undefined, error: 'access_denied' }), 'access_denied'],
    ['github', (url) => altered(url, { error: 'server_error' }), 'provider_error'],
    ['github', (url) => altered(url, { code: undefined }), 'invalid_request'],
    ['github', issuer, 'issuer_mismatch'],
    ['shopify', hmac, 'invalid_hmac'],
  ])('by %s sends the browser back with its code, and has spent the state', async (provider, bend, code) => {
    const { client } = nobody;
    const url = await callbackUrl(client, provider);
    const jar = new Map(client.cookies);
    const reply = await present(client, bend(url), { json: false });
    expect(outcome(reply)).toEqual({ provider, status: 'error', error: code });

    for (const [name, value] of jar) client.cookies.set(name, value);
    expect((await present(client, url)).body.code).toBe('invalid_state');
    expect(tokenRequests(world)).toBe(0);
  });
});

describe('a person who denies consent', () => {
  test('comes back to the Cockpit, and nothing is stored', async () => {
    const { client, connections } = await newcomer(world);
    const return_to = `${world.url}/cockpit?tab=connectors`;
    const reply = await connectByOAuth(client, 'github', {
      decision: 'deny',
      json: false,
      query: { return_to },
    });
    expect(outcome(reply)).toEqual({
      tab: 'connectors',
      provider: 'github',
      status: 'error',
      error: 'access_denied',
    });
    expect(tokenRequests(world)).toBe(0);
    expect(await connections()).toEqual([]);
  });

  test('is told so as JSON', async () => {
    const { client } = await newcomer(world);
    const reply = await connectByOAuth(client, 'github', { decision: 'deny' });
    expect([reply.status, reply.body.code]).toEqual([400, 'access_denied']);
  });

  test('keeps the connection there was', async () => {
    const { client } = await newcomer(world);
    const before = await connectByOAuth(client, 'github');
    await connectByOAuth(client, 'github', { decision: 'deny' });
    const tested = await client.post('/api/connectors/github/test');
    expect(tested.body).toMatchObject({ id: before.body.id, status: 'connected' });
  });
});

describe('an answer that brings no code stays away from the token endpoint:', () => {
  const set = (parameters: Record<string, string | undefined>) => (url: URL) => altered(url, parameters);
  const error = (value: string) => set({ code: undefined, error: value });

  test.each<[string, (url: URL) => URL, number, string]>([
    ['an error of the provider’s', error('application_suspended'), 502, 'provider_error'],
    ['an error of no known kind', error('<script>alert(1)</script>'), 502, 'provider_error'],
    ['an empty error', error(''), 502, 'provider_error'],
    ['an error beside a code', set({ error: 'server_error' }), 502, 'provider_error'],
    ['a denial beside a code', set({ error: 'access_denied' }), 400, 'access_denied'],
    [
      'a denial and another error',
      (url) => appended(error('access_denied')(url), 'error', 'server_error'),
      502,
      'provider_error',
    ],
    ['no code', set({ code: undefined }), 400, 'invalid_request'],
    ['an empty code', set({ code: '' }), 400, 'invalid_request'],
    ['a doubled code', (url) => appended(url, 'code', 'abc'), 400, 'invalid_request'],
    [
      'the same code twice',
      (url) => appended(url, 'code', url.searchParams.get('code') ?? ''),
      400,
      'invalid_request',
    ],
    [
      'a code as an array',
      (url) => altered(appended(url, 'code[]', 'abc'), { code: undefined }),
      400,
      'invalid_request',
    ],
    [
      'a code as an indexed array',
      (url) => altered(appended(url, 'code[0]', 'abc'), { code: undefined }),
      400,
      'invalid_request',
    ],
    ['a code of 4 kB', set({ code: 'a'.repeat(4_096) }), 400, 'invalid_request'],
  ])('%s', async (_, bend, status, code) => {
    await expectRefused('github', bend, status, code);
  });

  test('the provider’s words about an error go nowhere', async () => {
    const { client } = await newcomer(world);
    const url = altered(await callbackUrl(client, 'github'), {
      error: 'server_error',
      error_description: 'the-words-of-the-provider',
      error_uri: 'https://evil.example/',
    });
    const reply = await present(client, url, { json: false });
    expect(reply.headers.get('location')).not.toMatch(/words|evil|server_error/);
    expect(world.logs.join('\n')).not.toContain('the-words-of-the-provider');
  });
});

describe('a code that somebody made up is not taken:', () => {
  test.each([
    ['one that GitHub never gave', 'made-up'],
    ['line breaks', 'abc\r\nx: y'],
    ['another parameter', 'abc&client_id=evil'],
    ['letters of other alphabets', 'код'],
    ['NUL', '\0'],
  ])('%s', async (_, code) => {
    const { client, connections } = await newcomer(world);
    const reply = await present(client, altered(await callbackUrl(client, 'github'), { code }));
    expect([reply.status, reply.body.code]).toEqual([502, 'provider_error']);
    expect(await connections()).toEqual([]);
  });

  test('one of another flow, whose challenge the verifier does not meet', async () => {
    const [attacker, victim] = [await newcomer(world), await newcomer(world)];
    const stolen = (await callbackUrl(victim.client, 'github')).searchParams.get('code') ?? '';
    const reply = await present(
      attacker.client,
      altered(await callbackUrl(attacker.client, 'github'), { code: stolen }),
    );
    expect([reply.status, reply.body.code]).toEqual([502, 'provider_error']);
    expect(await attacker.connections()).toEqual([]);
  });
});

describe('the issuer (RFC 9207)', () => {
  const wrong = {
    another: 'https://evil.example',
    'a near miss by a slash': `${ISSUER}/`,
    'a near miss by case': 'https://GitHub.com/login/oauth',
    'a near miss by scheme': ISSUER.replace('https', 'http'),
    'a near miss by port': 'https://github.com:443/login/oauth',
    'a near miss by path': 'https://github.com',
    'a look-alike': `${ISSUER}.evil.example`,
    'a space after it': `${ISSUER} `,
    empty: '',
  };

  test.each(Object.entries(wrong))('is refused when it is %s: %s', async (_, iss) => {
    await expectRefused('github', (url) => altered(url, { iss }), 400, 'issuer_mismatch');
  });

  test.each([ISSUER, 'https://evil.example'])(
    'is refused when it stands there twice, with %s',
    async (iss) => {
      const bend = (url: URL) => appended(altered(url, { iss: ISSUER }), 'iss', iss);
      await expectRefused('github', bend, 400, 'issuer_mismatch');
    },
  );

  test('is told before a denial is believed', async () => {
    const bend = (url: URL) => altered(url, { iss: 'https://evil.example', error: 'access_denied' });
    await expectRefused('github', bend, 400, 'issuer_mismatch');
  });

  test.each([ISSUER, undefined])('of GitHub is taken as %s', async (iss) => {
    const { client } = await newcomer(world);
    const reply = await present(client, altered(await callbackUrl(client, 'github'), { iss }));
    expect(reply.status, reply.text).toBe(200);
  });
});

describe('Shopify’s signature', () => {
  const seconds = (ago: number) => String(Math.floor(Date.now() / 1000) - ago);
  const sign = (url: URL) => signedAgain(world, url);
  const hmac = (change: (hmac: string) => string | undefined) => (url: URL) =>
    altered(url, { hmac: change(url.searchParams.get('hmac') ?? '') });
  const other = 'south-store.myshopify.com';

  test.each<[string, (url: URL) => URL]>([
    ['missing', hmac(() => undefined)],
    ['empty', hmac(() => '')],
    ['wrong', hmac(() => '0'.repeat(64))],
    ['wrong by its last digit', hmac((was) => was.slice(0, -1) + (was.endsWith('0') ? '1' : '0'))],
    ['cut short', hmac((was) => was.slice(0, -2))],
    ['too long', hmac((was) => `${was}00`)],
    ['in upper case', hmac((was) => was.toUpperCase())],
    ['in base64', hmac((was) => Buffer.from(was, 'hex').toString('base64'))],
    ['prefixed', hmac((was) => `sha256=${was}`)],
    ['doubled', (url) => appended(url, 'hmac', url.searchParams.get('hmac') ?? '')],
    [
      'under another name',
      (url) => altered(appended(url, 'HMAC', url.searchParams.get('hmac') ?? ''), { hmac: undefined }),
    ],
    ['made before a parameter was added', (url) => appended(url, 'extra', '1')],
    ['made with another code', (url) => altered(url, { code: 'abc' })],
    ['made for another shop', (url) => altered(url, { shop: other })],
    ['right, but without a shop', (url) => sign(altered(url, { shop: undefined }))],
    ['right, but with the shop twice', (url) => sign(appended(url, 'shop', other))],
    ['right, but with the code twice', (url) => sign(appended(url, 'code', 'abc'))],
    [
      'right, but with an unknown parameter twice',
      (url) => sign(appended(appended(url, 'x', '1'), 'x', '2')),
    ],
    ['right, but stale', (url) => sign(altered(url, { timestamp: seconds(120) }))],
    ['right, but of the future', (url) => sign(altered(url, { timestamp: seconds(-120) }))],
    ['right, but with no timestamp', (url) => sign(altered(url, { timestamp: undefined }))],
    [
      'right, but with the time in milliseconds',
      (url) => sign(altered(url, { timestamp: String(Date.now()) })),
    ],
    [
      'right, but with the time in hex',
      (url) => sign(altered(url, { timestamp: `0x${Number(seconds(0)).toString(16)}` })),
    ],
    ['right, but with the time as a fraction', (url) => sign(altered(url, { timestamp: `${seconds(0)}.0` }))],
    ['right, but with the time with a sign', (url) => sign(altered(url, { timestamp: `+${seconds(0)}` }))],
  ])('is refused when it is %s', async (_, bend) => {
    await expectRefused('shopify', bend, 400, 'invalid_hmac');
  });

  test('is needed for a denial, too', async () => {
    const bend = (url: URL) => altered(url, { code: undefined, error: 'access_denied' });
    await expectRefused('shopify', bend, 400, 'invalid_hmac');
  });

  test.each<[string, (url: URL) => URL]>([
    ['as Shopify makes it', (url) => url],
    ['with a parameter that Shopify adds one day', (url) => sign(appended(url, 'new', 'a b+c&d=é'))],
    ['a minute old', (url) => sign(altered(url, { timestamp: seconds(60) }))],
  ])('is taken %s', async (_, bend) => {
    const { client } = await newcomer(world);
    const reply = await present(client, bend(await callbackUrl(client, 'shopify')));
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({
      config: { shop: 'north-store.myshopify.com' },
      account: { id: 'north-store.myshopify.com' },
    });
  });
});

describe('an answer that is good', () => {
  test('sends the browser back with provider and status, and nothing of the flow', async () => {
    const { client } = await newcomer(world);
    const return_to = `${world.url}/cockpit/x?tab=1&code=mine&state=mine&status=error&error=mine#top`;
    const url = await callbackUrl(client, 'github', { query: { return_to } });
    const reply = await present(client, url, { json: false });
    expect(outcome(reply)).toEqual({ tab: '1', provider: 'github', status: 'connected' });
    const location = new URL(reply.headers.get('location') ?? '');
    expect(location.origin + location.pathname).toBe(`${world.url}/cockpit/x`);
    for (const value of [url.searchParams.get('code'), url.searchParams.get('state')])
      expect(location.href).not.toContain(value);
  });

  test('lands on the Cockpit’s connectors page unless asked otherwise, and ends the flow’s cookie', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const [name = ''] = client.cookies.keys();
    const reply = await present(client, url, { json: false });
    expect(reply.headers.get('location')).toBe(`${world.url}/cockpit?provider=github&status=connected#_`);
    expect(reply.headers.getSetCookie()).toEqual([expect.stringMatching(`^${name}=; Max-Age=0; Path=/`)]);
    expect(client.cookies.size).toBe(0);
  });

  test('is the same connection to whoever lists it', async () => {
    const { client } = await newcomer(world);
    const reply = await connectByOAuth(client, 'github');
    expect(reply.body).toMatchObject({
      provider: 'github',
      type: 'oauth',
      status: 'connected',
      brand_id: null,
      account: { id: '583231', name: 'octocat' },
      scopes: ['repo'],
      missing_scopes: [],
      last_error: null,
    });
    const listed = await client.get('/api/connectors/list');
    expect(listed.body.connections).toEqual([reply.body]);
  });

  test('that grants fewer scopes than asked is connected, and says which are missing', async () => {
    const { client } = await newcomer(world);
    const reply = await connectByOAuth(client, 'github', { scopes: [] });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({ status: 'connected', scopes: [], missing_scopes: ['repo'] });
    const whole = await connectByOAuth(client, 'github');
    expect(whole.body).toMatchObject({ id: reply.body.id, scopes: ['repo'], missing_scopes: [] });
  });

  test.each([
    ['github', 3, 2],
    // Its webhooks stand: what there are is asked.
    ['shopify', 5, 3],
  ])(
    'costs %s one KV read, %i PostgreSQL round trips, one token request, one probe, %i requests in all',
    async (provider, statements, calls) => {
      const { client }: Newcomer = await newcomer(world);
      await connectByOAuth(client, provider);
      const url = await callbackUrl(client, provider);
      await quiet(world);
      world.reset();
      const { reply, trips } = await tripsOf(world, () => present(client, url));
      expect(reply.status, reply.text).toBe(200);
      expect(trips).toMatchObject({ postgres: statements, provider: calls });
      expect(world.kv).toEqual({ get: 1, put: 0 });
      expect(tokenRequests(world)).toBe(1);
      expect(trips.kms).toBeLessThanOrEqual(1);
    },
  );

  test('of somebody’s first connection costs one call to KMS and no more round trips', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    await quiet(world);
    world.reset();
    const { reply, trips } = await tripsOf(world, () => present(client, url));
    expect(reply.status, reply.text).toBe(200);
    expect(trips.postgres).toBe(3);
    expect(world.kms.calls).toEqual([{ operation: 'GenerateDataKey', ok: true }]);
  });
});
