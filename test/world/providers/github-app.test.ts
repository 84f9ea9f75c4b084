import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { Octokit } from '@octokit/rest';
import { SignJWT } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import {
  changeGithubInstallation,
  github,
  githubAppSettings,
  githubInstallations,
  githubInstallationTokens,
  githubTokens,
} from './github.ts';

const CALLBACK = 'https://connect.example/callback';
const ISSUER = 'https://github.com/login/oauth';
const settings = Object.fromEntries(Object.entries(githubAppSettings).map(([name, make]) => [name, make()]));
const client = {
  id: 'Iv23-test',
  secret: randomBytes(20).toString('hex'),
  redirectUris: [CALLBACK],
  settings,
};
const key = createPrivateKey(settings.APP_PRIVATE_KEY ?? '');
const NEW_VERSION = { 'x-github-api-version': '2026-03-10' };

const answerSchema = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  scope: z.string(),
  expires_in: z.number(),
  refresh_token_expires_in: z.number(),
});
const mintSchema = z.object({
  token: z.string(),
  expires_at: z.string(),
  permissions: z.record(z.string(), z.string()),
  repository_selection: z.string(),
});
const installationsSchema = z.object({
  total_count: z.number(),
  installations: z.array(z.looseObject({ id: z.number(), account: z.looseObject({ login: z.string() }) })),
});

let context: TestContext;
let hub: Simulator;

beforeEach(() => {
  context = openContext('github', client);
  hub = github(context);
});

const send = async (url: string, init?: RequestInit) => hub.fetch(new Request(url, init));

const authorizeUrl = (query: Record<string, string> = {}) =>
  `https://github.com/login/oauth/authorize?${new URLSearchParams({ client_id: client.id, state: 'st', ...query })}`;

const INSTALL = 'https://github.com/apps/reeve-local/installations/new?state=st';

const decide = (url: string, account = 'octocat', ...scopes: string[]) => {
  const body = new URLSearchParams([
    ['account', account],
    ['decision', 'approve'],
  ]);
  for (const scope of scopes) body.append('scopes', scope);
  return send(url, { method: 'POST', body });
};

const location = (response: Response) =>
  Object.fromEntries(new URL(response.headers.get('location') ?? '').searchParams);

const exchange = (parameters: Record<string, string>) =>
  send('https://github.com/login/oauth/access_token', {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams({ client_id: client.id, client_secret: client.secret, ...parameters }),
  });

async function getToken(login = 'octocat') {
  const { code = '' } = location(await decide(authorizeUrl(), login));
  return answerSchema.parse(await (await exchange({ code })).json());
}

