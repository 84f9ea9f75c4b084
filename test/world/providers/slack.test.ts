import { randomBytes } from 'node:crypto';
import { WebClient } from '@slack/web-api';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { slack, slackTokens } from './slack.ts';

const CALLBACK = 'https://connect.example/callback';
const client = {
  id: '2141029472.691202649728',
  secret: randomBytes(16).toString('hex'),
  redirectUris: [CALLBACK],
  settings: {},
};
const HOURS_12 = 43_200_000;
const SCOPE = 'chat:write,channels:read,groups:read,team:read';

const failure = z.object({ ok: z.literal(false), error: z.string() });
const grantSchema = z.object({
  ok: z.literal(true),
  access_token: z.string(),
  token_type: z.enum(['bot', 'user']),
  scope: z.string(),
  expires_in: z.number().optional(),
  refresh_token: z.string().optional(),
});
const pageSchema = z.object({
  channels: z.array(z.looseObject({ id: z.string(), name: z.string() })),
  response_metadata: z.object({ next_cursor: z.string() }),
});

let context: TestContext;
let chat: Simulator;

beforeEach(() => {
  context = openContext('slack', client);
  chat = slack(context);
});

const send = async (url: string, init?: RequestInit) => chat.fetch(new Request(url, init));
const request = { client_id: client.id, redirect_uri: CALLBACK, state: 'st', scope: SCOPE };
const authorizeUrl = (query: Record<string, string> = {}, path = '/oauth/v2/authorize') =>
  `https://slack.com${path}?${new URLSearchParams({ ...request, ...query })}`;

/** The boxes of the page, as they are on it. */
async function boxes(url: string) {
  const page = await (await send(url)).text();
  return [...page.matchAll(/name="scopes" value="([^"]+)"/g)].map((match) => match[1] ?? '');
}

async function decide(url: string, decision = 'approve', account = 'Acme', ticked?: string[]) {
  const scopes = (ticked ?? (await boxes(url))).map((scope) => ['scopes', scope]);
  const body = new URLSearchParams([['account', account], ['decision', decision], ...scopes]);
  const response = await send(url, { method: 'POST', body });
  return new URL(response.headers.get('location') ?? 'https://nowhere.example');
}

async function getCode(query?: Record<string, string>, account?: string) {
  return (await decide(authorizeUrl(query), 'approve', account)).searchParams.get('code') ?? '';
}

const BASIC = { authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` };

const exchange = (parameters: Record<string, string>, headers: Record<string, string> = BASIC) =>
  send('https://slack.com/api/oauth.v2.access', {
    method: 'POST',
    headers,
    body: new URLSearchParams(parameters),
  });

async function read(response: Response | Promise<Response>): Promise<unknown> {
  const answer = await response;
  expect(answer.status).toBe(200);
  return answer.json();
}

const errorOf = async (response: Response | Promise<Response>) => failure.parse(await read(response)).error;

async function install(query?: Record<string, string>, account?: string) {
  const code = await getCode(query, account);
  return read(exchange({ code, redirect_uri: CALLBACK }));
}

const getToken = async (query?: Record<string, string>, account?: string) =>
  grantSchema.parse(await install(query, account));

const refresh = (token = '') => exchange({ grant_type: 'refresh_token', refresh_token: token });

const call = (method: string, token: string, parameters: Record<string, string> = {}) =>
  send(`https://slack.com/api/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: new URLSearchParams(parameters),
  });

test('answers at slack.com and nowhere else', () => {
  const hosts = ['slack.com', 'www.slack.com', 'acme.slack.com', 'slack-gov.com'];
  expect(hosts.filter(chat.host)).toEqual(['slack.com']);
});

