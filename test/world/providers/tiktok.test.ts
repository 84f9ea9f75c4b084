import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { tiktok, tiktokTokens } from './tiktok.ts';

const CALLBACK = 'https://connect.example/callback';
const HOST = 'https://business-api.tiktok.com';
const client = {
  id: '7000000000',
  secret: randomBytes(20).toString('hex'),
  redirectUris: [CALLBACK],
  settings: {},
};
const app = { app_id: client.id, secret: client.secret };
const envelope = z.object({
  code: z.number(),
  message: z.string(),
  request_id: z.string().min(1),
  data: z.record(z.string(), z.unknown()),
});
const tokenData = z.strictObject({
  access_token: z.string(),
  advertiser_ids: z.array(z.string()),
  scope: z.array(z.number()),
});
const listData = z.object({
  list: z.array(z.record(z.string(), z.unknown())),
  page_info: z.record(z.string(), z.number()).optional(),
});

let context: TestContext;
let ads: Simulator;

beforeEach(() => {
  context = openContext('tiktok', client);
  ads = tiktok(context);
});

const send = async (url: string, init?: RequestInit) => ads.fetch(new Request(url, init));

function portal(query: Record<string, string> = {}) {
  return `${HOST}/portal/auth?${new URLSearchParams({ app_id: client.id, redirect_uri: CALLBACK, state: 'st', ...query })}`;
}

async function decide(decision: string, account = 'ads@kettle.example', url = portal()) {
  const response = await send(url, { method: 'POST', body: new URLSearchParams({ account, decision }) });
  return new URL(response.headers.get('location') ?? 'https://nowhere.example').searchParams;
}

