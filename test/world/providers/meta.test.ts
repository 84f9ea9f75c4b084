import { createHmac, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { endMetaTokens, foreignMetaToken, meta, metaTokens } from './meta.ts';

const CALLBACK = 'https://connect.example/callback';
const GRAPH = 'https://graph.facebook.com';
const client = {
  id: 'reeve-meta-test',
  secret: randomBytes(16).toString('hex'),
  redirectUris: [CALLBACK],
  settings: {},
};
const NORA = { name: 'Nora Lind', id: '10230948571230981' };
const tokenAnswer = z.strictObject({
  access_token: z.string().regex(/^EAA\w+$/),
  token_type: z.literal('bearer'),
  expires_in: z.number().optional(),
});
const refusal = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    code: z.number(),
    error_subcode: z.number().optional(),
    is_transient: z.boolean().optional(),
    fbtrace_id: z.string(),
  }),
});

let context: TestContext;
let facebook: Simulator;

beforeEach(() => {
  context = openContext('meta', client);
  facebook = meta(context);
});

const send = async (url: string, init?: RequestInit) => facebook.fetch(new Request(url, init));

function dialogUrl(query: Record<string, string> = {}, version = 'v26.0') {
  const all = { client_id: client.id, redirect_uri: CALLBACK, state: 'st', scope: 'ads_read', ...query };
  return `https://www.facebook.com/${version}/dialog/oauth?${new URLSearchParams(all)}`;
}

async function decide(
  query: Record<string, string> = {},
  { account = NORA.name, scopes = ['ads_read'], decision = 'approve' } = {},
) {
  const ticked = scopes.map((scope): [string, string] => ['scopes', scope]);
  const body = new URLSearchParams([['account', account], ['decision', decision], ...ticked]);
  const response = await send(dialogUrl(query), { method: 'POST', body });
  expect(response.status).toBe(302);
  return new URL(response.headers.get('location') ?? '');
}

const codeFor = async (...of: Parameters<typeof decide>) =>
  (await decide(...of)).searchParams.get('code') ?? '';

const exchangeUrl = (parameters: Record<string, string>, version = 'v26.0') => {
  const all = { client_id: client.id, client_secret: client.secret, ...parameters };
  return `${GRAPH}/${version}/oauth/access_token?${new URLSearchParams(all)}`;
};

/** By POST, as documented for nothing but taken all the same. */
function exchange(parameters: Record<string, string>) {
  const url = new URL(exchangeUrl(parameters));
  return send(url.origin + url.pathname, { method: 'POST', body: url.searchParams });
}

const redeem = (code: string) => exchange({ code, redirect_uri: CALLBACK });
const prolong = (token: string) => exchange({ grant_type: 'fb_exchange_token', fb_exchange_token: token });
const read = async (response: Response) => tokenAnswer.parse(await response.json());

async function getToken(...of: Parameters<typeof decide>) {
  return (await read(await redeem(await codeFor(...of)))).access_token;
}

const graph = (path: string, token: string, method = 'GET') =>
  send(`${GRAPH}/v26.0/${path}`, { method, headers: { authorization: `Bearer ${token}` } });

async function problem(response: Response) {
  const { error } = refusal.parse(await response.json());
  return [response.status, error.code, ...(error.error_subcode === undefined ? [] : [error.error_subcode])];
}

const appToken = `${client.id}|${client.secret}`;
async function debug(token: string) {
  const query = new URLSearchParams({ input_token: token, access_token: appToken });
  const response = await send(`${GRAPH}/debug_token?${query}`);
  expect(response.status).toBe(200);
  return z.object({ data: z.record(z.string(), z.unknown()) }).parse(await response.json()).data;
}

test('answers at www.facebook.com and graph.facebook.com and nowhere else', () => {
  const hosts = ['www.facebook.com', 'graph.facebook.com', 'facebook.com', 'graph.facebook.com.evil.example'];
  expect(hosts.filter(facebook.host)).toEqual(hosts.slice(0, 2));
});