describe('the page that asks for approval', () => {
  test('shows two workspaces, the one asked for first, and the scopes of bot and user', async () => {
    const url = authorizeUrl({ team: 'T0GLOBEX001', scope: 'chat:write', user_scope: 'chat:write' });
    const page = await (await send(url)).text();
    expect([...page.matchAll(/<option>([^<]+)</g)].map((match) => match[1])).toEqual(['Globex', 'Acme']);
    expect(await boxes(url)).toEqual(['chat:write', 'as user: chat:write']);
  });

  test('sends the code and the state, which is empty if there was none', async () => {
    const location = await decide(authorizeUrl());
    expect(location.origin + location.pathname).toBe(CALLBACK);
    expect([...location.searchParams.keys()]).toEqual(['code', 'state']);
    expect(context.secrets).toContain(location.searchParams.get('code'));
    const { state: _, ...stateless } = request;
    const url = `https://slack.com/oauth/v2/authorize?${new URLSearchParams(stateless)}`;
    expect((await decide(url)).searchParams.get('state')).toBe('');
  });

  test('reports a denial', async () => {
    const { searchParams } = await decide(authorizeUrl(), 'deny');
    expect([...searchParams]).toEqual([
      ['error', 'access_denied'],
      ['state', 'st'],
    ]);
  });

  test.each([
    { client_id: 'other' },
    { redirect_uri: 'https://connect.example/' },
    { redirect_uri: 'https://connect.example/callbacks' },
    { redirect_uri: 'https://evil.example/callback' },
    { redirect_uri: 'http://connect.example/callback' },
    { redirect_uri: `${CALLBACK}#here` },
    { scope: 'chat:write channels:read' },
    { scope: 'chat:write,bogus' },
    { user_scope: 'chat:write.public' },
    { scope: '' },
    { scopes: 'chat:write' },
    { response_type: 'code' },
  ])('shows an error and redirects nobody for %o', async (query) => {
    expect((await send(authorizeUrl(query))).status).toBe(400);
    expect((await decide(authorizeUrl(query), 'approve', 'Acme', [])).hostname).toBe('nowhere.example');
  });

  test('redirects below the registered address, or to it if none is named', async () => {
    const redirect_uri = `${CALLBACK}/sub/dir`;
    const location = await decide(authorizeUrl({ redirect_uri }));
    expect(location.origin + location.pathname).toBe(redirect_uri);
    const { redirect_uri: _, ...unnamed } = request;
    const url = `https://slack.com/oauth/v2/authorize?${new URLSearchParams(unnamed)}`;
    const code = (await decide(url)).searchParams.get('code') ?? '';
    grantSchema.parse(await read(exchange({ code })));
  });

  test('lets the person leave scopes out and add none', async () => {
    const location = await decide(authorizeUrl(), 'approve', 'Acme', ['chat:write', 'files:write']);
    const code = location.searchParams.get('code') ?? '';
    expect(await read(exchange({ code, redirect_uri: CALLBACK }))).toMatchObject({ scope: 'chat:write' });
    const none = (await decide(authorizeUrl(), 'approve', 'Acme', [])).searchParams.get('code') ?? '';
    expect(await errorOf(exchange({ code: none, redirect_uri: CALLBACK }))).toBe('no_scopes');
  });
});

