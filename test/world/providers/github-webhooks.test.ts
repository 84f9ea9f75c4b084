import { createHmac, createPrivateKey, randomBytes, randomUUID } from 'node:crypto';
import { Octokit } from '@octokit/rest';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import { type HttpServer, type Served, serve } from '../http-server.ts';
import type { Delivered, Happening, Simulator } from '../simulator.ts';
import {
  github,
  githubAppSettings,
  githubDeliveries,
  githubInstallations,
  githubTokens,
  signGithub,
} from './github.ts';

const settings = Object.fromEntries(Object.entries(githubAppSettings).map(([name, make]) => [name, make()]));
const HOOKS = '/repos/octocat/Hello-World/hooks';
const guid = expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);

const hookSchema = z.looseObject({
  id: z.number(),
  events: z.array(z.string()),
  active: z.boolean(),
  config: z.record(z.string(), z.string()),
  last_response: z.object({ code: z.number().nullable(), message: z.string().nullable() }).loose(),
});
const itemSchema = z.looseObject({ id: z.number(), guid: z.string(), event: z.string(), status: z.string() });
const problemSchema = z.object({
  message: z.string(),
  errors: z.array(z.looseObject({ message: z.string().optional(), field: z.string().optional() })).optional(),
});

interface Received {
  headers: Headers;
  body: string;
  json: Record<string, unknown>;
}

let context: TestContext;
let hub: Simulator;
let receiver: HttpServer;
let received: Received[];
let answer: () => Served | Promise<Served>;

beforeEach(async () => {
  received = [];
  answer = () => new Response('thanks', { headers: { 'x-seen': 'yes' } });
  receiver = await serve(async (request) => {
    const body = await request.text();
    const isForm = request.headers.get('content-type') === 'application/x-www-form-urlencoded';
    const text = isForm ? (new URLSearchParams(body).get('payload') ?? '') : body;
    received.push({ headers: request.headers, body, json: text.startsWith('{') ? JSON.parse(text) : {} });
    return answer();
  });
  start({});
});

afterEach(() => receiver.close());

function start(registered: Record<string, string>) {
  context = openContext('github', {
    id: 'Iv-test',
    secret: randomBytes(20).toString('hex'),
    redirectUris: [`${receiver.url}/api/oauth/github/callback`],
    settings: registered,
  });
  hub = github(context);
}

const send = async (url: string, init?: RequestInit) => hub.fetch(new Request(url, init));
const happen = async (happening: Happening): Promise<Delivered[]> => (await hub.happen?.(happening)) ?? [];

async function decide(url: string, form: [string, string][]) {
  const body = new URLSearchParams([['decision', 'approve'], ...form]);
  return new URL((await send(url, { method: 'POST', body })).headers.get('location') ?? url).searchParams;
}

async function getToken(scope = 'repo', account = 'octocat'): Promise<string> {
  const { id, secret } = context.client;
  const query = new URLSearchParams({ client_id: id, scope });
  const scopes = scope.split(' ').map((each): [string, string] => ['scopes', each]);
  const url = `https://github.com/login/oauth/authorize?${query}`;
  const code = (await decide(url, [['account', account], ...scopes])).get('code') ?? '';
  const response = await send('https://github.com/login/oauth/access_token', {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams({ client_id: id, client_secret: secret, code }),
  });
  return z.object({ access_token: z.string() }).parse(await response.json()).access_token;
}

const call = (method: string, path: string, token: string, body?: unknown) =>
  send(path.startsWith('https:') ? path : `https://api.github.com${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'user-agent': 'test',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

const revokeGrant = (token: string) =>
  send(`https://api.github.com/applications/${context.client.id}/grant`, {
    method: 'DELETE',
    headers: {
      authorization: `Basic ${btoa(`${context.client.id}:${context.client.secret}`)}`,
      'content-type': 'application/json',
      'user-agent': 'test',
    },
    body: JSON.stringify({ access_token: token }),
  });

const wanted = (more: Record<string, unknown> = {}, config: Record<string, unknown> = {}) => ({
  name: 'web',
  active: true,
  events: ['push', 'pull_request'],
  config: { url: `${receiver.url}/hook`, content_type: 'json', ...config },
  ...more,
});

const make = async (token: string, hook: unknown = wanted(), path = HOOKS) =>
  hookSchema.parse(await (await call('POST', path, token, hook)).json());

const problem = async (response: Response) => {
  const { message, errors = [] } = problemSchema.parse(await response.json());
  return [response.status, message, ...errors.map((error) => error.message ?? error.field)];
};

const items = async (path: string, token: string) =>
  z.array(itemSchema).parse(await (await call('GET', path, token)).json());

