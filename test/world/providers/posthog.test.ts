import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { deletePostHogKey, posthog } from './posthog.ts';

const errorSchema = z.strictObject({
  type: z.string(),
  code: z.string(),
  detail: z.string(),
  attr: z.string().nullable(),
});

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('posthog');
  simulator = posthog(context);
});

function issue(options?: Record<string, string>) {
  const issued = keyOf(simulator, options);
  return { ...issued, path: `/api/projects/${issued.config.project_id}/` };
}

async function call(key: string, path: string, init: RequestInit = {}, host = 'us.posthog.com') {
  const headers = { ...(key !== '' && { authorization: `Bearer ${key}` }), ...init.headers };
  return simulator.fetch(new Request(`https://${host}${path}`, { redirect: 'manual', ...init, headers }));
}

const post = (key: string, path: string, body: unknown, type = 'application/json') =>
  call(key, path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': type } });

async function refusal(response: Response, status: number) {
  expect(response.status).toBe(status);
  return errorSchema.parse(await response.json());
}

test('answers in both regions and at one installation, and not where events go in', () => {
  const hosts = [
    'us.posthog.com',
    'eu.posthog.com',
    'posthog.acme.example',
    'us.i.posthog.com',
    'posthog.com',
  ];
  expect(hosts.filter(simulator.host)).toEqual(hosts.slice(0, 3));
});

test('keys have the documented forms, and nothing secret is left out', () => {
  const [fresh, legacy] = [issue(), issue({ format: 'legacy' })];
  expect(fresh.api_key).toMatch(/^phx_[A-Za-z0-9]{47}$/);
  expect(fresh.api_key).toHaveLength(51);
  expect(legacy.api_key).toMatch(/^[\w-]{43}$/);
  expect(legacy.account).toEqual(fresh.account);
  for (const key of [fresh, legacy]) expect(context.secrets).toContain(key.api_key);
  expect(() => issue({ region: 'us' })).toThrow();
});

describe('authentication', () => {
  test('refuses no key, a deleted one and one of the other region alike', async () => {
    const { api_key, path } = issue();
    expect(await refusal(await call('', path), 401)).toMatchObject({
      type: 'authentication_error',
      code: 'not_authenticated',
    });
    const expected = {
      type: 'authentication_error',
      code: 'authentication_failed',
      detail: 'Personal API key found in request Authorization header is invalid.',
      attr: null,
    };
    expect(await refusal(await call(api_key, path, {}, 'eu.posthog.com'), 401)).toEqual(expected);
    deletePostHogKey(context.store, api_key);
    expect(await refusal(await call(api_key, path), 401)).toEqual(expected);
  });
});

describe('a project', () => {
  test('is shown to a key with project:read, by its number and as the current one', async () => {
    const { api_key, path, account, config } = issue({ name: 'Acme Shop' });
    for (const each of [path, '/api/projects/@current/']) {
      const response = await call(api_key, each);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({
        id: Number(config.project_id),
        uuid: account.id,
        name: 'Acme Shop',
      });
    }
  });

  test('wants project:read, which to write implies', async () => {
    const { api_key, path } = issue({ scopes: 'query:read' });
    const error = await refusal(await call(api_key, path), 403);
    expect(error).toMatchObject({
      code: 'permission_denied',
      detail: "API key missing required scope 'project:read'",
    });
    expect((await call(issue({ scopes: 'project:write' }).api_key, path)).status).toBe(200);
    expect((await call(issue({ format: 'legacy' }).api_key, path)).status).toBe(200);
  });

  test('is closed to a key of another project, and to all where the organization forbids keys', async () => {
    const { api_key, path } = issue({ projectId: '8', scopedTeams: '7' });
    const error = await refusal(await call(api_key, path), 403);
    expect(error.detail).toBe('API key does not have access to the requested project: ID 8.');
    const forbidden = issue({ organizationForbids: 'true' });
    const refused = await refusal(await call(forbidden.api_key, forbidden.path), 403);
    expect(refused.detail).toContain('does not allow using personal API keys');
  });

  test('that is not there is a 404', async () => {
    const error = await refusal(await call(issue().api_key, '/api/projects/1/'), 404);
    expect(error).toMatchObject({ type: 'invalid_request', code: 'not_found' });
  });
});

test('a path without its slash is a redirect', async () => {
  const { api_key, path } = issue();
  const response = await call(api_key, path.slice(0, -1));
  expect(response.status).toBe(301);
  expect(response.headers.get('location')).toBe(path);
  await refusal(await post(api_key, `${path}query`, {}), 404);
});

test('a key tells its own scopes, whatever they are', async () => {
  const { api_key } = issue({ scopes: 'insight:read', projectId: '7', scopedTeams: '7' });
  const body = await (await call(api_key, '/api/personal_api_keys/@current/')).json();
  expect(body).toMatchObject({ scopes: ['insight:read'], scoped_teams: [7], scoped_organizations: null });
  await refusal(await call(api_key, '/api/personal_api_keys/@current/', { method: 'DELETE' }), 403);
  await refusal(await call(api_key, '/api/users/@me/'), 403);
  expect((await call(issue({ scopes: 'user:read' }).api_key, '/api/users/@me/')).status).toBe(200);
});

test('lists and queries want their scope and their form', async () => {
  const { api_key, path } = issue();
  expect(await (await call(api_key, `${path}feature_flags/?limit=5`)).json()).toMatchObject({ results: [] });
  expect((await refusal(await call(api_key, `${path}feature_flags/?page=2`), 400)).attr).toBe('page');
  const query = { query: { kind: 'HogQLQuery', query: 'select 1' } };
  expect((await post(api_key, `${path}query/`, query)).status).toBe(200);
  await refusal(await post(api_key, `${path}query/`, query, 'text/plain'), 415);
  await refusal(await post(api_key, `${path}query/`, { query: 'select 1' }), 400);
  await refusal(await post(issue({ scopes: 'project:read' }).api_key, `${path}query/`, query), 403);
});

test('a leaked key that is reported is gone, in its own region', async () => {
  const { api_key, path } = issue();
  const report = (host: string) =>
    call(
      '',
      '/api/revoke_leaked_key',
      {
        method: 'POST',
        body: JSON.stringify({ token: api_key }),
        headers: { 'content-type': 'application/json' },
      },
      host,
    );
  expect(await (await report('eu.posthog.com')).json()).toEqual({ found: false, type: null });
  expect((await call(api_key, path)).status).toBe(200);
  expect(await (await report('us.posthog.com')).json()).toEqual({ found: true, type: 'personal_api_key' });
  await refusal(await call(api_key, path), 401);
  await refusal(await post('', '/api/revoke_leaked_key', {}), 400);
});

test('calls beyond the limit are told when to come back', async () => {
  const { api_key, path } = issue();
  context.store.set('settings.rateLimit', 1);
  context.clock += 20_000;
  expect((await call(api_key, path)).status).toBe(200);
  const response = await call(api_key, path);
  expect(response.headers.get('retry-after')).toBe('40');
  expect(await refusal(response, 429)).toMatchObject({ type: 'throttled_error', code: 'throttled' });
});
