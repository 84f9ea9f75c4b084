import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bendTokenRequest, callbackUrl, outcome, tokenRequests } from '../../support/callbacks.ts';
import { connectByOAuth, present } from '../../support/flows.ts';
import { newcomer } from '../../support/newcomer.ts';
import { openWorld } from '../../support/open-world.ts';
import type { Fault } from '../../world/gateway.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';

const world = await openWorld();
const sluggish = await openWorld();
const TEN_YEARS = 10 * 366 * 86_400_000;

type Answer = NonNullable<Fault['respond']>;

const json = (body: unknown, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

/** Living tokens, as a provider would put them into its answers. */
const living = { github: '', shopify: '' };
beforeAll(async () => {
  const { client } = await newcomer(world);
  for (const provider of ['github', 'shopify']) await connectByOAuth(client, provider);
  living.github = githubTokens(world.store('github')).at(-1)?.token ?? '';
  living.shopify = shopifyTokens(world.store('shopify')).at(-1)?.token ?? '';
});

/** A flow whose token request is answered after eleven seconds; begun first, so that the others run meanwhile. */
async function waitTooLong() {
  const { client, connections } = await newcomer(sluggish);
  const url = await callbackUrl(client, 'github');
  bendTokenRequest(sluggish, { delay: 11_000 });
  const started = performance.now();
  const reply = await present(client, url);
  return { reply, seconds: (performance.now() - started) / 1000, connections: await connections() };
}
const tooLong = waitTooLong();

const nobody = await newcomer(world);

/** The problem is told plainly; the code was sent once, and nothing is kept. */
async function expectNothingMade(
  provider: string,
  fault: Pick<Fault, 'respond' | 'drop'>,
  status: number,
  code: string,
) {
  bendTokenRequest(world, fault, provider);
  const reply = await connectByOAuth(nobody.client, provider);
  expect([reply.status, reply.body.code], reply.text).toEqual([status, code]);
  expect(tokenRequests(world)).toBe(1);
  expect((await nobody.client.get('/api/connectors/list')).body.connections).toEqual([]);
  return reply;
}

beforeEach(() => world.reset());

describe('a token answer that is none makes no connection:', () => {
  const token = 'gho_notAToken';
  const bearer = { access_token: token, token_type: 'bearer', scope: 'repo' };
  const answers: Record<string, Answer> = {
    'an error at 200': json({ error: 'bad_verification_code', error_description: 'x' }),
    'an error at 400': json({ error: 'invalid_grant' }, 400),
    'an error at 401': json({ error: 'invalid_client' }, 401),
    'an error beside a token': json({ ...bearer, error: 'invalid_grant' }),
    'an error that is text of any kind': json({ error: '<script>\r\n' }),
    'a token at 400': json(bearer, 400),
    'a token at 500': json(bearer, 500),
    'no content': { status: 204 },
    HTML: { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><p>Hello' },
    'HTML that is called JSON': json('<!doctype html><p>Hello'),
    empty: json(''),
    'half of JSON': json('{"access_token":"gho_x","token_ty'),
    '1 MB': json({ ...bearer, padding: 'x'.repeat(1_000_000) }),
    '1 MB of blanks': json(' '.repeat(1_000_000)),
    'an array': json([bearer]),
    'an empty array': json([]),
    'an empty object': json({}),
    null: json('null'),
    'a number': json('7'),
    text: json('"gho_x"'),
    'deeply nested': json('['.repeat(50_000)),
    'a token that is empty': json({ ...bearer, access_token: '' }),
    'a token that is null': json({ ...bearer, access_token: null }),
    'a token that is a number': json({ ...bearer, access_token: 7 }),
    'a token that is an array': json({ ...bearer, access_token: [token] }),
    'a token that is an object': json({ ...bearer, access_token: { value: token } }),
    'a token with line breaks': json({ ...bearer, access_token: 'gho_x\r\nx-evil: 1' }),
    'a token with NUL': json({ ...bearer, access_token: 'gho_\0' }),
    'the type mac': json({ ...bearer, token_type: 'mac' }),
    'the type DPoP': json({ ...bearer, token_type: 'DPoP' }),
    'an empty type': json({ ...bearer, token_type: '' }),
    'a type that is a number': json({ ...bearer, token_type: 1 }),
    'a redirect': { status: 302, headers: { location: 'https://evil.example/token' } },
    'a redirect that keeps the method': { status: 307, headers: { location: 'https://evil.example/' } },
    'a server error': { status: 500, body: 'oops' },
    'a bad gateway': { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>502</h1>' },
  };

  test.each(Object.entries(answers))('%s', async (_, respond) => {
    await expectNothingMade('github', { respond }, 502, 'provider_error');
    expect(world.gateway.calls.filter((call) => /evil/.test(call.host))).toEqual([]);
  });

  test.each(['before', 'after'] as const)('the connection breaks %s the provider’s work', async (drop) => {
    await expectNothingMade('github', { drop }, 502, 'provider_error');
  });

  test.each<[string, Record<string, string>, string]>([
    ['with Retry-After', { 'retry-after': '17' }, '17'],
    ['without Retry-After', {}, '60'],
    ['with an absurd Retry-After', { 'retry-after': '999999999' }, '60'],
  ])('too many requests, %s', async (_, headers, seconds) => {
    const fault = { respond: { status: 429, headers } };
    const reply = await expectNothingMade('github', fault, 503, 'unavailable');
    expect(reply.headers.get('retry-after')).toBe(seconds);
  });

  test('an answer that takes more than ten seconds', async () => {
    const { reply, seconds, connections } = await tooLong;
    expect([reply.status, reply.body.code], reply.text).toEqual([504, 'provider_timeout']);
    expect(seconds).toBeLessThan(10.9);
    expect(tokenRequests(sluggish)).toBe(1);
    expect(connections).toEqual([]);
  });

  test('a token that no header can carry', async () => {
    const { client, connections } = await newcomer(world);
    bendTokenRequest(world, { respond: json({ ...bearer, access_token: 'токен' }) });
    const reply = await connectByOAuth(client, 'github');
    // Whether GitHub refuses it, or we do before.
    expect([422, 502], reply.text).toContain(reply.status);
    expect(await connections()).toEqual([]);
  });

  test('an error at Shopify', async () => {
    const respond = json({ error: 'invalid_request' }, 400);
    await expectNothingMade('shopify', { respond }, 502, 'provider_error');
  });

  test('and does not give the state back', async () => {
    const { client } = nobody;
    const url = await callbackUrl(client, 'github');
    const jar = new Map(client.cookies);
    bendTokenRequest(world, { respond: { status: 500 } });
    expect((await present(client, url)).status).toBe(502);
    for (const [name, value] of jar) client.cookies.set(name, value);
    expect((await present(client, url)).body.code).toBe('invalid_state');
    expect(tokenRequests(world)).toBe(1);
  });

  test('and the browser comes back with the code of the problem alone', async () => {
    const { client } = await newcomer(world);
    bendTokenRequest(world, { respond: json({ error: 'bad_verification_code', error_description: 'x' }) });
    const reply = await connectByOAuth(client, 'github', { json: false });
    expect(outcome(reply)).toEqual({ provider: 'github', status: 'error', error: 'provider_error' });
  });

  test('and the connection there was goes on', async () => {
    const { client } = await newcomer(world);
    const before = await connectByOAuth(client, 'github');
    bendTokenRequest(world, { respond: json({ error: 'bad_verification_code' }) });
    expect((await connectByOAuth(client, 'github')).status).toBe(502);
    const tested = await client.post('/api/connectors/github/test');
    expect(tested.body).toMatchObject({ id: before.body.id, status: 'connected' });
  });
});

describe('a token answer with odd parts is read safely:', () => {
  const lifetimes: [string, unknown, 'none' | 'an hour' | 'none or sane'][] = [
    ['missing', undefined, 'none'],
    ['null', null, 'none'],
    ['text', 'soon', 'none'],
    ['empty text', '', 'none'],
    ['a number as text', '3600', 'an hour'],
    ['a number', 3600, 'an hour'],
    ['a fraction', 3600.7, 'an hour'],
    ['negative', -1, 'none'],
    ['negative text', '-3600', 'none'],
    ['zero', 0, 'none'],
    ['absurd', 1e15, 'none or sane'],
    ['more than a number holds', 1e300, 'none or sane'],
    ['absurd text', '9'.repeat(400), 'none or sane'],
    ['an array', [3600], 'none'],
    ['true', true, 'none'],
  ];

  test.each(lifetimes)('expires_in %s', async (_, expires_in, expected) => {
    const { client } = await newcomer(world);
    const access_token = living.github;
    bendTokenRequest(world, {
      respond: json({ access_token, token_type: 'bearer', scope: 'repo', expires_in }),
    });
    const reply = await connectByOAuth(client, 'github');
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body.status).toBe('connected');
    const { expires_at } = reply.body;
    const left = expires_at === null ? undefined : Date.parse(expires_at) - Date.now();
    if (expected === 'none') expect(left).toBeUndefined();
    else if (expected === 'an hour') expect(Math.abs((left ?? 0) - 3_600_000)).toBeLessThan(60_000);
    else if (left !== undefined) expect(left > 0 && left < TEN_YEARS, String(expires_at)).toBe(true);
  });

  test.each([undefined, 'soon', -1, 0, 1e15])(
    'expires_in %s at Shopify, whose expiring tokens live an hour',
    async (expires_in) => {
      const { client } = await newcomer(world);
      const access_token = living.shopify;
      const refresh_token = 'shprt_of_no_use';
      bendTokenRequest(world, { respond: json({ access_token, refresh_token, expires_in }) }, 'shopify');
      const reply = await connectByOAuth(client, 'shopify');
      expect(reply.status, reply.text).toBe(200);
      expect(Math.abs(Date.parse(reply.body.expires_at) - Date.now() - 3_600_000)).toBeLessThan(60_000);
    },
  );

  test.each([
    ['an empty refresh token', { refresh_token: '' }],
    ['a refresh token that is null', { refresh_token: null }],
    ['a refresh token that is a number', { refresh_token: 7 }],
    ['a refresh token that is an array', { refresh_token: ['ghr_x'] }],
    ['a scope that is a number', { scope: 7 }],
    ['a scope that is an array', { scope: ['repo'] }],
    ['a scope that is null', { scope: null }],
    ['no type', { token_type: undefined }],
    ['the type in another case', { token_type: 'BEARER' }],
    ['a refresh token’s lifetime that is text', { refresh_token_expires_in: 'long' }],
    ['keys that nobody knows', { __proto__: { error: 'x' }, constructor: { error: 'x' }, id_token: 7 }],
  ])('%s', async (_, parts) => {
    const { client, connections } = await newcomer(world);
    const access_token = living.github;
    bendTokenRequest(world, {
      respond: json({ access_token, token_type: 'bearer', scope: 'repo', ...parts }),
    });
    const reply = await connectByOAuth(client, 'github');
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({ status: 'connected', scopes: ['repo'], missing_scopes: [] });
    expect(await connections()).toMatchObject([{ refresh_token: null, refresh_token_expires_at: null }]);
  });

  test('a key given twice, of which the last counts, makes no two tokens', async () => {
    const { client } = await newcomer(world);
    const access_token = living.github;
    const text = `{"access_token":"gho_dead","access_token":"${access_token}","token_type":"bearer"}`;
    bendTokenRequest(world, { respond: json(text) });
    expect((await connectByOAuth(client, 'github')).body.status).toBe('connected');
  });
});

describe('a token whose account cannot be told is not kept, and ends at the provider:', () => {
  test.each<[string, Pick<Fault, 'respond' | 'drop'>, number, string]>([
    ['refused at once', { respond: json({ message: 'Bad credentials' }, 401) }, 422, 'invalid_credential'],
    ['not permitted', { respond: json({ message: 'Forbidden' }, 403) }, 422, 'insufficient_scope'],
    ['a server error', { respond: { status: 500 } }, 502, 'provider_error'],
    ['a rate limit', { respond: { status: 429 } }, 503, 'unavailable'],
    ['HTML', { respond: { status: 200, body: '<p>Hello' } }, 502, 'provider_error'],
    ['an account without an id', { respond: json({ login: 'octocat' }) }, 502, 'provider_error'],
    ['an account id that is text', { respond: json({ id: '7', login: 'octocat' }) }, 502, 'provider_error'],
    ['a redirect', { respond: { status: 301, headers: { location: '/x' } } }, 502, 'provider_error'],
    ['no answer', { drop: 'before' }, 502, 'provider_error'],
  ])('%s', async (_, fault, status, code) => {
    const { client, connections } = await newcomer(world);
    world.gateway.misbehave({ provider: 'github', match: 'GET api.github.com/user$', times: 1, ...fault });
    const reply = await connectByOAuth(client, 'github');
    expect([reply.status, reply.body.code], reply.text).toEqual([status, code]);
    expect(await connections()).toEqual([]);
    expect(githubTokens(world.store('github')).at(-1)).toMatchObject({ alive: false });
  });

  test('a shop that says it is another', async () => {
    const { client, connections } = await newcomer(world);
    const shop = { id: 'gid://shopify/Shop/1', name: 'South', myshopifyDomain: 'south-store.myshopify.com' };
    const data = { shop, currentAppInstallation: { accessScopes: [] } };
    world.gateway.misbehave({
      provider: 'shopify',
      match: 'graphql.json',
      times: 1,
      respond: json({ data }),
    });
    const reply = await connectByOAuth(client, 'shopify');
    expect([reply.status, reply.body.code]).toEqual([502, 'provider_error']);
    expect(await connections()).toEqual([]);
  });
});