/** Waits for what is sent behind an answer. */
const until = (count: number) =>
  vi.waitFor(() => expect(githubDeliveries(context.store)).toHaveLength(count));

const link = (response: Response, rel: string) =>
  new RegExp(`<([^>]+)>; rel="${rel}"`).exec(response.headers.get('link') ?? '')?.[1] ?? '';

test('signs as the documentation does', () => {
  const expected = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  expect(signGithub('Hello, World!', "It's a Secret to Everybody")).toBe(expected);
  expect(signGithub(Buffer.from('Hello, World!'), "It's a Secret to Everybody")).toBe(expected);
});

test('octocat administers three repositories and more if wanted, and may only read a fourth', async () => {
  const token = await getToken();
  const shape = z.array(
    z.object({
      full_name: z.string(),
      archived: z.boolean(),
      permissions: z.looseObject({ admin: z.boolean(), push: z.boolean(), pull: z.literal(true) }),
    }),
  );
  const list = async (query = '') =>
    shape.parse(await (await call('GET', `/user/repos${query}`, token)).json());
  expect((await list()).filter(({ permissions }) => permissions.admin)).toHaveLength(3);
  const others = (await list()).filter(({ permissions }) => !permissions.admin);
  expect(others.map(({ full_name }) => full_name)).toEqual(['octo-guild/handbook']);
  expect(await list('?affiliation=collaborator')).toEqual(others);
  expect(await list('?affiliation=owner')).toHaveLength(3);
  context.store.set('settings.moreRepositories', 120);
  context.store.set('settings.archived', ['octocat/notebook-120']);
  let page = await call('GET', '/user/repos?per_page=100&affiliation=owner&sort=pushed', token);
  expect(shape.parse(await page.json())).toHaveLength(100);
  page = await call('GET', link(page, 'next'), token);
  expect(shape.parse(await page.json())).toHaveLength(23);
  expect(link(page, 'next')).toBe('');
  expect((await list('?per_page=100&type=owner')).filter(({ archived }) => archived)).toHaveLength(0);
  const made = await call('POST', '/repos/octocat/notebook-001/hooks', token, wanted());
  expect(made.status).toBe(201);
  const readOnly = await call('POST', '/repos/octocat/notebook-120/hooks', token, wanted());
  expect(await problem(readOnly)).toEqual([403, 'Repository was archived so is read-only.']);
});