describe('the Login Dialog', () => {
  test('shows the people and the optional permissions to tick', async () => {
    const response = await send(dialogUrl({ scope: 'public_profile,ads_read,business_management' }));
    const page = await response.text();
    expect(page).toContain('<option>Nora Lind</option>');
    expect([...page.matchAll(/name="scopes" value="([^"]+)"/g)].map((match) => match[1])).toEqual([
      'ads_read',
      'business_management',
    ]);
  });

  test.each([
    { client_id: 'other' },
    { redirect_uri: `${CALLBACK}/` },
    { redirect_uri: 'https://evil.example/' },
    { response_type: 'token' },
    { state: '' },
    { scope: '' },
    { scope: 'ads_read,nonsense' },
    { auth_type: 'again' },
    { scopes: 'ads_read' },
    { config_id: '1' },
    { code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' },
  ])('shows a page and redirects nowhere for %o', async (query) => {
    for (const method of ['GET', 'POST']) {
      const response = await send(dialogUrl(query), { method });
      expect([response.status, response.headers.get('location')]).toEqual([400, null]);
    }
  });

  test.each(['v20.0', 'v27.0', 'oauth'])('has no version %s', async (version) => {
    expect((await send(dialogUrl({}, version))).status).toBe(404);
  });

  test('tells of a denial with its reason and the state', async () => {
    const { searchParams } = await decide({ response_type: 'code' }, { decision: 'deny' });
    expect(Object.fromEntries(searchParams)).toEqual({
      error_reason: 'user_denied',
      error: 'access_denied',
      error_description: 'Permissions error',
      error_code: '200',
      state: 'st',
    });
  });

  test('ends an approval with the fragment of old', async () => {
    const url = await decide();
    expect([...url.searchParams.keys()]).toEqual(['code', 'state']);
    expect(url.hash).toBe('#_=_');
    expect(context.secrets).toContain(url.searchParams.get('code'));
  });

  test('grants what is left ticked of what was asked, and the public profile always', async () => {
    const token = await getToken({ scope: 'ads_read,email' }, { scopes: ['email', 'ads_management'] });
    expect(await (await graph('me/permissions', token)).json()).toEqual({
      data: [
        { permission: 'ads_read', status: 'declined' },
        { permission: 'email', status: 'granted' },
        { permission: 'public_profile', status: 'granted' },
      ],
    });
  });

  test('asks again for what was declined only with auth_type=rerequest', async () => {
    await getToken({}, { scopes: [] });
    await getToken();
    expect(metaTokens(context.store).at(-1)?.scopes).toEqual(['public_profile']);
    await getToken({ auth_type: 'rerequest' });
    expect(metaTokens(context.store).at(-1)?.scopes).toEqual(['ads_read', 'public_profile']);
  });
});