const getCode = async (account?: string) => (await decide('approve', account)).get('auth_code') ?? '';

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  send(`${HOST}/open_api/v1.3${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

const get = (path: string, token: string, query: Record<string, string>) =>
  send(`${HOST}/open_api/v1.3${path}?${new URLSearchParams(query)}`, { headers: { 'access-token': token } });

async function read(response: Response | Promise<Response>) {
  const answer = await response;
  expect(answer.status).toBe(200);
  return envelope.parse(await answer.json());
}

const codeOf = async (response: Response | Promise<Response>) => (await read(response)).code;
const exchange = (more: Record<string, unknown>) => post('/oauth2/access_token/', { ...app, ...more });
const listOf = async (response: Promise<Response>) => listData.parse((await read(response)).data);

async function getToken(account?: string) {
  return tokenData.parse((await read(exchange({ auth_code: await getCode(account) }))).data);
}

test('answers at business-api.tiktok.com and nowhere else', () => {
  const hosts = ['business-api.tiktok.com', 'www.tiktok.com', 'sandbox-ads.tiktok.com', 'ads.tiktok.com'];
  expect(hosts.filter(ads.host)).toEqual(['business-api.tiktok.com']);
});

describe('the portal', () => {
  test('offers a login with one ad account, one with three and one with none, and no scopes', async () => {
    const page = await (await send(portal({ rid: 'abc' }))).text();
    const accounts = [...page.matchAll(/<option>([^<]+)</g)].map((match) => match[1]);
    expect(accounts).toEqual(['ads@kettle.example', 'agency@globex.example', 'newcomer@initech.example']);
    expect(page).not.toContain('type="checkbox"');
  });

  test('calls back with the code under both names, and the state', async () => {
    const answer = await decide('approve');
    expect([...answer.keys()]).toEqual(['auth_code', 'code', 'state']);
    expect(answer.get('code')).toBe(answer.get('auth_code'));
    expect(answer.get('state')).toBe('st');
    expect(context.secrets).toContain(answer.get('code'));
  });

  test('reports a denial', async () => {
    const answer = await decide('deny');
    expect([...answer.keys()]).toEqual(['error', 'error_description', 'state']);
    expect(answer.get('error')).toBe('access_denied');
  });

  test.each([
    { app_id: 'other' },
    { redirect_uri: `${CALLBACK}/sub` },
    { scope: '4' },
    { response_type: 'code' },
    { client_id: client.id },
    { code_challenge: 'a'.repeat(43) },
  ])('refuses %o without sending anybody anywhere', async (query) => {
    expect((await send(portal(query))).status).toBe(400);
    expect((await decide('approve', undefined, portal(query))).size).toBe(0);
  });
});

describe('the token endpoint', () => {
  test('gives a token without an end, the ad accounts as strings and the scopes as numbers', async () => {
    const token = await getToken('agency@globex.example');
    expect(token.advertiser_ids).toHaveLength(3);
    expect(token.scope).toEqual([1, 2, 4, 44]);
    expect(context.secrets).toContain(token.access_token);
    expect((await getToken('newcomer@initech.example')).advertiser_ids).toEqual([]);
    context.clock += 10 * 365 * 86_400_000;
    expect(await codeOf(get('/oauth2/advertiser/get/', token.access_token, app))).toBe(0);
  });

  test('is not there without the slash at the end, nor by another method', async () => {
    const response = await post('/oauth2/access_token', { ...app, auth_code: await getCode() });
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toContain('text/html');
    expect((await send(`${HOST}/open_api/v1.3/oauth2/access_token/`)).status).toBe(405);
  });

  test('redeems a code once, within an hour', async () => {
    const auth_code = await getCode();
    expect(await codeOf(exchange({ auth_code, grant_type: 'authorization_code' }))).toBe(0);
    expect(await codeOf(exchange({ auth_code }))).toBe(40110);
    const late = await getCode();
    context.clock += 3_600_000;
    expect(await codeOf(exchange({ auth_code: late }))).toBe(40110);
  });

  test('takes only JSON, the names TikTok has for things, and the right secret', async () => {
    const auth_code = await getCode();
    const form = { method: 'POST', body: new URLSearchParams({ ...app, auth_code }) };
    expect(await codeOf(send(`${HOST}/open_api/v1.3/oauth2/access_token/`, form))).toBe(40002);
    const cases: [Record<string, unknown>, number][] = [
      [{}, 40002],
      [{ auth_code, client_id: client.id }, 40002],
      [{ auth_code, grant_type: 'refresh_token' }, 40002],
      [{ auth_code, app_id: Number(client.id) }, 40002],
      [{ auth_code, secret: 'wrong' }, 40113],
      [{ auth_code, app_id: 'other' }, 40113],
      [{ auth_code: 'nonsense' }, 40110],
    ];
    for (const [body, expected] of cases) expect(await codeOf(exchange(body))).toBe(expected);
    expect(await codeOf(exchange({ auth_code }))).toBe(0);
  });

  test('gives another token each time, or the same one where told so', async () => {
    const first = await getToken();
    expect((await getToken()).access_token).not.toBe(first.access_token);
    context.store.set('settings.sameToken', true);
    expect((await getToken()).access_token).toBe(first.access_token);
    await post('/oauth2/revoke_token/', { ...app, access_token: first.access_token });
    expect((await getToken()).access_token).not.toBe(first.access_token);
  });

  test('writes ids as numbers that JSON.parse would spoil, where told so', async () => {
    context.store.set('settings.numericIds', true);
    const text = await (await exchange({ auth_code: await getCode() })).text();
    expect(text).toContain('"advertiser_ids":[7012345678901234567]');
    const [{ token } = { token: '' }] = tiktokTokens(context.store);
    expect(await (await get('/oauth2/advertiser/get/', token, app)).text()).toContain(
      '"advertiser_id":7012345678901234567',
    );
  });
});

describe('the access token', () => {
  test('belongs in the header Access-Token', async () => {
    const { access_token } = await getToken();
    const url = `${HOST}/open_api/v1.3/oauth2/advertiser/get/?${new URLSearchParams(app)}`;
    expect(await codeOf(send(url, { headers: { authorization: `Bearer ${access_token}` } }))).toBe(40104);
    expect(await codeOf(send(url))).toBe(40104);
    expect(await codeOf(get('/oauth2/advertiser/get/', 'nonsense', app))).toBe(40105);
  });

  test('lists the ad accounts, given the secret of the app', async () => {
    const { access_token } = await getToken();
    const { list } = await listOf(get('/oauth2/advertiser/get/', access_token, app));
    expect(list).toEqual([{ advertiser_id: '7012345678901234567', advertiser_name: 'Kettle Works' }]);
    const { access_token: newcomer } = await getToken('newcomer@initech.example');
    expect((await listOf(get('/oauth2/advertiser/get/', newcomer, app))).list).toEqual([]);
    const probe = (query: Record<string, string>) =>
      codeOf(get('/oauth2/advertiser/get/', access_token, query));
    expect(await probe({ ...app, secret: 'wrong' })).toBe(40113);
    expect(await probe({ app_id: client.id })).toBe(40002);
    expect(await probe({ ...app, page: '1' })).toBe(40002);
  });

  test('dies when revoked, with or without the header, and is told apart afterwards', async () => {
    const [first, second] = [await getToken(), await getToken()];
    const revoke = (access_token: string, headers?: Record<string, string>) =>
      read(post('/oauth2/revoke_token/', { ...app, access_token }, headers));
    const answer = await revoke(first.access_token, { 'access-token': first.access_token });
    expect(answer).toMatchObject({
      code: 0,
      data: { app_id: client.id, advertiser_ids: ['7012345678901234567'] },
    });
    expect((await revoke(first.access_token)).code).toBe(40105);
    expect(await codeOf(get('/oauth2/advertiser/get/', first.access_token, app))).toBe(40105);
    expect(tiktokTokens(context.store).map(({ alive }) => alive)).toEqual([false, true]);
    expect((await revoke(second.access_token, { 'access-token': first.access_token })).code).toBe(40101);
    expect(await codeOf(post('/oauth2/revoke_token/', { ...app, secret: 'x', access_token: 'y' }))).toBe(
      40113,
    );
    expect(await codeOf(post('/oauth2/revoke_token/', { access_token: second.access_token }))).toBe(40002);
    expect((await revoke(second.access_token)).code).toBe(0);
  });

  test('outlives a restart', async () => {
    const { access_token } = await getToken();
    ads = tiktok(context);
    expect(await codeOf(get('/oauth2/advertiser/get/', access_token, app))).toBe(0);
  });
});

describe('the Marketing API', () => {
  const advertiser_id = '7012345678901234567';
  const report = {
    advertiser_id,
    report_type: 'BASIC',
    data_level: 'AUCTION_CAMPAIGN',
    dimensions: '["campaign_id","stat_time_day"]',
    metrics: '["campaign_name","spend","total_complete_payment_rate"]',
    start_date: '2026-11-01',
    end_date: '2026-11-02',
    page_size: '1000',
  };

  test('tells of ad accounts, asked in JSON', async () => {
    const { access_token } = await getToken();
    const info = (query: Record<string, string>) => get('/advertiser/info/', access_token, query);
    const fields = '["name","currency"]';
    expect((await listOf(info({ advertiser_ids: `["${advertiser_id}"]`, fields }))).list).toEqual([
      { name: 'Kettle Works', currency: 'EUR' },
    ]);
    expect(await codeOf(info({ advertiser_ids: advertiser_id }))).toBe(40002);
    expect(await codeOf(info({ advertiser_ids: 'a,b' }))).toBe(40002);
    expect(await codeOf(info({ advertiser_ids: `["${advertiser_id}"]`, fields: '["nme"]' }))).toBe(40002);
    expect(await codeOf(info({ advertiser_ids: '["7112345678901234561"]' }))).toBe(40106);
  });

  test('lists campaigns ten to a page', async () => {
    const { access_token } = await getToken();
    const campaigns = (query: Record<string, string>) =>
      get('/campaign/get/', access_token, { advertiser_id, ...query });
    const first = await listOf(campaigns({}));
    expect(first.list).toHaveLength(10);
    expect(first.page_info).toEqual({ page: 1, page_size: 10, total_number: 12, total_page: 2 });
    expect((await listOf(campaigns({ page: '2' }))).list).toHaveLength(2);
    const campaign_id = z.string().parse(first.list[3]?.campaign_id);
    const filtering = JSON.stringify({ campaign_ids: [campaign_id] });
    expect((await listOf(campaigns({ filtering, fields: '["campaign_id"]' }))).list).toEqual([
      { campaign_id },
    ]);
    expect(await codeOf(campaigns({ page_size: '1001' }))).toBe(40002);
    expect(await codeOf(campaigns({ pageSize: '10' }))).toBe(40002);
    expect(await codeOf(campaigns({ advertiser_id: '7112345678901234561' }))).toBe(40106);
  });

  test('reports by campaign and day, in strings', async () => {
    const { access_token } = await getToken();
    const ask = (query: Record<string, string>) =>
      get('/report/integrated/get/', access_token, { ...report, ...query });
    const { list } = await listOf(ask({}));
    expect(list).toHaveLength(18);
    expect(list[0]).toEqual({
      dimensions: { campaign_id: expect.any(String), stat_time_day: '2026-11-01 00:00:00' },
      metrics: { campaign_name: 'Campaign 1', spend: '10.00', total_complete_payment_rate: '30.00' },
    });
    expect(list[2]).toMatchObject({ metrics: { total_complete_payment_rate: '-' } });
    expect((await listOf(ask({ dimensions: '["campaign_id"]' }))).list).toHaveLength(9);
    expect((await listOf(ask({ start_date: '2026-12-01', end_date: '2026-12-02' }))).list).toEqual([]);
  });

  test('reports at most 30 days by day, and takes only what it knows', async () => {
    const { access_token } = await getToken();
    const cases: [Record<string, string>, number][] = [
      [{ start_date: '2026-10-26', end_date: '2026-11-24' }, 0],
      [{ start_date: '2026-10-25', end_date: '2026-11-24' }, 40002],
      [{ start_date: '2026-10-25', end_date: '2026-11-24', dimensions: '["campaign_id"]' }, 0],
      [{ start_date: '2026-11-03' }, 40002],
      [{ start_date: '11/01/2026' }, 40002],
      [{ dimensions: 'campaign_id' }, 40002],
      [{ dimensions: '["stat_time_day"]' }, 40002],
      [{ metrics: '["spnd"]' }, 40002],
      [{ report_type: 'basic' }, 40002],
    ];
    for (const [query, expected] of cases) {
      expect(await codeOf(get('/report/integrated/get/', access_token, { ...report, ...query }))).toBe(
        expected,
      );
    }
  });

  test('has no way past the permissions of the app', async () => {
    context.store.set('settings.scope', [4]);
    const { access_token } = await getToken();
    expect(await codeOf(get('/report/integrated/get/', access_token, report))).toBe(0);
    expect(await codeOf(get('/campaign/get/', access_token, { advertiser_id }))).toBe(40001);
  });

  test('knows no other paths', async () => {
    const { access_token } = await getToken();
    expect((await get('/campaign/get', access_token, { advertiser_id })).status).toBe(404);
    expect((await get('/nothing/get/', access_token, {})).status).toBe(404);
  });
});

test.each([
  ['settings.throttled', 40100],
  ['settings.appBlocked', 40113],
  ['settings.serverError', 50000],
] as const)('answers every call as %s says', async (setting, expected) => {
  const { access_token } = await getToken();
  context.store.set(setting, true);
  expect(await codeOf(get('/oauth2/advertiser/get/', access_token, app))).toBe(expected);
  expect(await codeOf(exchange({ auth_code: 'any' }))).toBe(expected);
  expect(await codeOf(post('/oauth2/revoke_token/', { ...app, access_token }))).toBe(expected);
  expect(tiktokTokens(context.store)[0]?.alive).toBe(true);
});