describe('the hooks of a repository', () => {
  test('are made, shown without their secret, and pinged behind the answer', async () => {
    const token = await getToken();
    const secret = randomBytes(16).toString('hex');
    const response = await call('POST', HOOKS, token, wanted({}, { secret }));
    expect(response.status).toBe(201);
    expect(received).toEqual([]);
    const body: unknown = await response.json();
    const hook = hookSchema.parse(body);
    const url = `https://api.github.com${HOOKS}/${hook.id}`;
    expect(response.headers.get('location')).toBe(url);
    expect(response.headers.get('x-accepted-oauth-scopes')).toBe('admin:repo_hook, repo, write:repo_hook');
    expect(body).toEqual({
      type: 'Repository',
      id: hook.id,
      name: 'web',
      active: true,
      events: ['push', 'pull_request'],
      config: {
        url: `${receiver.url}/hook`,
        content_type: 'json',
        insecure_ssl: '0',
        secret: '********',
      },
      updated_at: '2026-11-24T00:00:00Z',
      created_at: '2026-11-24T00:00:00Z',
      url,
      test_url: `${url}/test`,
      ping_url: `${url}/pings`,
      deliveries_url: `${url}/deliveries`,
      last_response: { code: null, status: 'unused', message: null },
    });
    await until(1);
    expect(received[0]?.json).toMatchObject({
      zen: expect.any(String),
      hook_id: hook.id,
      hook: body,
      repository: { id: 1296269, full_name: 'octocat/Hello-World' },
      sender: { login: 'octocat' },
    });
    expect(received[0]?.headers.get('x-github-event')).toBe('ping');
    expect(received[0]?.headers.get('x-hub-signature-256')).toBe(signGithub(received[0]?.body ?? '', secret));
    expect(context.secrets).toContain(secret);
    const again = hookSchema.parse(await (await call('GET', `${HOOKS}/${hook.id}`, token)).json());
    expect(again.last_response).toEqual({ code: 200, status: 'active', message: 'OK' });
    expect((await call('POST', `${HOOKS}/${hook.id}/pings`, token)).status).toBe(204);
    await until(2);
  });

  test('have defaults: a form, pushes, no secret and hence no signature', async () => {
    const hook = await make(await getToken(), { config: { url: `${receiver.url}/hook` } });
    expect(hook).toMatchObject({ events: ['push'], active: true });
    expect(hook.config).toEqual({ url: `${receiver.url}/hook`, content_type: 'form', insecure_ssl: '0' });
    await until(1);
    await happen({ event: 'push' });
    expect(received[1]?.headers.get('content-type')).toBe('application/x-www-form-urlencoded');
    expect(received[1]?.headers.get('x-hub-signature-256')).toBeNull();
    expect(received[1]?.json).toMatchObject({ ref: 'refs/heads/main' });
  });

  test('are listed by pages, changed and deleted', async () => {
    const token = await getToken();
    const first = await make(token, wanted({}, { secret: 'first' }));
    const second = await make(token, wanted({ events: ['star'], active: false }));
    const page = await call('GET', `${HOOKS}?per_page=1`, token);
    expect(z.array(hookSchema).parse(await page.json())).toMatchObject([{ id: first.id }]);
    const rest = z.array(hookSchema).parse(await (await call('GET', link(page, 'next'), token)).json());
    expect(rest).toMatchObject([{ id: second.id }]);

    const change = async (body: unknown) =>
      hookSchema.parse(await (await call('PATCH', `${HOOKS}/${first.id}`, token, body)).json());
    expect((await change({ add_events: ['issues'], remove_events: ['push'] })).events).toEqual([
      'pull_request',
      'issues',
    ]);
    expect(await change({ events: ['release'], active: false })).toMatchObject({
      events: ['release'],
      active: false,
      config: { secret: '********' },
    });
    // Who sends a config without the secret takes it away.
    expect((await change({ config: { url: `${receiver.url}/other` } })).config).not.toHaveProperty('secret');
    expect((await call('DELETE', `${HOOKS}/${first.id}`, token)).status).toBe(204);
    for (const method of ['GET', 'DELETE', 'PATCH']) {
      expect((await call(method, `${HOOKS}/${first.id}`, token)).status).toBe(404);
    }
    expect((await call('GET', `/repos/octocat/Spoon-Knife/hooks/${second.id}`, token)).status).toBe(404);
  });

  test('are for administrators whose token has the scope; to all others they are not there', async () => {
    const status = async (token: string, path: string, method = 'GET') =>
      (await call(method, path, token, method === 'GET' ? undefined : wanted())).status;
    const wide = await getToken();
    expect(await status(wide, '/repos/octocat/nothing/hooks')).toBe(404);
    expect(await status(wide, '/repos/octo-guild/handbook/hooks')).toBe(404);
    expect(await status(wide, '/repos/octo-org/roadmap/hooks')).toBe(404);
    expect(await status(await getToken('repo', 'hubot'), HOOKS)).toBe(404);
    expect(await status(await getToken('public_repo read:user'), HOOKS, 'POST')).toBe(404);
    const reader = await getToken('read:repo_hook');
    expect(await status(reader, HOOKS)).toBe(200);
    expect(await status(reader, HOOKS, 'POST')).toBe(404);
    const writer = await getToken('write:repo_hook');
    expect(await status(writer, '/repos/octocat/launch-plans/hooks', 'POST')).toBe(201);
    const { id } = await make(writer);
    expect((await call('DELETE', `${HOOKS}/${id}`, writer)).status).toBe(404);
    expect((await call('DELETE', `${HOOKS}/${id}`, await getToken('admin:repo_hook'))).status).toBe(204);
  });

  test('are refused with what is wrong about them', async () => {
    const token = await getToken();
    const refusal = async (hook: unknown) => problem(await call('POST', HOOKS, token, hook));
    const failed = (...errors: string[]) => [422, 'Validation Failed', ...errors];
    expect(await refusal({})).toEqual(failed('Config must contain URL for webhooks'));
    expect(await refusal(wanted({ name: 'slack' }))).toEqual(failed('name'));
    for (const url of ['ftp://a.example/', 'hooks', 'https://a.example/"', 'https://a.example/a b']) {
      expect(await refusal(wanted({}, { url }))).toEqual(
        failed(expect.stringContaining("The URL you've entered is not valid")),
      );
    }
    expect(await refusal(wanted({ events: ['pushes'] }))).toEqual(failed('events'));
    expect(await refusal(wanted({ events: [] }))).toEqual(failed('events'));
    expect(await refusal(wanted({ events: ['installation'] }))).toEqual(failed('events'));
    expect(await refusal(wanted({}, { content_type: 'xml' }))).toEqual(failed('config'));
    expect(await refusal(wanted({}, { insecure_ssl: '2' }))).toEqual(failed('config'));
    expect(await refusal(wanted({ events: null }))).toEqual([422, 'Invalid request.']);
    expect(await refusal(wanted({ event: 'push' }))).toEqual([422, 'Invalid request.']);
    expect((await call('GET', `${HOOKS}?limit=1`, token)).status).toBe(422);
    expect(githubDeliveries(context.store)).toEqual([]);
  });

  test('do not overlap: neither at one URL, nor more than twenty for an event', async () => {
    const token = await getToken();
    const exists = [422, 'Validation Failed', 'Hook already exists on this repository'];
    const attempt = (hook: unknown) => call('POST', HOOKS, token, hook);
    await make(token, wanted({ active: false }));
    expect(await problem(await attempt(wanted({ events: ['push'] }, { secret: 'other' })))).toEqual(exists);
    expect(await problem(await attempt(wanted({ events: ['*'] })))).toEqual(exists);
    const other = await make(token, wanted({ events: ['star'], active: false }));
    const change = await call('PATCH', `${HOOKS}/${other.id}`, token, { add_events: ['push'] });
    expect(await problem(change)).toEqual(exists);
    for (let index = 1; index < 20; index++) {
      await make(token, wanted({ active: false }, { url: `${receiver.url}/${index}` }));
    }
    const full = ['push', 'pull_request'].map(
      (event) => `The "${event}" event cannot have more than 20 hooks`,
    );
    const late = wanted({}, { url: `${receiver.url}/late` });
    expect(await problem(await attempt(late))).toEqual([422, 'Validation Failed', ...full]);
    expect((await attempt({ ...late, events: ['release'] })).status).toBe(201);
  });

  test('cannot be made faster than content may be created', async () => {
    context.store.set('settings.contentLimit', 1);
    const token = await getToken();
    await make(token);
    const response = await call('POST', '/repos/octocat/Spoon-Knife/hooks', token, wanted());
    expect(response.status).toBe(403);
    expect(response.headers.get('retry-after')).toBe('60');
    expect(response.headers.get('x-ratelimit-remaining')).not.toBe('0');
    context.clock += 60_000;
    await make(token, wanted(), '/repos/octocat/Spoon-Knife/hooks');
  });

  test('outlive the grant they were made with', async () => {
    const token = await getToken();
    await make(token);
    const revoked = await revokeGrant(token);
    expect(revoked.status).toBe(204);
    expect((await call('GET', HOOKS, token)).status).toBe(401);
    expect(await happen({ event: 'push' })).toHaveLength(1);
    expect(z.array(hookSchema).parse(await (await call('GET', HOOKS, await getToken())).json())).toHaveLength(
      1,
    );
  });
});