describe('the token endpoint', () => {
  test('gives a short-lived token by GET and by POST', async () => {
    const get = await send(exchangeUrl({ code: await codeFor(), redirect_uri: CALLBACK }));
    const first = await read(get);
    expect(first.expires_in).toBe(5400);
    expect(context.secrets).toContain(first.access_token);
    expect((await read(await redeem(await codeFor()))).expires_in).toBe(5400);
  });

  test('gives a long-lived one at once, or one without end, when told to', async () => {
    context.store.set('settings.longLivedAtOnce', true);
    expect((await read(await redeem(await codeFor()))).expires_in).toBe(5_183_944);
    context.store.set('settings.noExpiry', true);
    const forever = await read(await redeem(await codeFor()));
    expect(forever).not.toHaveProperty('expires_in');
    context.clock += 1000 * 86_400_000;
    expect((await graph('me', forever.access_token)).status).toBe(200);
    expect(await debug(forever.access_token)).toMatchObject({ expires_at: 0, is_valid: true });
  });

  test('takes a code once, within ten minutes', async () => {
    const code = await codeFor();
    await read(await redeem(code));
    const again = await redeem(code);
    expect(again.headers.get('www-authenticate')).toBe(
      'OAuth "Facebook Platform" "invalid_code" "This authorization code has been used."',
    );
    expect(await problem(again)).toEqual([400, 100, 36009]);
    const late = await codeFor();
    context.clock += 600_000;
    expect(await problem(await redeem(late))).toEqual([400, 100, 36007]);
  });

  test('wants the redirect_uri of the dialog, and uses the code up without it', async () => {
    const code = await codeFor();
    const wrong = await exchange({ code, redirect_uri: `${CALLBACK}/` });
    expect(await problem(wrong)).toEqual([400, 100, 36008]);
    expect(await problem(await redeem(code))).toEqual([400, 100, 36009]);
  });

  test('names what is wrong with a request', async () => {
    const code = await codeFor();
    const cases: [Record<string, string>, number][] = [
      [{ client_id: 'other', code, redirect_uri: CALLBACK }, 101],
      [{ client_secret: 'wrong', code, redirect_uri: CALLBACK }, 1],
      [{ code }, 191],
      [{ redirect_uri: CALLBACK }, 1],
      [{ code: 'nonsense', redirect_uri: CALLBACK }, 100],
      [{ code, redirect_uri: CALLBACK, code_verifier: 'a'.repeat(43) }, 100],
      [{ code, redirect_uri: CALLBACK, scope: 'ads_read' }, 100],
      [{ grant_type: 'refresh_token', code, redirect_uri: CALLBACK }, 100],
      [{ grant_type: 'fb_exchange_token' }, 1],
      [{ grant_type: 'fb_exchange_token', fb_exchange_token: 'x', code }, 100],
      [{ grant_type: 'fb_exchange_token', fb_exchange_token: 'x' }, 190],
    ];
    for (const [parameters, expected] of cases) {
      for (const response of [await exchange(parameters), await send(exchangeUrl(parameters))]) {
        expect(await problem(response)).toEqual([400, expected]);
      }
    }
    await read(await redeem(code));
  });

  test('takes no JSON, no query besides a form, and no other method', async () => {
    const url = exchangeUrl({ code: await codeFor(), redirect_uri: CALLBACK });
    const json = await send(`${GRAPH}/v26.0/oauth/access_token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(Object.fromEntries(new URL(url).searchParams)),
    });
    expect(await problem(json)).toEqual([400, 101]);
    expect(await problem(await send(url, { method: 'POST' }))).toEqual([400, 100]);
    expect(await problem(await send(`${url}&code=other`))).toEqual([400, 100]);
    expect((await send(url, { method: 'PUT' })).status).toBe(400);
  });

  test('exchanges a living token for one of about 60 days', async () => {
    const short = await getToken();
    const long = await read(
      await send(exchangeUrl({ grant_type: 'fb_exchange_token', fb_exchange_token: short })),
    );
    expect(long.expires_in).toBe(5_183_944);
    expect(
      metaTokens(context.store, context.clock).map(({ alive, longLived }) => [alive, longLived]),
    ).toEqual([
      [true, false],
      [true, true],
    ]);
    context.clock += 5_400_000;
    expect(await problem(await prolong(short))).toEqual([400, 190, 463]);
    expect((await graph('me', long.access_token)).status).toBe(200);
    context.clock += 5_183_944_000;
    expect(await problem(await prolong(long.access_token))).toEqual([400, 190, 463]);
  });

  test('gives a long-lived token back with what is left of it, unless it is told to extend', async () => {
    context.store.set('settings.longLivedAtOnce', true);
    const token = await getToken();
    context.clock += 86_400_000;
    const same = await read(await prolong(token));
    expect(same).toMatchObject({ access_token: token, expires_in: 5_183_944 - 86_400 });
    context.store.set('settings.exchangeExtends', true);
    const grown = await read(await prolong(token));
    expect(grown.expires_in).toBe(5_183_944);
    expect(grown.access_token).not.toBe(token);
  });
});

describe('the Graph API', () => {
  test('names the person, by a token in the header or in the query', async () => {
    const token = await getToken({ scope: 'ads_read,email' });
    const response = await graph('me?fields=id,name,email', token);
    expect(response.headers.get('facebook-api-version')).toBe('v26.0');
    expect(response.headers.get('x-app-usage')).toContain('call_count');
    expect(await response.json()).toEqual(NORA);
    expect(await (await send(`${GRAPH}/v26.0/me?access_token=${token}`)).json()).toEqual(NORA);
  });

  test('refuses what it does not know', async () => {
    const token = await getToken();
    const cases: [string, string, number][] = [
      ['GET', 'me?fields=id,nonsense', 100],
      ['GET', 'me?field=id', 100],
      ['GET', 'me?fields=id&fields=name', 100],
      ['GET', 'me/nonsense', 2500],
      ['POST', 'me', 2500],
      ['GET', '12345/permissions', 100],
      ['GET', 'act_1/campaigns', 100],
    ];
    for (const [method, path, code] of cases) {
      expect((await problem(await graph(path, token, method))).slice(0, 2)).toEqual([400, code]);
    }
  });

  test('knows its versions: ended ones are deprecated, others are no path', async () => {
    const token = await getToken();
    const at = (path: string) => send(`${GRAPH}/${path}?access_token=${token}`);
    expect((await at('v25.0/me')).status).toBe(200);
    expect(await problem(await at('v20.0/me'))).toEqual([400, 2635]);
    for (const path of ['v27.0/me', 'me', 'v26/me', 'me/adaccounts']) {
      expect(await problem(await at(path))).toEqual([400, 2500]);
    }
    context.clock = Date.UTC(2027, 0, 21);
    expect(await problem(await at('v21.0/me'))).toEqual([400, 2635]);
  });

  test('wants a token it knows', async () => {
    expect(await problem(await send(`${GRAPH}/v26.0/me`))).toEqual([400, 2500]);
    expect(await problem(await send(`${GRAPH}/v26.0/act_1/campaigns`))).toEqual([400, 104]);
    expect(await problem(await graph('me', 'nonsense'))).toEqual([401, 190]);
    expect(await problem(await graph('me', `${client.id}|wrong`))).toEqual([400, 190]);
    expect(await problem(await graph('me', appToken))).toEqual([400, 2500]);
  });

  test.each([458, 459, 460, 464, 467] as const)('tells why a token died: %i', async (ending) => {
    const token = await getToken();
    const other = await getToken({}, { account: 'Otto Brandt' });
    endMetaTokens(context.store, ending, NORA.name);
    const response = await graph('me', token);
    expect(response.headers.get('www-authenticate')).toContain('"invalid_token"');
    expect(await problem(response)).toEqual([400, 190, ending]);
    expect(await problem(await prolong(token))).toEqual([400, 190, ending]);
    expect((await graph('me', other)).status).toBe(200);
  });

  test('tells of an expired token, with 401 when told to', async () => {
    const token = await getToken();
    context.clock += 5_400_000;
    expect(await problem(await graph('me', token))).toEqual([400, 190, 463]);
    context.store.set('settings.deadTokenStatus', 401);
    expect(await problem(await graph('me', token))).toEqual([401, 190, 463]);
    expect(metaTokens(context.store)[0]?.alive).toBe(true);
    expect(metaTokens(context.store, context.clock)[0]?.alive).toBe(false);
  });

  test('checks an appsecret_proof, and wants one when told to', async () => {
    const token = await getToken();
    const proof = createHmac('sha256', client.secret).update(token).digest('hex');
    expect(await problem(await graph('me?appsecret_proof=00', token))).toEqual([400, 100]);
    context.store.set('settings.requireProof', true);
    expect(await problem(await graph('me', token))).toEqual([400, 100]);
    expect((await graph(`me?appsecret_proof=${proof}`, token)).status).toBe(200);
  });

  test('fails for a while when told to', async () => {
    const code = await codeFor();
    context.store.set('settings.transient', 2);
    const failed = refusal.parse(await (await redeem(code)).json()).error;
    expect(failed).toMatchObject({ code: 2, is_transient: true });
    expect(await problem(await redeem(code))).toEqual([500, 2]);
    await read(await redeem(code));
  });

  test.each([
    [4, 'x-app-usage', []],
    [17, 'x-ad-account-usage', [2446079]],
    [613, 'x-ad-account-usage', [1487742]],
    [80000, 'x-business-use-case-usage', [2446079]],
  ])('throttles with code %i and says in %s how full it is', async (code, header, subcode) => {
    const token = await getToken();
    context.store.set('settings.throttle', { code, minutes: 7 });
    const response = await graph('me/adaccounts', token);
    expect(response.headers.get(header)).toContain('100');
    expect(response.headers.has('retry-after')).toBe(false);
    expect(await problem(response)).toEqual([400, code, ...subcode]);
    expect(await debug(token)).toMatchObject({ is_valid: true });
    context.store.set('settings.throttle', { code, status: 403 });
    expect((await graph('me', token)).status).toBe(403);
  });
});

describe('debug_token', () => {
  test('describes a token', async () => {
    const token = await getToken();
    const now = context.clock / 1000;
    const data = await debug(token);
    expect(data).toEqual({
      app_id: client.id,
      type: 'USER',
      application: 'Reeve',
      data_access_expires_at: now + 90 * 86_400,
      expires_at: now + 5400,
      is_valid: true,
      scopes: ['ads_read', 'public_profile'],
      granular_scopes: [{ scope: 'ads_read' }],
      user_id: NORA.id,
    });
    const long = await read(await prolong(token));
    expect(await debug(long.access_token)).toMatchObject({ issued_at: now, expires_at: now + 5_183_944 });
  });

  test('tells what is wrong with a dead token, an expired one and one it cannot read', async () => {
    const [first, second] = [await getToken(), await getToken({}, { account: 'Otto Brandt' })];
    endMetaTokens(context.store, 460, NORA.name);
    context.clock += 5_400_000;
    expect(await debug(first)).toMatchObject({ is_valid: false, error: { code: 190, subcode: 460 } });
    expect(await debug(second)).toMatchObject({ is_valid: false, error: { code: 190, subcode: 463 } });
    expect(await debug('nonsense')).toMatchObject({ is_valid: false, error: { code: 190 }, scopes: [] });
  });

  test('answers the app alone', async () => {
    const token = await getToken();
    expect(await problem(await graph(`debug_token?input_token=${token}`, token))).toEqual([400, 100]);
    expect(await problem(await graph(`debug_token?input_token=${token}`, `${client.id}|x`))).toEqual([
      400, 190,
    ]);
    expect(await problem(await graph('debug_token', appToken))).toEqual([400, 100]);
    expect((await graph(`debug_token?input_token=${token}`, appToken)).status).toBe(200);
  });

  test('gives away the token of another app, which /me takes and no exchange does', async () => {
    const token = foreignMetaToken(context.store, context.clock);
    expect(await (await graph('me', token)).json()).toMatchObject({ name: NORA.name });
    const data = await debug(token);
    expect(data).toMatchObject({ is_valid: true });
    expect(data.app_id).not.toBe(client.id);
    expect(data.user_id).not.toBe(NORA.id);
    expect(await problem(await prolong(token))).toEqual([400, 1]);
    context.store.set('settings.debugOwnAppOnly', true);
    expect(await problem(await graph(`debug_token?input_token=${token}`, appToken))).toEqual([400, 100]);
  });
});

describe('removing permissions', () => {
  test('ends every token of that person and this app, and no other', async () => {
    const first = await getToken();
    await prolong(await getToken());
    await getToken({}, { account: 'Otto Brandt' });
    const foreign = foreignMetaToken(context.store, context.clock);
    const response = await graph('me/permissions', first, 'DELETE');
    expect(await response.json()).toEqual({ success: true });
    expect(metaTokens(context.store).map(({ name, alive }) => [name, alive])).toEqual([
      ['Nora Lind', false],
      ['Nora Lind', false],
      ['Nora Lind', false],
      ['Otto Brandt', true],
      ['Nora Lind', true],
    ]);
    expect(await problem(await graph('me/permissions', first, 'DELETE'))).toEqual([400, 190, 458]);
    expect((await graph('me', foreign)).status).toBe(200);
    expect((await graph('me', await getToken())).status).toBe(200);
  });

  test('works for the app by the id of the person', async () => {
    await getToken();
    expect((await graph(`${NORA.id}/permissions`, appToken, 'DELETE')).status).toBe(200);
    expect(metaTokens(context.store)[0]?.alive).toBe(false);
    expect(await problem(await graph(`${NORA.id}/permissions`, appToken, 'DELETE'))).toEqual([400, 100, 33]);
  });

  test('takes one permission and leaves the token', async () => {
    const token = await getToken();
    expect((await graph('me/permissions/ads_read', token, 'DELETE')).status).toBe(200);
    expect(await problem(await graph('me/permissions/ads_read', token, 'DELETE'))).toEqual([400, 100]);
    expect(await problem(await graph('me/adaccounts', token))).toEqual([403, 200]);
    expect(metaTokens(context.store)[0]).toMatchObject({ alive: true, scopes: ['public_profile'] });
  });
});

describe('the Marketing API', () => {
  const page = z.object({
    data: z.array(z.record(z.string(), z.unknown())),
    paging: z.object({ cursors: z.object({ after: z.string() }), next: z.url().optional() }).optional(),
  });
  const list = async (response: Response) => page.parse(await response.json());

  test('lists the ad accounts of the person, page by page', async () => {
    const token = await getToken();
    const fields = 'id,account_id,name,account_status,currency,timezone_name';
    const first = await list(await graph(`me/adaccounts?fields=${fields}&limit=2`, token));
    expect(first.data[0]).toEqual({
      id: 'act_2201450983317640',
      account_id: '2201450983317640',
      name: 'Lind Outdoor – EU',
      account_status: 1,
      currency: 'EUR',
      timezone_name: 'Europe/Stockholm',
    });
    expect(first.paging?.next).toContain(token);
    const second = await list(await send(first.paging?.next ?? ''));
    expect(second.data).toMatchObject([{ account_status: 101 }]);
    expect(second.paging).not.toHaveProperty('next');
    const none = await getToken({}, { account: 'Pia Ruiz' });
    expect(await (await graph('me/adaccounts', none)).json()).toEqual({ data: [] });
    for (const query of ['limit=0', 'limit=501', 'after=x', 'fields=nonsense', 'page=1']) {
      expect((await graph(`me/adaccounts?${query}`, token)).status).toBe(400);
    }
  });

  test('needs a permission to read ads, for as long as there is access to data', async () => {
    const without = await getToken({ scope: 'email' }, { scopes: ['email'] });
    expect(await problem(await graph('me/adaccounts', without))).toEqual([403, 200]);
    context.store.set('settings.noExpiry', true);
    const token = await getToken();
    context.clock += 90 * 86_400_000;
    expect(await problem(await graph('me/adaccounts', token))).toEqual([403, 200]);
    expect(await (await graph('me/permissions', token)).json()).toMatchObject({
      data: [{ permission: 'email', status: 'expired' }, {}, { permission: 'ads_read', status: 'expired' }],
    });
  });

  test('lists campaigns and reports in strings', async () => {
    const token = await getToken();
    const status = encodeURIComponent('["ACTIVE"]');
    const response = await graph(
      `act_2201450983317640/campaigns?fields=name,daily_budget,effective_status&effective_status=${status}`,
      token,
    );
    expect(response.headers.get('x-business-use-case-usage')).toContain('2201450983317640');
    const id = '120210000000010';
    expect((await list(response)).data).toEqual([
      { id, name: 'Spring tents', daily_budget: '25000', effective_status: 'ACTIVE' },
    ]);
    const report = 'fields=campaign_id,spend,purchase_roas&level=campaign&date_preset=last_7d';
    const { data } = await list(await graph(`act_2201450983317640/insights?${report}`, token));
    const dates = { date_start: '2026-11-17', date_stop: '2026-11-23' };
    expect(data).toEqual([
      {
        campaign_id: id,
        spend: '812.44',
        purchase_roas: [{ action_type: 'omni_purchase', value: '2.31' }],
        ...dates,
      },
      { campaign_id: '120210000000020', spend: '64.1', ...dates },
    ]);
    for (const query of ['fields=nonsense', 'level=planet', 'date_preset=ever', 'effective_status=[']) {
      expect(await problem(await graph(`act_2201450983317640/insights?${query}`, token))).toEqual([400, 100]);
    }
  });

  test('hides the ad accounts of others', async () => {
    const token = await getToken({}, { account: 'Otto Brandt' });
    expect((await graph('act_5518230947?fields=name', token)).status).toBe(200);
    expect(await problem(await graph('act_884120573/insights', token))).toEqual([400, 100, 33]);
  });
});

test('gives the permissions as a field of the person', async () => {
  const token = await getToken();
  expect(await (await graph('me?fields=id,permissions', token)).json()).toEqual({
    id: NORA.id,
    permissions: await (await graph('me/permissions', token)).json(),
  });
});

test.each([
  ['deleted', 190],
  ['blocked', 200],
])('refuses every call of an app that is %s', async (state, code) => {
  const token = await getToken();
  context.store.set('settings.app', state);
  for (const response of [await prolong(token), await graph('me', token), await graph('me', appToken)])
    expect(await problem(response)).toEqual([400, code]);
});

test('remembers tokens across a restart', async () => {
  const token = await getToken();
  facebook = meta(context);
  expect((await graph('me', token)).status).toBe(200);
});
