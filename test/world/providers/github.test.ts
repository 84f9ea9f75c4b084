import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { github, githubTokens } from './github.ts';

const CALLBACK = 'https://connect.example/callback';
const client = {
  id: 'Iv-test',
  secret: randomBytes(20).toString('hex'),
  redirectUris: [CALLBACK],
  settings: {},
};
const answerSchema = z.object({
  access_token: z.string(),
  token_type: z.literal('bearer'),
  scope: z.string(),
  expires_in: z.number().optional(),
  refresh_token: z.string().optional(),
  refresh_token_expires_in: z.number().optional(),
});

let context: TestContext;
let hub: Simulator;

beforeEach(() => {
  context = openContext('github', client);
  hub = github(context);
});

const send = async (url: string, init?: RequestInit) => hub.fetch(new Request(url, init));

function authorizeUrl(query: Record<string, string> = {}) {
  const all = { client_id: client.id, redirect_uri: CALLBACK, state: 'st', ...query };
  return `https://github.com/login/oauth/authorize?${new URLSearchParams(all)}`;
}

async function consent(url: string, form: [string, string][]) {
  const body = new URLSearchParams([['account', 'octocat'], ['decision', 'approve'], ...form]);
  const response = await send(url, { method: 'POST', body });
  return new URL(response.headers.get('location') ?? '');
}

async function getCode(query: Record<string, string> = { scope: 'repo read:user' }, login = 'octocat') {
  const scopes = (query.scope ?? '').split(' ').map((scope): [string, string] => ['scopes', scope]);
  const body = new URLSearchParams([['account', login], ['decision', 'approve'], ...scopes]);
  const response = await send(authorizeUrl(query), { method: 'POST', body });
  return new URL(response.headers.get('location') ?? '').searchParams.get('code') ?? '';
}

function exchange(parameters: Record<string, string>, headers: Record<string, string> = {}) {
  return send('https://github.com/login/oauth/access_token', {
    method: 'POST',
    headers: { accept: 'application/json', ...headers },
    body: new URLSearchParams({ client_id: client.id, client_secret: client.secret, ...parameters }),
  });
}

async function getToken(query?: Record<string, string>, login?: string) {
  return answerSchema.parse(await (await exchange({ code: await getCode(query, login) })).json());
}

const api = (path: string, token: string, headers: Record<string, string> = {}) =>
  send(`https://api.github.com${path}`, {
    headers: { authorization: `Bearer ${token}`, 'user-agent': 'test', ...headers },
  });

const application = (method: string, path: string, token: string, secret = client.secret) =>
  send(`https://api.github.com/applications/${client.id}/${path}`, {
    method,
    headers: {
      authorization: `Basic ${btoa(`${client.id}:${secret}`)}`,
      'content-type': 'application/json',
      'user-agent': 'test',
    },
    body: JSON.stringify({ access_token: token }),
  });

const error = async (response: Response) =>
  z.object({ error: z.string() }).parse(await response.json()).error;

test('answers at github.com and api.github.com and nowhere else', () => {
  const hosts = ['github.com', 'api.github.com', 'www.github.com', 'github.com.evil.example'];
  expect(hosts.filter(hub.host)).toEqual(['github.com', 'api.github.com']);
});