describe('what happens in a repository', () => {
  test('is told to the hooks that asked for it, with one GUID, signed both ways', async () => {
    const token = await getToken();
    const secret = randomBytes(16).toString('hex');
    const hook = await make(token, wanted({}, { secret }));
    await make(token, wanted({ events: ['*'] }, { url: `${receiver.url}/all` }));
    await make(token, wanted({ events: ['push'], active: false }, { url: `${receiver.url}/off` }));
    await make(token, wanted({}, { url: `${receiver.url}/else` }), '/repos/octocat/Spoon-Knife/hooks');
    await until(3);
    received.length = 0;
    const sent = await happen({ event: 'pull_request', repository: 'octocat/hello-world' });
    expect(sent.map(({ url, status }) => [url, status])).toEqual([
      [`${receiver.url}/hook`, 200],
      [`${receiver.url}/all`, 200],
    ]);
    expect(sent[0]?.id).toEqual(guid);
    expect(sent[1]?.id).toBe(sent[0]?.id);
    const { headers, body, json } =
      received.find((each) => each.headers.has('x-hub-signature')) ?? expect.unreachable();
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^GitHub-Hookshot\/[\da-f]{7}$/),
      'x-github-event': 'pull_request',
      'x-github-delivery': sent[0]?.id,
      'x-github-hook-id': String(hook.id),
      'x-github-hook-installation-target-id': '1296269',
      'x-github-hook-installation-target-type': 'repository',
      'x-hub-signature': `sha1=${createHmac('sha1', secret).update(body).digest('hex')}`,
      'x-hub-signature-256': signGithub(body, secret),
    });
    expect(json).toMatchObject({
      action: 'opened',
      number: 1349,
      pull_request: {
        number: 1349,
        state: 'open',
        merged: false,
        draft: false,
        base: { ref: 'main', repo: { full_name: 'octocat/Hello-World' } },
        user: { login: 'octocat' },
      },
      repository: { id: 1296269, full_name: 'octocat/Hello-World' },
      sender: { login: 'octocat', id: 583231 },
    });
    expect(json).not.toHaveProperty('installation');
    expect(body).not.toContain('"permissions"');
    expect(await happen({ event: 'release' })).toHaveLength(1);
    expect(await happen({ event: 'push', account: 'hubot' })).toEqual([]);
  });

  test.each<[Happening, Record<string, unknown>]>([
    [
      { event: 'push', ref: 'refs/heads/next' },
      {
        ref: 'refs/heads/next',
        before: expect.stringMatching(/^[\da-f]{40}$/),
        after: expect.stringMatching(/^[\da-f]{40}$/),
        created: false,
        deleted: false,
        forced: false,
        base_ref: null,
        compare: expect.stringContaining('https://github.com/octocat/Hello-World/compare/'),
        commits: [expect.objectContaining({ message: expect.any(String) })],
        head_commit: { author: { username: 'octocat' } },
        pusher: { name: 'octocat' },
        repository: { master_branch: 'main', pushed_at: Date.UTC(2026, 10, 24) / 1000 },
      },
    ],
    [
      { event: 'pull_request', action: 'closed' },
      { action: 'closed', pull_request: { state: 'closed', merged: true, merged_by: { login: 'octocat' } } },
    ],
    [
      { event: 'deployment_status', state: 'failure' },
      {
        action: 'created',
        deployment_status: { state: 'failure', environment: 'production' },
        deployment: { ref: 'main', task: 'deploy', environment: 'production' },
      },
    ],
    [
      { event: 'workflow_run', conclusion: 'failure' },
      {
        action: 'completed',
        workflow_run: { name: 'CI', head_branch: 'main', status: 'completed', conclusion: 'failure' },
        workflow: { name: 'CI', path: '.github/workflows/ci.yml' },
      },
    ],
    [
      { event: 'workflow_run', action: 'requested' },
      { action: 'requested', workflow_run: { status: 'queued', conclusion: null } },
    ],
    [{ event: 'issues' }, { action: 'opened', issue: { state: 'open', user: { login: 'octocat' } } }],
    [{ event: 'star' }, { action: 'created', starred_at: '2026-11-24T00:00:00Z' }],
    [
      { event: 'star', action: 'deleted' },
      { action: 'deleted', starred_at: null },
    ],
    [
      { event: 'release', action: 'published' },
      { action: 'published', sender: { login: 'octocat' } },
    ],
    [{ event: 'ping' }, { zen: expect.any(String), hook: { type: 'Repository' } }],
  ])('has the documented keys: %o', async (happening, expected) => {
    await make(await getToken(), wanted({ events: ['*'] }));
    await until(1);
    expect(await happen(happening)).toHaveLength(1);
    expect(received[1]?.headers.get('x-github-event')).toBe(happening.event);
    expect(received[1]?.json).toMatchObject(expected);
    expect('action' in (received[1]?.json ?? {})).toBe('action' in expected);
  });

  test('is told as a test wants it, byte for byte and under its GUID', async () => {
    const secret = randomBytes(16).toString('hex');
    await make(await getToken(), wanted({}, { secret }));
    await until(1);
    const delivery = randomUUID();
    const payload = '{ "ref":  "é" }\n';
    expect(await happen({ event: 'push', payload, delivery })).toEqual([
      { url: `${receiver.url}/hook`, id: delivery, status: 200 },
    ]);
    expect(received[1]?.body).toBe(payload);
    expect(received[1]?.headers.get('x-hub-signature-256')).toBe(signGithub(payload, secret));
    expect(await happen({ event: 'push', payload: 'x'.repeat(25_000_001) })).toEqual([]);
    expect(await happen({ event: 'deployment_status', state: 'inactive' })).toEqual([]);
    await expect(happen({ event: 'pushed' })).rejects.toThrow();
    await expect(happen({ event: 'push', repo: 'x' })).rejects.toThrow();
    await expect(happen({ event: 'push', repository: 'octocat/nothing' })).rejects.toThrow(
      'no such repository',
    );
    expect(await happen({ event: 'installation', action: 'created' })).toEqual([]);
  });
});

