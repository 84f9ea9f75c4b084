import { beforeEach, describe, expect, test } from 'vitest';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { IssuedKey, Simulator } from '../simulator.ts';
import { FILES } from './figma/documents.ts';
import { figma } from './figma.ts';

const DAY = 86_400_000;
const [FILE = ''] = FILES.keys();

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('figma');
  simulator = figma(context);
});

const issue = (options?: Record<string, string>) => keyOf(simulator, options);

const get = async (path: string, headers: Record<string, string>) =>
  simulator.fetch(new Request(`https://api.figma.com${path}`, { headers }));
const call = (key: IssuedKey, path: string) => get(path, { 'x-figma-token': key.api_key });

test('answers at api.figma.com alone', () => {
  const hosts = ['api.figma.com', 'www.figma.com', 'api.figma.com.evil.example'];
  expect(hosts.filter(simulator.host)).toEqual(['api.figma.com']);
});

test('tokens have the prefix of their kind and pass through the leak test’s ear', () => {
  const keys = [issue(), issue({ kind: 'plan' })];
  expect(keys[0]?.api_key).toMatch(/^figd_[\w-]{40}$/);
  expect(keys[1]?.api_key).toMatch(/^figp_[\w=-]{40,54}$/);
  expect(keys.every(({ api_key }) => context.secrets.has(api_key))).toBe(true);
});

describe('who calls', () => {
  test('is shown by /v1/me', async () => {
    const key = issue();
    const body: unknown = await (await call(key, '/v1/me')).json();
    expect(body).toEqual({
      ...key.account,
      name: undefined,
      handle: 'Ada Designer',
      email: 'ada.designer@acme.example',
      img_url: expect.any(String),
    });
  });

  test('stands in X-Figma-Token; none, an unknown, or one as Bearer is 403 Invalid token', async () => {
    const key = issue();
    const refused = { status: 403, err: 'Invalid token' };
    for (const headers of [{}, { 'x-figma-token': 'nobody' }, { authorization: `Bearer ${key.api_key}` }]) {
      const response = await get('/v1/me', headers);
      expect(response.status).toBe(403);
      expect(await response.json()).toEqual(refused);
    }
  });

  test('is nobody after 90 days, and for a plan after a year', async () => {
    const personal = issue();
    const plan = issue({ kind: 'plan' });
    const folders = `/v2/teams/${plan.config.team_id}/folders`;
    context.clock += 90 * DAY - 1;
    expect((await call(personal, '/v1/me')).status).toBe(200);
    context.clock += 1;
    expect((await call(personal, '/v1/me')).status).toBe(403);
    expect((await call(plan, folders)).status).toBe(200);
    context.clock += 275 * DAY;
    expect((await call(plan, folders)).status).toBe(403);
  });

  test('is not a plan’s token', async () => {
    expect((await call(issue({ kind: 'plan' }), '/v1/me')).status).toBe(403);
  });
});

test('a missing scope is named, after those the token has', async () => {
  const response = await call(issue({ scopes: 'file_content:read,folders:read' }), '/v1/me');
  expect(response.status).toBe(403);
  expect(await response.json()).toEqual({
    status: 403,
    err: 'Invalid scope(s): file_content:read, folders:read. This endpoint requires the current_user:read scope',
  });
});

test('files, versions, components and folders are those of the token’s team', async () => {
  const key = issue();
  const other = issue({ team: 'globex' });
  for (const path of [
    `/v1/files/${FILE}?depth=1`,
    `/v1/files/${FILE}/meta`,
    `/v1/files/${FILE}/versions?page_size=10`,
    `/v1/files/${FILE}/components`,
    '/v1/teams/900000000000000001/components?page_size=5',
    '/v2/teams/900000000000000001/folders',
    '/v2/folders/70001/files',
  ]) {
    expect((await call(key, path)).status, path).toBe(200);
    const refused = await call(other, path);
    expect(await refused.json(), path).toEqual({ status: 404, err: 'Not found' });
  }
});

test('unknown parameters are refused', async () => {
  const key = issue();
  for (const path of ['/v1/me?x=1', `/v1/files/${FILE}?deep=1`, '/v2/teams/abc/folders']) {
    const response = await call(key, path);
    expect(response.status, path).toBe(400);
    expect(await response.json()).toMatchObject({ status: 400, error: true });
  }
});

test('a seat that only views reads six files a month', async () => {
  const key = issue({ seat: 'view' });
  for (let count = 0; count < 6; count += 1) {
    expect((await call(key, `/v1/files/${FILE}`)).status).toBe(200);
  }
  const limited = await call(key, `/v1/files/${FILE}`);
  expect(limited.status).toBe(429);
  expect(await limited.json()).toEqual({ status: 429, err: 'Rate limit exceeded' });
  expect(limited.headers.get('x-figma-rate-limit-type')).toBe('low');
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(60);
  expect((await call(key, '/v1/me')).status).toBe(200);
});