describe('oauth.v2.access', () => {
  test('gives a bot token without an end', async () => {
    const answer = await install();
    expect(answer).toEqual({
      ok: true,
      access_token: expect.stringMatching(/^xoxb-\d+-\d+-\w{24}$/),
      token_type: 'bot',
      scope: SCOPE,
      bot_user_id: 'U0ACMEBOT01',
      app_id: expect.stringMatching(/^A/),
      team: { id: 'T0ACME00001', name: 'Acme' },
      enterprise: null,
      is_enterprise_install: false,
      authed_user: { id: 'U0ACMEANN01' },
    });
    const { access_token } = grantSchema.parse(answer);
    expect(context.secrets).toContain(access_token);
    context.clock += 10 * 365 * 86_400_000;
    expect(await read(call('auth.test', access_token))).toMatchObject({ ok: true });
  });

  test('gives a user token only with user scopes, and then no bot token without bot scopes', async () => {
    const user = { id: 'U0GLOBHANK1', scope: 'search:read', token_type: 'user' };
    const both = await install({ user_scope: 'search:read' }, 'Globex');
    expect(both).toMatchObject({ token_type: 'bot', authed_user: user, enterprise: { id: 'E0GLOBEX001' } });
    const alone = await install({ scope: '', user_scope: 'search:read' }, 'Globex');
    expect(alone).toMatchObject({ authed_user: { access_token: expect.stringMatching(/^xoxp-/) } });
    expect(alone).not.toHaveProperty('access_token');
  });

  test('takes credentials from the body, and JSON, and a multipart form, but not credentials twice', async () => {
    const url = 'https://slack.com/api/oauth.v2.access';
    const parameters = async () => ({
      client_id: client.id,
      client_secret: client.secret,
      code: await getCode(),
      redirect_uri: CALLBACK,
    });
    grantSchema.parse(await read(exchange(await parameters(), {})));
    const json = { 'content-type': 'application/json; charset=utf-8' };
    const body = JSON.stringify(await parameters());
    grantSchema.parse(await read(send(url, { method: 'POST', headers: json, body })));
    const form = new FormData();
    for (const [name, value] of Object.entries(await parameters())) form.set(name, value);
    grantSchema.parse(await read(send(url, { method: 'POST', body: form })));
    expect(await errorOf(exchange(await parameters()))).toBe('invalid_arguments');
  });

  test('redeems a code once, within ten minutes', async () => {
    const code = await getCode();
    const parameters = { code, redirect_uri: CALLBACK };
    grantSchema.parse(await read(exchange(parameters)));
    expect(await errorOf(exchange(parameters))).toBe('code_already_used');
    const late = await getCode();
    context.clock += 600_000;
    expect(await errorOf(exchange({ code: late, redirect_uri: CALLBACK }))).toBe('invalid_code');
  });

  test('names what is wrong, at HTTP 200', async () => {
    const right = async () => ({ code: await getCode(), redirect_uri: CALLBACK });
    const basic = (text: string) => ({ authorization: `Basic ${btoa(text)}` });
    expect(await errorOf(exchange(await right(), {}))).toBe('invalid_client_id');
    expect(await errorOf(exchange(await right(), basic(`other:${client.secret}`)))).toBe('invalid_client_id');
    expect(await errorOf(exchange(await right(), basic(`${client.id}:wrong`)))).toBe('bad_client_secret');
    const cases: [Record<string, string>, string][] = [
      [{ code: await getCode() }, 'bad_redirect_uri'],
      [{ ...(await right()), redirect_uri: `${CALLBACK}/` }, 'bad_redirect_uri'],
      [{ ...(await right()), grant_type: 'password' }, 'invalid_grant_type'],
      [{ ...(await right()), scope: SCOPE }, 'invalid_arguments'],
      [{ redirect_uri: CALLBACK }, 'invalid_code'],
      [{ grant_type: 'refresh_token', refresh_token: 'nonsense' }, 'invalid_refresh_token'],
    ];
    for (const [parameters, expected] of cases) expect(await errorOf(exchange(parameters))).toBe(expected);
    const query = `?${new URLSearchParams(await right())}`;
    const url = 'https://slack.com/api/oauth.v2.access';
    expect((await send(url + query, { headers: BASIC })).status).toBe(405);
    expect(await errorOf(send(url + query, { method: 'POST', headers: BASIC }))).toBe('invalid_arguments');
    const text = { method: 'POST', headers: { ...BASIC, 'content-type': 'text/plain' }, body: 'code=1' };
    expect(await errorOf(send(url, text))).toBe('invalid_post_type');
  });

  test('allows no PKCE, and no flow begun at the old address', async () => {
    const pkce = { code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' };
    const parameters = { redirect_uri: CALLBACK, code_verifier: 'b'.repeat(43) };
    expect(await errorOf(exchange({ ...parameters, code: await getCode(pkce) }))).toBe('pkce_not_allowed');
    expect(await errorOf(exchange({ ...parameters, code: await getCode() }))).toBe('pkce_not_allowed');
    const location = await decide(authorizeUrl({}, '/oauth/authorize'));
    const code = location.searchParams.get('code') ?? '';
    expect(await errorOf(exchange({ code, redirect_uri: CALLBACK }))).toBe(
      'oauth_authorization_url_mismatch',
    );
  });

  test('gives the same bot token again, with more scopes and never with fewer', async () => {
    const first = await getToken({ scope: 'chat:write' });
    const second = await getToken({ scope: 'channels:read' });
    expect(second).toMatchObject({ access_token: first.access_token, scope: 'chat:write,channels:read' });
    expect((await getToken(undefined, 'Globex')).access_token).not.toBe(first.access_token);
    expect(slackTokens(context.store).map(({ workspace }) => workspace)).toEqual(['Acme', 'Globex']);
  });

  test('installs in an organization where told so', async () => {
    context.store.set('settings.orgInstall', true);
    const answer = await install(undefined, 'Umbrella');
    expect(answer).toMatchObject({
      team: null,
      enterprise: { id: 'E0UMBREL001', name: 'Umbrella' },
      is_enterprise_install: true,
    });
    const { access_token } = grantSchema.parse(answer);
    expect(await read(call('auth.test', access_token))).toMatchObject({
      enterprise_id: 'E0UMBREL001',
      is_enterprise_install: true,
    });
    expect(await errorOf(call('conversations.list', access_token))).toBe('missing_argument');
    const list = (team_id: string) => call('conversations.list', access_token, { team_id });
    expect(pageSchema.parse(await read(list('T0UMBREL002'))).channels).toHaveLength(4);
    expect(await errorOf(list('T0ACME00001'))).toBe('team_access_not_granted');
    expect(await errorOf(call('chat.postMessage', access_token, { channel: '#random', text: 'hi' }))).toBe(
      'team_not_found',
    );
  });
});

describe('token rotation', () => {
  beforeEach(() => context.store.set('settings.rotation', true));

  test('makes tokens of twelve hours, for bot and user apart', async () => {
    const answer = await install({ user_scope: 'search:read' });
    expect(answer).toMatchObject({
      access_token: expect.stringMatching(/^xoxe\.xoxb-1-\w+$/),
      refresh_token: expect.stringMatching(/^xoxe-1-\w+$/),
      expires_in: 43_200,
      authed_user: {
        access_token: expect.stringMatching(/^xoxe\.xoxp-1-\w+$/),
        refresh_token: expect.stringMatching(/^xoxe-1-\w+$/),
        expires_in: 43_200,
      },
    });
    const token = grantSchema.parse(answer);
    context.clock += HOURS_12 - 1000;
    expect(await read(call('auth.test', token.access_token))).toMatchObject({ ok: true, expires_in: 1 });
    context.clock += 1000;
    expect(await errorOf(call('auth.test', token.access_token))).toBe('token_expired');
    expect(slackTokens(context.store, context.clock).map(({ kind, alive }) => [kind, alive])).toEqual([
      ['bot', false],
      ['refresh', true],
      ['user', false],
      ['refresh', true],
    ]);
  });

  test('refreshes a token long after its end, and once', async () => {
    const first = await getToken();
    context.clock += 100 * HOURS_12;
    const answer = await read(refresh(first.refresh_token));
    expect(answer).toMatchObject({ token_type: 'bot', scope: SCOPE, team: { id: 'T0ACME00001' } });
    const second = grantSchema.parse(answer);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(context.secrets).toContain(second.refresh_token);
    expect(await errorOf(refresh(first.refresh_token))).toBe('invalid_refresh_token');
    expect(await errorOf(refresh(second.access_token))).toBe('invalid_refresh_token');
    grantSchema.parse(await read(refresh(second.refresh_token)));
  });

  test('takes a used refresh token for as long as told', async () => {
    context.store.set('settings.refreshGrace', 30);
    const { refresh_token } = await getToken();
    await refresh(refresh_token);
    context.clock += 29_000;
    grantSchema.parse(await read(refresh(refresh_token)));
    context.clock += 1000;
    expect(await errorOf(refresh(refresh_token))).toBe('invalid_refresh_token');
  });

  test('leaves the former access token alone, and the one before it not', async () => {
    const other = await getToken();
    const first = await getToken();
    const second = grantSchema.parse(await read(refresh(first.refresh_token)));
    expect(await read(call('auth.test', first.access_token))).toMatchObject({ ok: true });
    const third = grantSchema.parse(await read(refresh(second.refresh_token)));
    expect(await errorOf(call('auth.test', first.access_token))).toBe('token_revoked');
    for (const { access_token } of [second, third, other]) {
      expect(await read(call('auth.test', access_token))).toMatchObject({ ok: true });
    }
  });

  test('revokes one token at a time, a refresh token as well', async () => {
    const token = await getToken();
    expect(await read(call('auth.revoke', token.access_token))).toEqual({ ok: true, revoked: true });
    expect(await errorOf(call('auth.test', token.access_token))).toBe('token_revoked');
    const next = grantSchema.parse(await read(refresh(token.refresh_token)));
    expect(await errorOf(call('auth.revoke', token.refresh_token ?? ''))).toBe('token_revoked');
    expect(await errorOf(call('auth.test', next.refresh_token ?? ''))).toBe('not_allowed_token_type');
    expect(await read(call('auth.revoke', next.refresh_token ?? ''))).toEqual({ ok: true, revoked: true });
    expect(await errorOf(refresh(next.refresh_token))).toBe('invalid_refresh_token');
    expect(await read(call('auth.test', next.access_token))).toMatchObject({ ok: true });
  });
});

describe('the token of a call', () => {
  test('says who it is', async () => {
    const { access_token } = await getToken();
    const response = await send('https://slack.com/api/auth.test', {
      headers: { authorization: `Bearer ${access_token}` },
    });
    expect(await read(response.clone())).toEqual({
      ok: true,
      url: 'https://acme.slack.com/',
      team: 'Acme',
      user: 'reeve',
      team_id: 'T0ACME00001',
      user_id: 'U0ACMEBOT01',
      bot_id: 'B0ACMEBOT01',
      is_enterprise_install: false,
    });
    expect(response.headers.get('x-oauth-scopes')).toBe(SCOPE);
  });

  test('belongs in the header, behind Bearer as it is written', async () => {
    const { access_token: token } = await getToken();
    const url = 'https://slack.com/api/auth.test';
    expect(await errorOf(send(url))).toBe('not_authed');
    expect(await errorOf(send(`${url}?token=${token}`))).toBe('not_authed');
    const headers = { authorization: `Bearer ${token}` };
    expect(await errorOf(send(`${url}?token=${token}`, { headers }))).toBe('not_authed');
    expect(await errorOf(send(url, { headers: { authorization: `bearer ${token}` } }))).toBe('not_authed');
    const body = new URLSearchParams({ token });
    expect(await errorOf(send(url, { method: 'POST', body }))).toBe('not_authed');
    expect(await errorOf(call('auth.test', 'nonsense'))).toBe('invalid_auth');
    expect(await read(send(url, { method: 'POST', headers }))).toMatchObject({ ok: true });
  });

  test('dies when revoked, unless for a test, and a new one comes with the next installation', async () => {
    const { access_token } = await getToken({ scope: 'chat:write', user_scope: 'search:read' });
    expect(await read(call('auth.revoke', access_token, { test: '1' }))).toEqual({
      ok: true,
      revoked: false,
    });
    expect(await read(call('auth.revoke', access_token))).toEqual({ ok: true, revoked: true });
    expect(await errorOf(call('auth.revoke', access_token))).toBe('account_inactive');
    expect(slackTokens(context.store).map(({ kind, alive }) => [kind, alive])).toEqual([
      ['bot', false],
      ['user', true],
    ]);
    const again = await getToken({ scope: 'team:read' });
    expect(again.access_token).not.toBe(access_token);
    expect(again.scope).toBe('team:read');
  });

  test('takes all of the workspace with it when the app is uninstalled', async () => {
    const { access_token } = await getToken({ user_scope: 'search:read' });
    context.store.set('settings.rotation', true);
    const rotating = await getToken();
    await getToken(undefined, 'Globex');
    const uninstall = (secret: string, id = client.id) =>
      call('apps.uninstall', access_token, { client_id: id, client_secret: secret });
    expect(await errorOf(uninstall(client.secret, 'other'))).toBe('invalid_client_id');
    expect(await errorOf(uninstall('wrong'))).toBe('bad_client_secret');
    expect(await read(uninstall(client.secret))).toEqual({ ok: true });
    expect(await errorOf(uninstall(client.secret))).toBe('account_inactive');
    expect(await errorOf(refresh(rotating.refresh_token))).toBe('invalid_refresh_token');
    const [, user] = slackTokens(context.store);
    expect(await errorOf(call('auth.test', user?.token ?? ''))).toBe('token_revoked');
    expect(slackTokens(context.store).map(({ workspace, alive }) => `${workspace} ${alive}`)).toEqual([
      ...Array<string>(4).fill('Acme false'),
      ...Array<string>(2).fill('Globex true'),
    ]);
  });

  test('outlives a restart', async () => {
    const { access_token } = await getToken();
    chat = slack(context);
    expect(await read(call('auth.test', access_token))).toMatchObject({ ok: true });
  });
});

describe('the Web API', () => {
  test('lists channels in pages that may be short', async () => {
    const { access_token } = await getToken();
    const list = async (parameters: Record<string, string>) =>
      pageSchema.parse(await read(call('conversations.list', access_token, parameters)));
    const types = 'public_channel,private_channel';
    const names = async (parameters: Record<string, string>) =>
      (await list(parameters)).channels.map(({ name }) => name);
    expect(await names({})).toEqual(['general', 'random', 'old-launch', 'marketing']);
    expect(await names({ types })).toHaveLength(5);
    const first = await list({ types, limit: '3', exclude_archived: 'true' });
    expect(first.channels).toHaveLength(2);
    const cursor = first.response_metadata.next_cursor;
    const second = await list({ types, limit: '3', exclude_archived: 'true', cursor });
    expect(second.channels.map(({ name }) => name)).toEqual(['marketing', 'leadership']);
    expect(second.response_metadata.next_cursor).toBe('');
    const wrong = (parameters: Record<string, string>) =>
      errorOf(call('conversations.list', access_token, parameters));
    expect(await wrong({ limit: '1000' })).toBe('invalid_limit');
    expect(await wrong({ cursor: 'abc' })).toBe('invalid_cursor');
    expect(await wrong({ types: 'channels' })).toBe('invalid_types');
    expect(await wrong({ pageSize: '10' })).toBe('invalid_arguments');
  });

  test('says which scope is missing', async () => {
    const { access_token } = await getToken({ scope: 'chat:write,channels:read' });
    const types = 'public_channel,private_channel';
    const response = await call('conversations.list', access_token, { types });
    expect(await read(response)).toEqual({
      ok: false,
      error: 'missing_scope',
      needed: 'groups:read',
      provided: 'chat:write,channels:read',
    });
    expect(response.headers.get('x-oauth-scopes')).toBe('chat:write,channels:read');
    expect(await errorOf(call('team.info', access_token))).toBe('missing_scope');
  });

  test('posts where the bot may', async () => {
    const { access_token } = await getToken();
    const post = (parameters: Record<string, string>) => call('chat.postMessage', access_token, parameters);
    const answer = await read(post({ channel: '#random', text: 'Hello' }));
    expect(answer).toMatchObject({
      ok: true,
      channel: expect.stringMatching(/^C/),
      ts: '1795478400.000001',
      message: { text: 'Hello', user: 'U0ACMEBOT01', bot_id: 'B0ACMEBOT01' },
    });
    const cases: [Record<string, string>, string][] = [
      [{ channel: 'general', text: 'x' }, 'not_in_channel'],
      [{ channel: 'old-launch', text: 'x' }, 'is_archived'],
      [{ channel: 'leadership', text: 'x' }, 'channel_not_found'],
      [{ text: 'x' }, 'channel_not_found'],
      [{ channel: 'random' }, 'no_text'],
      [{ channel: 'random', text: 'x', markdown_text: 'y' }, 'markdown_text_conflict'],
      [{ channel: 'random', blocks: 'x' }, 'invalid_blocks_format'],
      [{ channel: 'random', blocks: '[{}]' }, 'invalid_blocks'],
      [{ channel: 'random', text: 'x', username: 'me' }, 'missing_scope'],
      [{ channel: 'random', txt: 'x' }, 'invalid_arguments'],
    ];
    for (const [parameters, expected] of cases) expect(await errorOf(post(parameters))).toBe(expected);
    await getToken({ scope: 'chat:write.public' });
    expect(await read(post({ channel: 'general', text: 'x' }))).toMatchObject({ ok: true });
  });

  test('takes JSON for what writes, and only that', async () => {
    const { access_token } = await getToken();
    const json = (method: string, body: string, type = 'application/json; charset=utf-8') =>
      send(`https://slack.com/api/${method}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${access_token}`, 'content-type': type },
        body,
      });
    const message = { channel: 'random', blocks: [{ type: 'divider' }], unfurl_links: false };
    expect(await read(json('chat.postMessage', JSON.stringify(message)))).toMatchObject({ ok: true });
    expect(await errorOf(json('chat.postMessage', '{'))).toBe('invalid_json');
    expect(await errorOf(json('chat.postMessage', '[]'))).toBe('json_not_object');
    expect(await errorOf(json('chat.postMessage', '{}', 'application/json; charset=utf-16'))).toBe(
      'invalid_charset',
    );
    expect(await errorOf(json('conversations.list', '{}'))).toBe('invalid_post_type');
    const get = { headers: { authorization: `Bearer ${access_token}` } };
    expect((await send('https://slack.com/api/chat.postMessage?channel=random&text=x', get)).status).toBe(
      405,
    );
    expect(await errorOf(call('chat.post', access_token))).toBe('unknown_method');
    expect((await send('https://slack.com/api')).status).toBe(404);
  });

  test('tells of the workspace', async () => {
    const { access_token } = await getToken();
    expect(await read(call('team.info', access_token))).toMatchObject({
      team: { id: 'T0ACME00001', name: 'Acme', domain: 'acme' },
    });
    expect(await errorOf(call('team.info', access_token, { team: 'T0GLOBEX001' }))).toBe('team_not_found');
  });

  test('sends away when told to', async () => {
    context.store.set('settings.retryAfter', 7);
    const response = await call('auth.test', 'any');
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(await response.json()).toEqual({ ok: false, error: 'ratelimited' });
    expect((await exchange({ code: 'any' })).status).toBe(429);
  });

  test('fails as told to', async () => {
    context.store.set('settings.error', 'internal_error');
    expect(await errorOf(call('auth.test', 'any'))).toBe('internal_error');
    expect(await errorOf(exchange({ code: 'any' }))).toBe('internal_error');
  });

  test("works with Slack's own client", async () => {
    const { access_token } = await getToken();
    const fetch = (input: RequestInfo | URL, init?: RequestInit) =>
      Promise.resolve(chat.fetch(new Request(input, init)));
    const web = new WebClient(access_token, { fetch, retryConfig: { retries: 0 } });
    const identity = await web.auth.test();
    expect(identity).toMatchObject({ team_id: 'T0ACME00001' });
    expect(identity.response_metadata?.scopes).toEqual(SCOPE.split(','));
    const names: string[] = [];
    for await (const page of web.paginate('conversations.list', { limit: 2, exclude_archived: true })) {
      names.push(
        ...z
          .object({ channels: z.array(z.object({ name: z.string() })) })
          .parse(page)
          .channels.map(({ name }) => name),
      );
    }
    expect(names).toEqual(['general', 'random', 'marketing']);
    const blocks = [{ type: 'divider' as const }];
    expect(await web.chat.postMessage({ channel: 'random', text: 'Hi', blocks })).toMatchObject({ ok: true });
    const anonymous = new WebClient(undefined, { fetch, retryConfig: { retries: 0 } });
    expect(await anonymous.auth.test({ token: access_token })).toMatchObject({ ok: true });
    const code = await getCode();
    const credentials = { client_id: client.id, client_secret: client.secret };
    expect(await anonymous.oauth.v2.access({ ...credentials, code, redirect_uri: CALLBACK })).toMatchObject({
      access_token,
    });
    await web.apps.uninstall(credentials);
    await expect(web.auth.test()).rejects.toMatchObject({ data: { error: 'account_inactive' } });
  });
});