describe('deliveries', () => {
  test('are recorded, never repeated, and repeated on demand under the same GUID', async () => {
    const token = await getToken();
    const hook = await make(token);
    await until(1);
    answer = () => new Response('no', { status: 500 });
    const [sent] = await happen({ event: 'push' });
    answer = () => Response.redirect(`${receiver.url}/elsewhere`, 302);
    await happen({ event: 'push' });
    answer = () => 'drop';
    expect(await happen({ event: 'push' })).toMatchObject([{ status: 'no answer' }]);
    answer = () => new Promise(() => undefined);
    context.store.set('settings.hookTimeout', 50);
    expect(await happen({ event: 'pull_request' })).toMatchObject([{ status: 'no answer' }]);
    expect(received).toHaveLength(5);

    const path = `${HOOKS}/${hook.id}/deliveries`;
    const all = await items(path, token);
    expect(all.map(({ event, status, status_code }) => [event, status, status_code])).toEqual([
      ['pull_request', 'timed out', 504],
      ['push', 'failed to connect to host', 502],
      ['push', 'Invalid HTTP Response: 302', 302],
      ['push', 'Invalid HTTP Response: 500', 500],
      ['ping', 'OK', 200],
    ]);
    expect((await items(`${path}?status=failure`, token)).map(({ status_code }) => status_code)).toEqual([
      504, 502, 500,
    ]);
    expect((await items(`${path}?status=success`, token)).map(({ status_code }) => status_code)).toEqual([
      302, 200,
    ]);

    const failed = all[3]?.id ?? 0;
    expect(await (await call('GET', `${path}/${failed}`, token)).json()).toEqual({
      id: failed,
      guid: sent?.id,
      delivered_at: '2026-11-24T00:00:00Z',
      redelivery: false,
      duration: expect.any(Number),
      status: 'Invalid HTTP Response: 500',
      status_code: 500,
      event: 'push',
      action: null,
      installation_id: null,
      repository_id: 1296269,
      throttled_at: null,
      url: `${receiver.url}/hook`,
      request: {
        headers: expect.objectContaining({ 'X-GitHub-Event': 'push', 'X-GitHub-Delivery': sent?.id }),
        payload: received[1]?.json,
      },
      response: { headers: expect.objectContaining({ connection: expect.any(String) }), payload: 'no' },
    });

    answer = () => new Response();
    const attempt = await call('POST', `${path}/${failed}/attempts`, token);
    expect(attempt.status).toBe(202);
    await until(6);
    expect(received[5]?.body).toBe(received[1]?.body);
    expect(received[5]?.headers.get('x-github-delivery')).toBe(sent?.id);
    expect((await items(path, token))[0]).toMatchObject({ guid: sent?.id, redelivery: true, status: 'OK' });
    context.clock += 3 * 86_400_000;
    expect(await items(path, token)).toEqual([]);
    expect((await call('POST', `${path}/${failed}/attempts`, token)).status).toBe(404);
  });

  test('come by cursor', async () => {
    const token = await getToken();
    const hook = await make(token);
    await until(1);
    for (let index = 0; index < 4; index++) await happen({ event: 'push' });
    const path = `${HOOKS}/${hook.id}/deliveries`;
    const ids = (await items(path, token)).map(({ id }) => id);
    const pages: number[][] = [];
    let at = `${path}?per_page=2`;
    let last = at;
    while (at) {
      const page = await call('GET', at, token);
      pages.push(
        z
          .array(itemSchema)
          .parse(await page.json())
          .map(({ id }) => id),
      );
      last = link(page, 'prev');
      at = link(page, 'next');
      if (at) expect(at).toMatch(/cursor=v1_\d+$/);
    }
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    expect((await items(last, token)).map(({ id }) => id)).toEqual(pages[1]);
    expect((await call('GET', `${path}?cursor=2`, token)).status).toBe(400);
    expect((await call('GET', `${path}?page=2`, token)).status).toBe(422);
    expect((await call('GET', `${path}?per_page=101`, token)).status).toBe(422);
    expect((await call('GET', `${path}/1`, token)).status).toBe(404);
  });
});