const api = (path: string, token: string, init: RequestInit = {}) =>
  send(`https://api.github.com${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, 'user-agent': 'test', ...init.headers },
  });

const message = async (response: Response) =>
  [response.status, z.object({ message: z.string() }).parse(await response.json()).message] as const;

function jwt(claims: Record<string, unknown> = {}, signer: KeyObject | Uint8Array = key, alg = 'RS256') {
  const seconds = Math.floor(context.clock / 1000);
  const all = { iss: client.id, iat: seconds - 60, exp: seconds + 600, ...claims };
  return new SignJWT(all).setProtectedHeader({ alg }).sign(signer);
}

const asApp = async (method: string, path: string, init: RequestInit = {}) =>
  api(path, await jwt(), { ...init, method });

const idOf = (account: string) =>
  githubInstallations(context.store).find((each) => each.account === account && each.installed)?.id ?? 0;

async function mint(id = idOf('octocat'), body?: Record<string, unknown>) {
  const init = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  return asApp('POST', `/app/installations/${id}/access_tokens`, init);
}

const minted = async (...parameters: Parameters<typeof mint>) =>
  mintSchema.parse(await (await mint(...parameters)).json());

async function names(path: string, token: string) {
  const json: unknown = await (await api(path, token)).json();
  const repositories = z.object({ full_name: z.string() }).array();
  const list = z.union([repositories, z.object({ repositories }).transform((body) => body.repositories)]);
  return list.parse(json).map((repository) => repository.full_name);
}

const installationsOf = async (token: string, query = '') =>
  installationsSchema.parse(await (await api(`/user/installations${query}`, token)).json());

describe('authorizing the App', () => {
  test('asks for no scopes and takes none, and the token expires', async () => {
    const page = await (await send(authorizeUrl({ scope: 'repo offline_access' }))).text();
    expect(page).not.toContain('type="checkbox"');
    const { code = '', ...rest } = location(await decide(authorizeUrl({ scope: 'repo' }), 'octocat', 'repo'));
    expect(rest).toEqual({ state: 'st', iss: ISSUER });
    const token = answerSchema.parse(await (await exchange({ code })).json());
    expect(token).toMatchObject({ scope: '', expires_in: 28800, refresh_token_expires_in: 15897600 });
    expect(token.access_token).toMatch(/^ghu_\w{36}$/);
    expect(token.refresh_token).toMatch(/^ghr_\w{76}$/);
    expect(context.secrets).toContain(token.access_token);
    expect(context.secrets).toContain(token.refresh_token);
    expect(context.secrets).toContain(settings.APP_PRIVATE_KEY);
    expect(context.secrets).toContain(settings.APP_WEBHOOK_SECRET);
  });

  test('rotates: the old tokens die at once, the new ones live eight hours', async () => {
    const first = await getToken();
    const refresh = (refresh_token: string) => exchange({ grant_type: 'refresh_token', refresh_token });
    const second = answerSchema.parse(await (await refresh(first.refresh_token)).json());
    expect((await api('/user', first.access_token)).status).toBe(401);
    expect(await (await refresh(first.refresh_token)).json()).toMatchObject({ error: 'bad_refresh_token' });
    context.clock += 28_799_000;
    expect((await api('/user', second.access_token)).status).toBe(200);
    context.clock += 1000;
    expect(await message(await api('/user', second.access_token))).toEqual([401, 'Bad credentials']);
    expect(await (await refresh(second.refresh_token)).json()).toMatchObject({ scope: '' });
  });

  test('shows the person, but no scopes in the headers', async () => {
    const { access_token } = await getToken('hubot');
    const response = await api('/user', access_token);
    expect(await response.json()).toMatchObject({ login: 'hubot', user_view_type: 'public' });
    expect([...response.headers.keys()].filter((name) => name.includes('oauth'))).toEqual([]);
  });

  test('has no limit of ten tokens, and can be set not to expire them', async () => {
    for (let index = 0; index < 11; index++) await getToken();
    expect(githubTokens(context.store).every(({ alive }) => alive)).toBe(true);
    context.store.set('settings.expiring', false);
    const { code = '' } = location(await decide(authorizeUrl()));
    expect(await (await exchange({ code })).json()).not.toHaveProperty('expires_in');
  });

  test('leaves the tokens of an OAuth App to it', async () => {
    hub = github({ ...context, client: { ...client, settings: {} } });
    const { code = '' } = location(await decide(authorizeUrl({ scope: 'repo' }), 'octocat', 'repo'));
    const { access_token } = z
      .object({ access_token: z.string() })
      .parse(await (await exchange({ code })).json());
    expect((await send(INSTALL)).status).toBe(404);
    expect((await asApp('GET', '/app')).status).toBe(404);
    hub = github(context);
    const why = 'You must authenticate with an access token authorized to a GitHub App';
    const refused = await message(await api('/user/installations', access_token));
    expect(refused).toEqual([403, `${why} in order to list installations`]);
    expect((await api('/user/installations/1/repositories', access_token)).status).toBe(403);
    expect(await names('/user/repos', access_token)).toHaveLength(4);
  });
});

describe('the installation page', () => {
  test('offers the person and their organizations, and every repository', async () => {
    const page = await (await send(INSTALL)).text();
    expect([...page.matchAll(/<option>([^<]+)/g)].map((match) => match[1])).toEqual([
      'octocat',
      'octocat on octo-org',
      'hubot',
      'hubot on octo-org',
    ]);
    expect(page).toContain('value="octo-org/roadmap"');
  });

  test('installs, authorizes and sends back both to the first callback', async () => {
    const response = await decide(INSTALL, 'octocat on octo-org');
    expect(response.headers.get('location')).toMatch(new RegExp(`^${CALLBACK}\\?code=`));
    const { code = '', ...rest } = location(response);
    expect(rest).toEqual({
      installation_id: String(idOf('octo-org')),
      setup_action: 'install',
      state: 'st',
      iss: ISSUER,
    });
    const { access_token } = answerSchema.parse(await (await exchange({ code })).json());
    expect(await (await api('/user', access_token)).json()).toMatchObject({ login: 'octocat' });
    const { installations } = await installationsOf(access_token);
    expect(installations.map(({ account }) => account.login)).toEqual(['octocat', 'octo-org']);
    expect((await installationsOf((await getToken('hubot')).access_token)).total_count).toBe(2);
  });

  test('gives a code that no verifier belongs to', async () => {
    context.store.set('settings.notInstalled', true);
    const { code = '' } = location(await decide(INSTALL));
    const answer = await (await exchange({ code, code_verifier: 'x'.repeat(43) })).json();
    expect(answer).toMatchObject({ error: 'bad_verification_code' });
  });

  test('opens only the ticked repositories', async () => {
    await decide(INSTALL, 'octocat on octo-org', 'octo-org/rockets', 'octocat/Hello-World');
    const { token, repository_selection } = await minted(idOf('octo-org'));
    expect(repository_selection).toBe('selected');
    expect(await names('/installation/repositories', token)).toEqual(['octo-org/rockets']);
    const { access_token } = await getToken();
    expect((await api('/repos/octo-org/roadmap/pulls', access_token)).status).toBe(404);
  });

  test('sends a member of an organization back with a request and nothing else', async () => {
    expect(location(await decide(INSTALL, 'hubot on octo-org'))).toEqual({
      setup_action: 'request',
      state: 'st',
    });
    expect(idOf('octo-org')).toBe(0);
  });

  test('keeps the browser who cancels, or has the App already', async () => {
    const body = new URLSearchParams({ account: 'octocat', decision: 'deny' });
    expect((await send(INSTALL, { method: 'POST', body })).status).toBe(200);
    expect((await decide(INSTALL)).status).toBe(200);
    context.store.set('settings.redirectOnUpdate', true);
    const { code, ...rest } = location(await decide(INSTALL));
    expect(code).toMatch(/^\w{20}$/);
    expect(rest).toEqual({
      installation_id: String(idOf('octocat')),
      setup_action: 'update',
      state: 'st',
      iss: ISSUER,
    });
  });

  test('knows one App, one parameter and these people', async () => {
    expect((await send(INSTALL.replace('reeve-local', 'other'))).status).toBe(404);
    expect((await send(`${INSTALL}&target=1`)).status).toBe(400);
    expect((await decide(INSTALL, 'nobody')).status).toBe(422);
  });
});

describe("the user's installations", () => {
  test('are there from the start, in the shape of the REST description', async () => {
    const { access_token } = await getToken();
    const { total_count, installations } = await installationsOf(access_token);
    expect(total_count).toBe(1);
    expect(installations[0]).toMatchObject({
      id: idOf('octocat'),
      account: { login: 'octocat', type: 'User' },
      app_id: Number(settings.APP_ID),
      app_slug: 'reeve-local',
      html_url: `https://github.com/settings/installations/${idOf('octocat')}`,
      permissions: { metadata: 'read', pull_requests: 'read' },
      repository_selection: 'all',
      suspended_at: null,
    });
  });

  test.each([true, ['octocat'], 'octocat'])('are not there when notInstalled is %j', async (notInstalled) => {
    context.store.set('settings.notInstalled', notInstalled);
    const { access_token } = await getToken();
    expect(await installationsOf(access_token)).toEqual({ total_count: 0, installations: [] });
    await decide(INSTALL);
    expect((await installationsOf(access_token)).total_count).toBe(1);
    context.store.delete('settings.notInstalled');
    expect((await installationsOf(access_token)).total_count).toBe(1);
  });

  test('come by the page, and take no other parameter', async () => {
    await decide(INSTALL, 'octocat on octo-org');
    const { access_token } = await getToken();
    const response = await api('/user/installations?per_page=1&page=2', access_token);
    expect(response.headers.get('link')).toContain('page=1>; rel="prev"');
    expect(await response.json()).toMatchObject({
      total_count: 2,
      installations: [
        { html_url: `https://github.com/organizations/octo-org/settings/installations/${idOf('octo-org')}` },
      ],
    });
    expect((await api('/user/installations?perPage=1', access_token)).status).toBe(422);
  });

  test('list their repositories to those who are in them', async () => {
    const { access_token } = await getToken();
    const path = (login: string) => `/user/installations/${idOf(login)}/repositories`;
    expect(await names(path('octocat'), access_token)).toHaveLength(3);
    expect((await api(path('hubot'), access_token)).status).toBe(404);
    expect((await api('/user/installations/1/repositories', access_token)).status).toBe(404);
  });

  test('outlast the authorization, which ends with the grant', async () => {
    const { access_token } = await getToken();
    const application = (method: string, what: string) =>
      send(`https://api.github.com/applications/${client.id}/${what}`, {
        method,
        headers: {
          authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}`,
          'content-type': 'application/json',
          'user-agent': 'test',
        },
        body: JSON.stringify({ access_token }),
      });
    const check = await application('POST', 'token');
    expect(await check.json()).toMatchObject({ scopes: [], user: { login: 'octocat' } });
    expect((await application('DELETE', 'grant')).status).toBe(204);
    expect((await application('DELETE', 'grant')).status).toBe(404);
    expect((await application('POST', 'token')).status).toBe(404);
    expect((await api('/user', access_token)).status).toBe(401);
    expect(idOf('octocat')).toBeGreaterThan(0);
    expect((await mint()).status).toBe(201);
  });
});

describe('the JWT', () => {
  const UNREADABLE = 'A JSON web token could not be decoded';
  const EXPIRED = /^'Expiration time' claim \('exp'\) must be/;

  test.each([client.id, settings.APP_ID, Number(settings.APP_ID)])('may be issued by %j', async (iss) => {
    const response = await api('/app', await jwt({ iss }));
    expect(await response.json()).toMatchObject({
      id: Number(settings.APP_ID),
      client_id: client.id,
      slug: 'reeve-local',
      installations_count: 2,
    });
  });

  test('is good for ten minutes at most, and from now at the latest', async () => {
    const seconds = context.clock / 1000;
    const cases: [Record<string, unknown>, RegExp | string][] = [
      [{ exp: seconds + 601 }, /too far in the future$/],
      [{ exp: seconds }, EXPIRED],
      [{ exp: undefined }, EXPIRED],
      [{ exp: seconds + 0.5 }, EXPIRED],
      [{ iat: seconds + 1 }, /^'Issued at' claim \('iat'\) must be an Integer/],
      [{ iat: undefined }, /^'Issued at' claim/],
      [{ iss: undefined }, UNREADABLE],
    ];
    for (const [claims, expected] of cases) {
      const [status, why] = await message(await api('/app', await jwt(claims)));
      expect([claims, status]).toEqual([claims, 401]);
      expect(why).toMatch(expected);
    }
    expect((await api('/app', await jwt({ iat: seconds }))).status).toBe(200);
  });

  test("must be signed with the App's key, by RS256", async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const bad = [
      await jwt({}, other),
      await jwt({}, key, 'RS512'),
      await jwt({}, new TextEncoder().encode(settings.APP_PRIVATE_KEY), 'HS256'),
      'nonsense',
      (await getToken()).access_token,
    ];
    for (const token of bad) expect(await message(await api('/app', token))).toEqual([401, UNREADABLE]);
    const authorization = `token ${await jwt()}`;
    expect(await message(await api('/app', '', { headers: { authorization } }))).toEqual([401, UNREADABLE]);
    expect(await message(await api('/app', await jwt({ iss: '1' })))).toEqual([404, 'Integration not found']);
  });

  test('works with a key in PKCS#8, also in one line, and with no key never', async () => {
    const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString().replaceAll('\n', '\\n');
    hub = github({ ...context, client: { ...client, settings: { ...settings, APP_PRIVATE_KEY: pem } } });
    expect((await asApp('GET', '/app')).status).toBe(200);
    hub = github({ ...context, client: { ...client, settings: { APP_ID: settings.APP_ID ?? '' } } });
    const refused = await message(await asApp('GET', '/app'));
    expect(refused).toEqual([401, 'Integration must generate a public key']);
  });
});

describe('the App as itself', () => {
  test('lists its installations and shows one', async () => {
    const list = await (await asApp('GET', '/app/installations?per_page=1')).json();
    expect(list).toMatchObject([{ id: idOf('octocat'), target_type: 'User' }]);
    const one = await (await asApp('GET', `/app/installations/${idOf('hubot')}`)).json();
    expect(one).toMatchObject({ account: { login: 'hubot' } });
    expect((await asApp('GET', '/app/installations/1')).status).toBe(404);
    expect((await asApp('GET', '/app/installations?all=1')).status).toBe(422);
  });

  test.each([
    [NEW_VERSION, 202],
    [{ 'x-github-api-version': '2022-11-28' }, 204],
    [{}, 204],
  ])('uninstalls under %o with %i, once', async (headers, status) => {
    const id = idOf('octocat');
    const { token } = await minted();
    const { access_token } = await getToken();
    expect((await asApp('DELETE', `/app/installations/${id}`, { headers })).status).toBe(status);
    expect((await asApp('DELETE', `/app/installations/${id}`, { headers })).status).toBe(404);
    expect((await mint(id)).status).toBe(404);
    expect((await api('/installation/repositories', token)).status).toBe(401);
    expect((await api('/user', access_token)).status).toBe(200);
    expect((await installationsOf(access_token)).total_count).toBe(0);
    expect(await names('/user/repos', access_token)).toEqual([
      'octo-guild/handbook',
      'octocat/Hello-World',
      'octocat/Spoon-Knife',
    ]);
    expect((await api('/repos/octocat/launch-plans/pulls', access_token)).status).toBe(404);
  });

  test('suspends and unsuspends what it suspended itself', async () => {
    const id = idOf('octocat');
    const suspended = [403, 'This installation has been suspended'];
    const { token } = await minted();
    const { access_token } = await getToken();
    expect((await asApp('PUT', `/app/installations/${id}/suspended`)).status).toBe(204);
    expect(await message(await mint())).toEqual(suspended);
    expect(await message(await api('/installation/repositories', token))).toEqual(suspended);
    expect(await message(await api(`/user/installations/${id}/repositories`, access_token))).toEqual(
      suspended,
    );
    expect(await message(await api('/repos/octocat/Hello-World/pulls', access_token))).toEqual(suspended);
    expect(await names('/user/repos', access_token)).toEqual(['octo-guild/handbook']);
    const { installations } = await installationsOf(access_token);
    expect(installations[0]).toMatchObject({ suspended_at: '2026-11-24T00:00:00Z' });
    expect((await asApp('DELETE', `/app/installations/${id}/suspended`)).status).toBe(204);
    expect((await api('/installation/repositories', token)).status).toBe(200);

    changeGithubInstallation(context.store, id, { suspended: true }, context.clock);
    expect((await asApp('DELETE', `/app/installations/${id}/suspended`)).status).toBe(403);
    expect(githubInstallations(context.store)[0]).toMatchObject({ installed: true, suspended: true });
    changeGithubInstallation(context.store, id, { installed: false }, context.clock);
    expect((await mint(id)).status).toBe(404);
    expect((await asApp('PUT', `/app/installations/${id}/suspended`)).status).toBe(404);
  });
});

describe('an installation access token', () => {
  test('is long, lives an hour and reads what the installation covers', async () => {
    const response = await mint();
    expect(response.status).toBe(201);
    const { token, ...rest } = mintSchema.parse(await response.json());
    expect(token.length).toBeGreaterThan(400);
    expect(token).toMatch(new RegExp(`^ghs_${settings.APP_ID}_\\w+\\.\\w+\\.\\w+$`));
    expect(context.secrets).toContain(token);
    expect(rest).toMatchObject({ expires_at: '2026-11-24T01:00:00Z', repository_selection: 'all' });
    expect(await names('/installation/repositories', token)).toHaveLength(3);
    expect((await api('/repos/octocat/launch-plans/pulls', token)).status).toBe(200);
    expect((await api('/repos/hubot/secret-orders/pulls', token)).status).toBe(404);
    context.clock += 3_600_000;
    expect(await message(await api('/installation/repositories', token))).toEqual([401, 'Bad credentials']);
    expect(githubInstallationTokens(context.store, context.clock)).toEqual([
      { token, installation: idOf('octocat'), alive: false },
    ]);
  });

  test('is narrowed to repositories and permissions, but not widened', async () => {
    const { token, ...rest } = await minted(idOf('octocat'), {
      repositories: ['launch-plans'],
      permissions: { contents: 'read' },
    });
    expect(rest.permissions).toEqual({ contents: 'read', metadata: 'read' });
    expect(rest.repository_selection).toBe('selected');
    expect(await names('/installation/repositories', token)).toEqual(['octocat/launch-plans']);
    const refused = await message(await api('/repos/octocat/launch-plans/pulls', token));
    expect(refused).toEqual([403, 'Resource not accessible by integration']);
    for (const body of [
      { repositories: ['secret-orders'] },
      { repository_ids: [2100002] },
      { permissions: { contents: 'write' } },
      { permissions: { secrets: 'read' } },
      { scope: 'repo' },
    ]) {
      expect((await mint(idOf('octocat'), body)).status).toBe(422);
    }
    const raw = { body: '{}', headers: { 'content-type': 'text/plain' } };
    const path = `/app/installations/${idOf('octocat')}/access_tokens`;
    expect((await asApp('POST', path, raw)).status).toBe(415);
  });

  test('is nobody, revokes itself once, and is not to be mistaken for a user token', async () => {
    const { token } = await minted();
    const { access_token } = await getToken();
    const forbidden = [403, 'Resource not accessible by integration'];
    expect(await message(await api('/user', token))).toEqual(forbidden);
    expect(await message(await api('/user/repos', token))).toEqual(forbidden);
    expect((await message(await api('/installation/repositories', access_token)))[0]).toBe(403);
    expect((await api('/installation/token', access_token, { method: 'DELETE' })).status).toBe(403);
    expect((await api('/installation/token', token, { method: 'DELETE' })).status).toBe(204);
    expect((await api('/installation/token', token, { method: 'DELETE' })).status).toBe(401);
  });
});

test('pull requests come open and newest first, for those who see the repository', async () => {
  const { access_token } = await getToken('hubot');
  const pulls = async (query = '', repository = 'octocat/hello-world') =>
    z
      .array(z.object({ number: z.number() }))
      .parse(await (await api(`/repos/${repository}/pulls${query}`, access_token)).json())
      .map(({ number }) => number);
  expect(await pulls()).toEqual([1348, 1347]);
  expect(await pulls('?state=all&sort=updated&direction=desc')).toEqual([1347, 1348, 1340]);
  expect(await pulls('?state=closed')).toEqual([1340]);
  expect(await pulls('?head=octocat:languages')).toEqual([1347]);
  expect((await api('/repos/octocat/Hello-World/pulls?status=open', access_token)).status).toBe(422);
  expect((await api('/repos/octocat/launch-plans/pulls', access_token)).status).toBe(404);
  expect((await api('/repos/octo-org/roadmap/pulls', access_token)).status).toBe(404);
  await decide(INSTALL, 'octocat on octo-org');
  expect(await pulls('', 'octo-org/roadmap')).toEqual([12]);
  expect(await names('/user/repos?affiliation=organization_member', access_token)).toHaveLength(2);
  const anonymous = await send('https://api.github.com/repos/octocat/Hello-World/pulls', {
    headers: { 'user-agent': 'test' },
  });
  expect(anonymous.status).toBe(401);
});

test("GitHub's own client gets along with the tokens", async () => {
  await decide(INSTALL, 'octocat on octo-org');
  // The client pages by the URL that an answer came from, which only a fetched one has.
  const fetch = async (url: string, init: RequestInit) =>
    Object.defineProperty(await send(url, init), 'url', { value: url });
  const octokit = (auth: string) => new Octokit({ auth, request: { fetch } });
  const user = octokit((await getToken()).access_token);
  const installations = await user.paginate('GET /user/installations', { per_page: 1 });
  expect(installations.map(({ id }) => id)).toEqual([idOf('octocat'), idOf('octo-org')]);
  const { data: pulls } = await user.rest.pulls.list({ owner: 'octo-org', repo: 'roadmap', state: 'open' });
  expect(pulls.map(({ title }) => title)).toEqual(['Plan the next quarter']);

  const app = octokit(await jwt());
  const installation_id = idOf('octo-org');
  const { data } = await app.rest.apps.createInstallationAccessToken({ installation_id });
  const bot = octokit(data.token);
  const repositories = await bot.paginate(bot.rest.apps.listReposAccessibleToInstallation, { per_page: 1 });
  expect(repositories.map((repository) => repository.name)).toEqual(['roadmap', 'rockets']);
  await app.rest.apps.suspendInstallation({ installation_id });
  expect((await api('/installation/repositories', data.token)).status).toBe(403);
  await app.rest.apps.unsuspendInstallation({ installation_id });
  expect((await bot.rest.apps.revokeInstallationAccessToken()).status).toBe(204);
  const uninstall = { installation_id, headers: NEW_VERSION };
  expect((await app.rest.apps.deleteInstallation(uninstall)).status).toBe(202);
});

test('remembers installations and their tokens across a restart', async () => {
  const { token } = await minted();
  const before = githubInstallations(context.store);
  hub = github(context);
  expect(githubInstallations(context.store)).toEqual(before);
  expect((await api('/installation/repositories', token)).status).toBe(200);
});
