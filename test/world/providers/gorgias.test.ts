import { beforeEach, describe, expect, test } from 'vitest';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { IssuedKey, Simulator } from '../simulator.ts';
import { gorgias } from './gorgias.ts';

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('gorgias');
  simulator = gorgias(context);
});

const issue = (options?: Record<string, string>) => keyOf(simulator, options);

const call = async ({ api_key, config }: IssuedKey, path: string, init: RequestInit = {}) => {
  const authorization = `Basic ${btoa(`${config.email}:${api_key}`)}`;
  const url = `https://${config.domain}.gorgias.com/api/${path}`;
  return simulator.fetch(new Request(url, { ...init, headers: { authorization, ...init.headers } }));
};

const refused = (msg: unknown, data?: unknown) => ({ error: { msg, ...(data !== undefined && { data }) } });

test('answers at one label under gorgias.com and nowhere else', () => {
  const hosts = ['acme.gorgias.com', 'gorgias.com', 'a.b.gorgias.com', 'acme.gorgias.com.evil.example'];
  expect(hosts.filter(simulator.host)).toEqual(['acme.gorgias.com']);
});

test('the account has a domain and a status, and neither number nor name', async () => {
  const response = await call(issue(), 'account');
  expect(response.status).toBe(200);
  const body: unknown = await response.json();
  expect(body).toMatchObject({ domain: 'acme', deactivated_datetime: null, status: { status: 'active' } });
  expect(body).not.toHaveProperty('id');
  expect(body).not.toHaveProperty('name');
});

describe('keys', () => {
  test('pass through the leak test’s ear, and a new one ends the one before', async () => {
    const first = issue();
    const second = issue();
    expect(context.secrets).toEqual(new Set([first.api_key, second.api_key]));
    expect((await call(first, 'account')).status).toBe(401);
    expect((await call(second, 'account')).status).toBe(200);
  });

  test('belong to one user of one helpdesk', async () => {
    const key = issue();
    for (const bend of [{ domain: 'globex' }, { email: 'other@acme.example' }]) {
      const response = await call({ ...key, config: { ...key.config, ...bend } }, 'account');
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual(refused(expect.stringContaining('401 Unauthorized')));
    }
  });

  test.each(['', 'Basic', 'Bearer abc', 'Basic !!!'])('are not found in %o', async (authorization) => {
    expect((await call(issue(), 'account', { headers: { authorization } })).status).toBe(401);
  });

  test('act with the rights of their user’s role', async () => {
    const key = issue({ account: 'false' });
    expect((await call(key, 'account')).status).toBe(403);
    expect((await call(key, 'tickets')).status).toBe(200);
  });
});

test('unknown parameters and odd values are refused', async () => {
  const key = issue();
  const unknown = await call(key, 'account?expand=1');
  expect(unknown.status).toBe(400);
  expect(await unknown.json()).toEqual(refused(expect.any(String), { expand: ['Unknown field.'] }));
  expect((await call(key, 'tickets?status=open')).status).toBe(400);
  expect((await call(key, 'tickets?limit=101')).status).toBe(400);
  expect((await call(key, 'tickets?order_by=id:asc')).status).toBe(400);
  expect((await call(key, 'nothing')).status).toBe(404);
});

test('lists go by cursor', async () => {
  const key = issue();
  const first = await (await call(key, 'tickets?limit=2&trashed=false')).json<{
    data: unknown[];
    meta: { next_cursor: string };
  }>();
  expect(first.data).toHaveLength(2);
  const second = await (await call(key, `tickets?limit=2&cursor=${first.meta.next_cursor}`)).json();
  expect(second).toMatchObject({ object: 'list', data: [{ id: 1003 }], meta: { next_cursor: null } });
});

test('statistics want JSON and a whole query', async () => {
  const key = issue();
  const query = { scope: 'tickets-created', filters: [], timezone: 'UTC', measures: ['ticketCount'] };
  const post = (body: unknown, type = 'application/json') =>
    call(key, 'reporting/stats', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': type },
    });
  expect((await post({ query })).status).toBe(200);
  expect((await post({ query }, 'text/plain')).status).toBe(400);
  expect((await post({ query: { ...query, teamId: 1 } })).status).toBe(400);
});

test('forty calls in a burst, two more each second, and a header that counts', async () => {
  const key = issue();
  for (let count = 1; count <= 40; count += 1) {
    const response = await call(key, 'account');
    expect(response.headers.get('x-gorgias-account-api-call-limit')).toBe(`${count}/40`);
  }
  const limited = await call(key, 'account');
  expect(limited.status).toBe(429);
  expect(limited.headers.get('retry-after')).toBe('1');
  context.clock += 1000;
  expect((await call(key, 'account')).status).toBe(200);
});