describe('the webhook of an App', () => {
  const key = createPrivateKey(settings.APP_PRIVATE_KEY ?? '');
  const secret = settings.APP_WEBHOOK_SECRET ?? '';
  const DELIVERIES = '/app/hook/deliveries';

  beforeEach(() => start(settings));

  function jwt() {
    const seconds = Math.floor(context.clock / 1000);
    const claims = { iss: context.client.id, iat: seconds - 60, exp: seconds + 540 };
    return new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(key);
  }
  const asApp = async (method: string, path: string, body?: unknown) => call(method, path, await jwt(), body);
  const installationOf = (account: string) =>
    githubInstallations(context.store).findLast((each) => each.account === account);

  test('hears of subscribed events where the App is installed, and which installation it was', async () => {
    const [sent] = await happen({ event: 'push', account: 'hubot' });
    const installation = installationOf('hubot')?.id;
    expect(sent).toEqual({ url: `${receiver.url}/api/webhooks/github`, id: guid, status: 200 });
    const { headers, body, json } = received[0] ?? expect.unreachable();
    expect(headers.get('x-hub-signature-256')).toBe(signGithub(body, secret));
    expect(headers.get('x-github-hook-installation-target-id')).toBe(settings.APP_ID);
    expect(headers.get('x-github-hook-installation-target-type')).toBe('integration');
    expect(json).toMatchObject({
      installation: { id: installation, node_id: expect.any(String) },
      repository: { full_name: 'hubot/scripts' },
      sender: { login: 'hubot' },
    });
    expect(await items(DELIVERIES, await jwt())).toMatchObject([
      { event: 'push', installation_id: installation, repository_id: 2100001, action: null },
    ]);

    expect(await happen({ event: 'star' })).toEqual([]);
    context.store.set('settings.appEvents', ['star']);
    expect(await happen({ event: 'star' })).toHaveLength(1);
    expect(await happen({ event: 'push' })).toEqual([]);
    expect(await happen({ event: 'star', account: 'octo-org' })).toEqual([]);
    context.store.set('settings.notInstalled', ['octocat']);
    expect(await happen({ event: 'star' })).toEqual([]);
  });

  test('is pinged as itself', async () => {
    expect(await happen({ event: 'ping' })).toHaveLength(1);
    expect(received[0]?.json).toMatchObject({
      zen: expect.any(String),
      hook: { type: 'App', app_id: Number(settings.APP_ID), config: { secret: '********' } },
    });
    expect(await happen({ event: 'ping', repository: 'octocat/Hello-World' })).toEqual([]);
  });

  test('hears that it was suspended and let go on, uninstalled and installed anew', async () => {
    const standing = installationOf('octocat')?.id;
    const act = async (action: string) => {
      received.length = 0;
      expect(await happen({ event: 'installation', action })).toHaveLength(1);
      const { json } = received[0] ?? expect.unreachable();
      expect(json).toMatchObject({ action, sender: { login: 'octocat' } });
      return z
        .object({
          installation: z.looseObject({ id: z.number(), suspended_at: z.string().nullable() }),
          repositories: z.array(
            z.strictObject({
              id: z.number(),
              node_id: z.string(),
              name: z.string(),
              full_name: z.string(),
              private: z.boolean(),
            }),
          ),
        })
        .parse(json);
    };
    const suspended = await act('suspend');
    expect(suspended.installation).toMatchObject({ id: standing, suspended_at: '2026-11-24T00:00:00Z' });
    expect(suspended.repositories).toHaveLength(3);
    expect(installationOf('octocat')?.suspended).toBe(true);
    expect(await happen({ event: 'push' })).toEqual([]);
    expect((await act('unsuspend')).installation.suspended_at).toBeNull();
    expect((await act('new_permissions_accepted')).installation.id).toBe(standing);
    expect((await act('deleted')).installation.id).toBe(standing);
    expect((await act('deleted')).installation.id).toBe(standing);
    expect(installationOf('octocat')?.installed).toBe(false);
    expect(await happen({ event: 'push' })).toEqual([]);
    expect((await act('created')).installation.id).not.toBe(standing);
    expect(await happen({ event: 'push' })).toHaveLength(1);
    await expect(happen({ event: 'installation', action: 'gone' })).rejects.toThrow();
  });

  test('hears which repositories were opened and closed to it, but not from all to some', async () => {
    const repository = 'octocat/launch-plans';
    const change = async (action: string) => {
      received.length = 0;
      await happen({ event: 'installation_repositories', action, repository });
      return received[0]?.json;
    };
    const named = [expect.objectContaining({ full_name: repository, private: true })];
    const said = (selection: string, added: unknown[], removed: unknown[]) => ({
      installation: { id: installationOf('octocat')?.id },
      repository_selection: selection,
      repositories_added: added,
      repositories_removed: removed,
    });
    expect(await change('removed')).toMatchObject(said('selected', [], []));
    expect(await happen({ event: 'push', repository })).toEqual([]);
    expect(await change('added')).toMatchObject(said('selected', named, []));
    expect(await happen({ event: 'push', repository })).toHaveLength(1);
    expect(await change('removed')).toMatchObject(said('selected', [], named));
  });

  test('hears who has withdrawn the authorization, and nothing else', async () => {
    const token = await getToken();
    expect(await happen({ event: 'github_app_authorization' })).toHaveLength(1);
    expect(Object.keys(received[0]?.json ?? {})).toEqual(['action', 'sender']);
    expect(received[0]?.json).toMatchObject({ action: 'revoked', sender: { login: 'octocat', id: 583231 } });
    expect((await call('GET', '/user', token)).status).toBe(401);
    expect(githubTokens(context.store)).toMatchObject([{ alive: false }]);
    await revokeGrant(await getToken());
    await until(2);
    expect(received[1]?.json).toEqual(received[0]?.json);
    expect(installationOf('octocat')?.installed).toBe(true);
  });

  test('hears of what is done on the pages and through the API, behind the answer', async () => {
    const url = 'https://github.com/apps/reeve-local/installations/new';
    const choose = (...names: string[]) =>
      decide(url, [
        ['account', 'octocat on octo-org'],
        ...names.map((name): [string, string] => ['scopes', name]),
      ]);
    await choose();
    await until(1);
    await choose('octo-org/rockets');
    await until(2);
    await choose('octo-org/roadmap');
    await until(4);
    const path = `/app/installations/${installationOf('octo-org')?.id}`;
    await asApp('PUT', `${path}/suspended`);
    await until(5);
    await asApp('DELETE', `${path}/suspended`);
    await until(6);
    await asApp('DELETE', path);
    await until(7);
    expect(received.map(({ headers, json }) => [headers.get('x-github-event'), json.action])).toEqual([
      ['installation', 'created'],
      ['installation_repositories', 'removed'],
      ['installation_repositories', 'added'],
      ['installation_repositories', 'removed'],
      ['installation', 'suspend'],
      ['installation', 'unsuspend'],
      ['installation', 'deleted'],
    ]);
    expect(received[0]?.json).toMatchObject({
      organization: { login: 'octo-org' },
      sender: { login: 'octocat' },
    });
  });

  test('is configured and its deliveries are read and repeated by the App as itself', async () => {
    const config = async (method: string, body?: unknown) =>
      (await asApp(method, '/app/hook/config', body)).json();
    const before = {
      url: `${receiver.url}/api/webhooks/github`,
      content_type: 'json',
      insecure_ssl: '0',
      secret: '********',
    };
    expect(await config('GET')).toEqual(before);
    answer = () => new Response('', { status: 503 });
    const [sent] = await happen({ event: 'push' });
    answer = () => new Response();
    const [failed] = await items(`${DELIVERIES}?status=failure&per_page=1`, await jwt());
    expect(failed).toMatchObject({ guid: sent?.id, status_code: 503 });
    expect(await (await asApp('GET', `${DELIVERIES}/${failed?.id}`)).json()).toMatchObject({
      request: { payload: received[0]?.json },
    });
    expect((await asApp('POST', `${DELIVERIES}/${failed?.id}/attempts`)).status).toBe(202);
    await until(2);
    expect(received[1]?.headers.get('x-github-delivery')).toBe(sent?.id);
    const other = randomBytes(16).toString('hex');
    expect(await config('PATCH', { url: `${receiver.url}/other`, secret: other })).toEqual({
      ...before,
      url: `${receiver.url}/other`,
    });
    await happen({ event: 'push' });
    expect(received[2]?.headers.get('x-hub-signature-256')).toBe(signGithub(received[2]?.body ?? '', other));
    const token = await getToken();
    expect((await call('GET', DELIVERIES, token)).status).toBe(401);
    expect(await problem(await call('GET', HOOKS, token))).toEqual([
      403,
      'Resource not accessible by integration',
    ]);
    expect((await call('GET', '/repos/octo-org/roadmap/hooks', token)).status).toBe(404);
  });
});