describe('the authorization page', () => {
  test('shows both accounts and the normalized scopes to tick', async () => {
    const page = await (await send(authorizeUrl({ scope: 'repo public_repo user:email bogus' }))).text();
    expect(page).toContain('octocat');
    expect(page).toContain('hubot');
    expect([...page.matchAll(/name="scopes" value="([^"]+)"/g)].map((match) => match[1])).toEqual([
      'repo',
      'user:email',
    ]);
  });

  test('is 404 for a client nobody registered', async () => {
    expect((await send(authorizeUrl({ client_id: 'other' }))).status).toBe(404);
  });

  test('refuses a parameter it does not know', async () => {
    expect((await send(authorizeUrl({ scopes: 'repo' }))).status).toBe(400);
  });

  test.each([`${CALLBACK}/sub`, `${CALLBACK}?a=1`, 'https://evil.example/'])(
    'sends a mismatch of %s to the registered callback',
    async (redirect_uri) => {
      const response = await send(authorizeUrl({ redirect_uri }));
      const location = new URL(response.headers.get('location') ?? '');
      expect(location.origin + location.pathname).toBe(CALLBACK);
      expect(location.searchParams.get('error')).toBe('redirect_uri_mismatch');
      expect(location.searchParams.get('state')).toBe('st');
    },
  );

  test.each([
    { code_challenge: 'a'.repeat(43), code_challenge_method: 'plain' },
    { code_challenge: 'a'.repeat(43) },
    { code_challenge: 'a'.repeat(42), code_challenge_method: 'S256' },
    { code_challenge_method: 'S256' },
  ])('refuses PKCE other than S256: %o', async (query) => {
    const response = await send(authorizeUrl(query));
    expect(new URL(response.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_request');
  });

  test('reports a denial with its description, page, the state and the issuer', async () => {
    const body = new URLSearchParams({ account: 'octocat', decision: 'deny' });
    const response = await send(authorizeUrl(), { method: 'POST', body });
    const { searchParams } = new URL(response.headers.get('location') ?? '');
    expect([...searchParams.keys()]).toEqual(['error', 'error_description', 'error_uri', 'state', 'iss']);
    expect(searchParams.get('iss')).toBe('https://github.com/login/oauth');
    expect(searchParams.get('error_description')).toBe('The user has denied your application access.');
  });

  test('lets the person narrow the scopes but not widen them', async () => {
    const location = await consent(authorizeUrl({ scope: 'repo gist' }), [
      ['scopes', 'gist'],
      ['scopes', 'admin:org'],
    ]);
    const response = await exchange({ code: location.searchParams.get('code') ?? '' });
    expect(answerSchema.parse(await response.json()).scope).toBe('gist');
  });
});

describe('the token endpoint', () => {
  test('answers with commas between the scopes and no expiry', async () => {
    const token = await getToken();
    expect(token.access_token).toMatch(/^gho_\w{36}$/);
    expect(token.scope).toBe('repo,read:user');
    expect(token).not.toHaveProperty('expires_in');
    expect(token).not.toHaveProperty('refresh_token');
    expect(context.secrets).toContain(token.access_token);
  });

  test('answers with a form when JSON was not asked for', async () => {
    const response = await exchange({ code: await getCode() }, { accept: '*/*' });
    expect(response.headers.get('content-type')).toContain('application/x-www-form-urlencoded');
    expect(new URLSearchParams(await response.text()).get('token_type')).toBe('bearer');
  });

  test('takes a JSON body', async () => {
    const body = { client_id: client.id, client_secret: client.secret, code: await getCode() };
    const response = await send('https://github.com/login/oauth/access_token', {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    answerSchema.parse(await response.json());
  });

  test('redeems a code once, within ten minutes', async () => {
    const code = await getCode();
    answerSchema.parse(await (await exchange({ code })).json());
    const again = await exchange({ code });
    expect(again.status).toBe(200);
    expect(await error(again)).toBe('bad_verification_code');
    const late = await getCode();
    context.clock += 600_000;
    expect(await error(await exchange({ code: late }))).toBe('bad_verification_code');
  });

  test('wants the verifier when, and only when, a challenge was sent', async () => {
    const verifier = randomBytes(32).toString('base64url');
    const pkce = {
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
    expect(await error(await exchange({ code: await getCode(pkce) }))).toBe('bad_verification_code');
    const wrong = { code: await getCode(pkce), code_verifier: 'x'.repeat(43) };
    expect(await error(await exchange(wrong))).toBe('bad_verification_code');
    expect(await error(await exchange({ code: await getCode(), code_verifier: verifier }))).toBe(
      'bad_verification_code',
    );
    answerSchema.parse(await (await exchange({ code: await getCode(pkce), code_verifier: verifier })).json());
  });

  test('names what is wrong, at HTTP 200', async () => {
    const cases: [Record<string, string>, string][] = [
      [{ client_secret: 'wrong', code: await getCode() }, 'incorrect_client_credentials'],
      [{ redirect_uri: `${CALLBACK}/`, code: await getCode() }, 'redirect_uri_mismatch'],
      [{ grant_type: 'password' }, 'unsupported_grant_type'],
      [{ grant_type: 'refresh_token', refresh_token: 'nonsense' }, 'bad_refresh_token'],
      [{ scope: 'repo', code: await getCode() }, 'invalid_request'],
    ];
    for (const [parameters, expected] of cases) {
      const response = await exchange(parameters);
      expect(response.status).toBe(200);
      expect(await error(response)).toBe(expected);
    }
    expect((await exchange({ client_id: 'other' })).status).toBe(404);
  });

  test.each(['by scope', 'by setting'])('issues an expiring token %s', async (how) => {
    if (how === 'by setting') context.store.set('settings.expiring', true);
    const token = await getToken(how === 'by scope' ? { scope: 'repo offline_access' } : { scope: 'repo' });
    expect(token.refresh_token).toMatch(/^ghr_\w+$/);
    expect(token).toMatchObject({ expires_in: 28800, refresh_token_expires_in: 15897600, scope: 'repo' });
    context.clock += 28_800_000;
    expect((await api('/user', token.access_token)).status).toBe(401);
    expect(githubTokens(context.store, context.clock)[0]?.alive).toBe(false);
  });

  test('rotates: the old refresh token and the old access token die at once', async () => {
    const first = await getToken({ scope: 'repo offline_access' });
    const refresh = { grant_type: 'refresh_token', refresh_token: first.refresh_token ?? '' };
    const second = answerSchema.parse(await (await exchange(refresh)).json());
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect((await api('/user', first.access_token)).status).toBe(401);
    expect((await api('/user', second.access_token)).status).toBe(200);
    expect(await error(await exchange(refresh))).toBe('bad_refresh_token');
    context.clock += 15_897_600_000;
    const late = { grant_type: 'refresh_token', refresh_token: second.refresh_token ?? '' };
    expect(await error(await exchange(late))).toBe('bad_refresh_token');
  });

  test('lets one of ten equal tokens go for the eleventh', async () => {
    for (let index = 0; index < 11; index++) await getToken();
    await getToken({ scope: 'gist' });
    expect(githubTokens(context.store).filter(({ alive }) => !alive)).toHaveLength(1);
  });
});

describe('the REST API', () => {
  test('names the user and the live scopes', async () => {
    const { access_token } = await getToken(undefined, 'hubot');
    const response = await api('/user', access_token, { 'x-github-api-version': '2026-03-10' });
    expect(await response.json()).toMatchObject({ login: 'hubot', id: 480938, type: 'User' });
    expect(response.headers.get('x-oauth-scopes')).toBe('repo, read:user');
    expect(response.headers.get('x-ratelimit-limit')).toBe('5000');
    expect(response.headers.get('x-ratelimit-remaining')).toBe('4999');
  });

  test('answers a bad token with Bad credentials', async () => {
    const response = await api('/user', 'nonsense');
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      message: 'Bad credentials',
      documentation_url: expect.stringContaining('https://docs.github.com/'),
      status: '401',
    });
  });

  test('refuses a call without a user agent', async () => {
    const { access_token } = await getToken();
    const response = await send('https://api.github.com/user', {
      headers: { authorization: `Bearer ${access_token}` },
    });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('User-Agent');
  });

  test('refuses a version it does not know', async () => {
    const { access_token } = await getToken();
    expect((await api('/user', access_token, { 'x-github-api-version': '2020-01-01' })).status).toBe(400);
  });

  test('lists private repositories only to the scope repo', async () => {
    const names = async (token: string, query = '') =>
      z
        .array(z.object({ full_name: z.string() }))
        .parse(await (await api(`/user/repos${query}`, token)).json())
        .map((repository) => repository.full_name);
    const wide = await getToken();
    const narrow = await getToken({ scope: 'read:user' });
    expect(await names(wide.access_token)).toHaveLength(4);
    expect(await names(wide.access_token, '?visibility=private')).toEqual(['octocat/launch-plans']);
    expect(await names(narrow.access_token)).toHaveLength(3);
    const page = await api('/user/repos?per_page=1&sort=pushed', wide.access_token);
    expect(page.headers.get('link')).toContain('page=2>; rel="next"');
    expect((await api('/user/repos?pageSize=1', wide.access_token)).status).toBe(422);
  });

  test('stops at the rate limit', async () => {
    context.store.set('settings.rateLimit', 1);
    const { access_token } = await getToken();
    await api('/user', access_token);
    const response = await api('/user', access_token);
    expect(response.status).toBe(403);
    expect(response.headers.get('x-ratelimit-remaining')).toBe('0');
    context.clock += 3_601_000;
    expect((await api('/user', access_token)).status).toBe(200);
  });

  test('sends away with the secondary limit when told to', async () => {
    context.store.set('settings.retryAfter', 7);
    const response = await api('/user', 'any');
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
  });
});

describe('the application endpoints', () => {
  test('check a token', async () => {
    const { access_token } = await getToken();
    const response = await application('POST', 'token', access_token);
    expect(await response.json()).toMatchObject({
      scopes: ['repo', 'read:user'],
      user: { login: 'octocat', id: 583231 },
      expires_at: null,
    });
    expect((await application('POST', 'token', 'nonsense')).status).toBe(404);
  });

  test('delete one token, and say 404 the second time', async () => {
    const first = await getToken();
    const second = await getToken();
    expect((await application('DELETE', 'token', first.access_token)).status).toBe(204);
    expect((await application('DELETE', 'token', first.access_token)).status).toBe(404);
    expect(githubTokens(context.store).map(({ token, alive }) => [token, alive])).toEqual([
      [first.access_token, false],
      [second.access_token, true],
    ]);
  });

  test('delete the grant with all tokens of that user and nobody else', async () => {
    const first = await getToken();
    await getToken({ scope: 'repo offline_access' });
    await getToken(undefined, 'hubot');
    expect((await application('DELETE', 'grant', first.access_token)).status).toBe(204);
    expect((await application('DELETE', 'grant', first.access_token)).status).toBe(404);
    expect(githubTokens(context.store).map(({ login, alive }) => [login, alive])).toEqual([
      ['octocat', false],
      ['octocat', false],
      ['hubot', true],
    ]);
  });

  test('accept only the client, and only JSON with a token in it', async () => {
    const { access_token } = await getToken();
    expect((await application('DELETE', 'token', access_token, 'wrong')).status).toBe(401);
    const call = (contentType: string, body: string, authorization?: string) =>
      send(`https://api.github.com/applications/${client.id}/token`, {
        method: 'DELETE',
        headers: {
          authorization: authorization ?? `Basic ${btoa(`${client.id}:${client.secret}`)}`,
          'content-type': contentType,
          'user-agent': 'test',
        },
        body,
      });
    const json = JSON.stringify({ access_token });
    expect((await call('application/json', json, `Bearer ${access_token}`)).status).toBe(401);
    expect((await call('application/x-www-form-urlencoded', `access_token=${access_token}`)).status).toBe(
      415,
    );
    expect((await call('application/json', '{')).status).toBe(400);
    expect((await call('application/json', '{}')).status).toBe(422);
    expect((await call('application/json', json)).status).toBe(204);
  });
});

test('remembers tokens across a restart', async () => {
  const { access_token } = await getToken();
  hub = github(context);
  expect((await api('/user', access_token)).status).toBe(200);
});
