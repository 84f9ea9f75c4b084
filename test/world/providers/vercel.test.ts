import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { deleteVercelToken, vercel } from './vercel.ts';

const errorSchema = z.object({ error: z.looseObject({ code: z.string(), message: z.string() }) });

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('vercel');
  simulator = vercel(context);
});

function issue(options?: Record<string, string>) {
  const issued = keyOf(simulator, options);
  return { ...issued, team: issued.config.team_id ?? '' };
}

async function call(token: string, path: string, method = 'GET') {
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
  return simulator.fetch(new Request(`https://api.vercel.com${path}`, { method, headers }));
}

async function refusal(response: Response, status: number) {
  expect(response.status).toBe(status);
  return errorSchema.parse(await response.json()).error;
}

test('answers at api.vercel.com alone', () => {
  const hosts = ['api.vercel.com', 'vercel.com', 'api.vercel.com.evil.example'];
  expect(hosts.filter(simulator.host)).toEqual(['api.vercel.com']);
});

test('tokens have the documented forms', () => {
  const [fresh, old] = [issue(), issue({ format: 'old', scope: 'account' })];
  expect(fresh.api_key).toMatch(/^vcp_[A-Za-z0-9]{56}$/);
  expect(old.api_key).toMatch(/^[A-Za-z0-9]{24}$/);
  expect(fresh.account).toEqual({ id: fresh.team, name: 'Acme' });
  expect(old.config).toEqual({});
  expect([...context.secrets]).toEqual([fresh.api_key, old.api_key]);
  expect(issue({ teamId: 'team_other', name: 'Other' }).account).toEqual({ id: 'team_other', name: 'Other' });
  expect(() => issue({ permissions: 'read' })).toThrow();
});

describe('a dead token is a 403', () => {
  test('with invalidToken, or missingToken where there is none', async () => {
    const { api_key, team } = issue();
    expect(await refusal(await call('', '/v2/user'), 403)).toMatchObject({
      code: 'forbidden',
      missingToken: true,
    });
    deleteVercelToken(context.store, api_key);
    expect(await refusal(await call(api_key, `/v2/teams/${team}`), 403)).toEqual({
      code: 'forbidden',
      message: 'Not authorized',
      invalidToken: true,
    });
  });

  test('once it has expired', async () => {
    const { api_key } = issue({ scope: 'account', expiresIn: '60' });
    expect((await call(api_key, '/v2/user')).status).toBe(200);
    context.clock += 60_000;
    expect(await refusal(await call(api_key, '/v2/user'), 403)).toMatchObject({ invalidToken: true });
  });

  test('once it has deleted itself', async () => {
    const { api_key } = issue();
    const response = await call(api_key, '/v3/user/tokens/current', 'DELETE');
    expect(await response.json()).toEqual({ tokenId: expect.any(String) });
    expect(await refusal(await call(api_key, '/v3/user/tokens/current', 'DELETE'), 403)).toMatchObject({
      invalidToken: true,
    });
  });
});

describe('a token of the full account', () => {
  test('reads the user and the teams', async () => {
    const { api_key, account } = issue({ scope: 'account' });
    const { team } = issue();
    expect(await (await call(api_key, '/v2/user')).json()).toMatchObject({
      user: { id: account.id, name: account.name, defaultTeamId: team, softBlock: null },
    });
    expect(await (await call(api_key, `/v2/teams/${team}`)).json()).toMatchObject({ id: team, name: 'Acme' });
  });
});

describe('a token of one team', () => {
  test('reads the team and itself', async () => {
    const { api_key, team } = issue({ expiresIn: '60' });
    expect(await (await call(api_key, `/v2/teams/${team}`)).json()).toMatchObject({ id: team, name: 'Acme' });
    expect(await (await call(api_key, '/v5/user/tokens/current')).json()).toMatchObject({
      token: { scopes: [{ type: 'team', teamId: team }], expiresAt: context.clock + 60_000 },
    });
  });

  test('is shown a limited user or none, and no other team', async () => {
    const { api_key } = issue();
    const error = await refusal(await call(api_key, '/v2/user'), 403);
    expect(error.message).toMatch(/^Not authorized: Trying to access resource under scope "ada"\./);
    context.store.set('settings.limitedUser', true);
    expect(await (await call(api_key, '/v2/user')).json()).toMatchObject({ user: { limited: true } });
    const other = issue({ teamId: 'team_other' }).team;
    const refused = await refusal(await call(api_key, `/v2/teams/${other}`), 403);
    expect(refused).toMatchObject({ code: 'forbidden', teamId: 'team_other', saml: false });
    expect(refused).not.toHaveProperty('invalidToken');
    expect((await refusal(await call(api_key, '/v2/teams/team_none'), 404)).code).toBe('not_found');
  });

  test('must sign in again where the team wants SSO', async () => {
    const { api_key, team } = issue({ saml: 'true' });
    expect(await refusal(await call(api_key, `/v2/teams/${team}`), 403)).toMatchObject({
      saml: true,
      enforced: true,
    });
  });

  test('must name the team on every call', async () => {
    const { api_key, team } = issue();
    await refusal(await call(api_key, '/v7/deployments'), 403);
    for (const path of ['/v7/deployments', '/v6/deployments', '/v5/domains', '/v10/projects'])
      expect(await (await call(api_key, `${path}?teamId=${team}&limit=5`)).json()).toMatchObject({
        pagination: { count: 0, next: null },
      });
  });
});

test('a token of one project is denied on the user, the team and itself, and reads its project', async () => {
  const { api_key, team } = issue({ scope: 'project' });
  for (const path of ['/v2/user', `/v2/teams/${team}`, '/v5/user/tokens/current'])
    expect((await refusal(await call(api_key, path), 403)).message).toContain("don't have permission");
  const project = await (await call(api_key, `/v9/projects/shop?teamId=${team}`)).json();
  expect(project).toMatchObject({ name: 'shop', accountId: team });
  expect((await call(api_key, `/v9/projects/shop/domains?teamId=${team}`)).status).toBe(200);
  await refusal(await call(api_key, `/v9/projects/other?teamId=${team}`), 404);
});

test('another version, an unknown parameter and a limit out of bounds are refused', async () => {
  const { api_key, team } = issue();
  await refusal(await call(api_key, `/v1/teams/${team}`), 404);
  await refusal(await call(api_key, `/v2/teams/${team}?verbose=1`), 400);
  await refusal(await call(api_key, `/v7/deployments?teamId=${team}&limit=101`), 400);
});

test('rate limits are told, and beyond them when to come back', async () => {
  const { api_key, team } = issue();
  const { headers } = await call(api_key, `/v2/teams/${team}`);
  expect(headers.get('x-ratelimit-remaining')).toBe('499');
  context.store.set('settings.retryAfter', 9);
  const response = await call(api_key, `/v2/teams/${team}`);
  expect(response.headers.get('retry-after')).toBe('9');
  expect(await refusal(response, 429)).toMatchObject({ code: 'rate_limited', limit: { remaining: 0 } });
});