test("GitHub's own client gets along with the hooks", async () => {
  // The client pages by the URL that an answer came from, which only a fetched one has.
  const fetch = async (url: string, init: RequestInit) =>
    Object.defineProperty(await send(url, init), 'url', { value: url });
  const octokit = new Octokit({ auth: await getToken(), request: { fetch } });
  const at = { owner: 'octocat', repo: 'Hello-World' };
  const { data: hook } = await octokit.rest.repos.createWebhook({
    ...at,
    events: ['push'],
    config: { url: `${receiver.url}/hook`, content_type: 'json', secret: 'shh' },
  });
  await until(1);
  await octokit.rest.repos.pingWebhook({ ...at, hook_id: hook.id });
  await until(2);
  const hooks = await octokit.paginate(octokit.rest.repos.listWebhooks, { ...at, per_page: 1 });
  expect(hooks.map(({ id }) => id)).toEqual([hook.id]);
  const list = { ...at, hook_id: hook.id, per_page: 1 };
  const deliveries = await octokit.paginate(octokit.rest.repos.listWebhookDeliveries, list);
  expect(deliveries.map(({ event }) => event)).toEqual(['ping', 'ping']);
  const again = { ...at, hook_id: hook.id, delivery_id: Number(deliveries[0]?.id) };
  expect((await octokit.rest.repos.redeliverWebhookDelivery(again)).status).toBe(202);
  await until(3);
  expect((await octokit.rest.repos.deleteWebhook({ ...at, hook_id: hook.id })).status).toBe(204);
});

test('remembers hooks and deliveries across a restart', async () => {
  const token = await getToken();
  const hook = await make(token);
  await until(1);
  hub = github(context);
  expect(await items(`${HOOKS}/${hook.id}/deliveries`, token)).toHaveLength(1);
  expect(await happen({ event: 'push' })).toHaveLength(1);
});
