import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { endGoogleAdsGrant, googleAds, googleAdsTokens } from './google-ads.ts';

const CALLBACK = 'https://connect.example/callback';
const ADWORDS = 'https://www.googleapis.com/auth/adwords';
const EMAIL = 'https://www.googleapis.com/auth/userinfo.email';
const SCOPE = `${ADWORDS} openid email`;
const client = {
  id: 'reeve.apps.example',
  secret: randomBytes(20).toString('hex'),
  redirectUris: [CALLBACK],
  settings: { DEVELOPER_TOKEN: randomBytes(11).toString('hex') },
};
const basic = (secret: string) => ({ authorization: `Basic ${btoa(`${client.id}:${secret}`)}` });

const tokenSchema = z.strictObject({
  access_token: z.string().startsWith('ya29.'),
  expires_in: z.literal(3599),
  refresh_token: z.string().startsWith('1//').optional(),
  refresh_token_expires_in: z.number().optional(),
  scope: z.string(),
  token_type: z.literal('Bearer'),
  id_token: z.string().optional(),
});
const errorSchema = z.object({ error: z.string(), error_description: z.string() });
const failureSchema = z.object({
  error: z.object({
    code: z.number(),
    status: z.string(),
    details: z.array(
      z.object({
        '@type': z.string(),
        reason: z.string().optional(),
        errors: z
          .array(z.object({ errorCode: z.record(z.string(), z.string()), details: z.unknown().optional() }))
          .optional(),
      }),
    ),
  }),
});

let context: TestContext;
let google: Simulator;

beforeEach(() => {
  context = openContext('google_ads', client);
  context.clock = Date.UTC(2026, 10, 24, 12);
  google = googleAds(context);
});

const set = (name: string, value: unknown) => context.store.set(`settings.${name}`, value);
const send = async (url: string, init?: RequestInit) => google.fetch(new Request(url, init));

function authorizeUrl(query: Record<string, string> = {}) {
  const all = {
    client_id: client.id,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: SCOPE,
    state: 'st',
    ...query,
  };
  return `https://accounts.google.com/o/oauth2/v2/auth?${new URLSearchParams(all)}`;
}

async function decide(query: Record<string, string> = {}, email = 'ada@acme.example', scopes = [ADWORDS]) {
  const body = new URLSearchParams([
    ['account', email],
    ['decision', 'approve'],
    ...scopes.map((scope) => ['scopes', scope]),
  ]);
  const response = await send(authorizeUrl(query), { method: 'POST', body });
  return new URL(response.headers.get('location') ?? 'none:').searchParams;
}

const OFFLINE = { access_type: 'offline', prompt: 'consent' };
const getCode = async (...options: Parameters<typeof decide>) => (await decide(...options)).get('code') ?? '';

const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
  send(`https://oauth2.googleapis.com${path}`, { method: 'POST', headers, body: new URLSearchParams(form) });
const credentials = { client_id: client.id, client_secret: client.secret };
const exchange = (form: Record<string, string>) =>
  post('/token', { grant_type: 'authorization_code', redirect_uri: CALLBACK, ...credentials, ...form });
const refresh = (token: string | undefined) =>
  post('/token', { grant_type: 'refresh_token', refresh_token: token ?? '', ...credentials });
const revoke = (token: string | undefined) => post('/revoke', { token: token ?? '' });

const tokenOf = async (response: Response) => tokenSchema.parse(await response.json());
const getToken = async (query: Record<string, string> = OFFLINE, email?: string) =>
  tokenOf(await exchange({ code: await getCode(query, email) }));
const oauthError = async (response: Response) => {
  const { error, error_description } = errorSchema.parse(await response.json());
  return `${response.status} ${error}: ${error_description}`;
};

const headersOf = (token: string) => ({
  authorization: `Bearer ${token}`,
  'developer-token': client.settings.DEVELOPER_TOKEN,
  'content-type': 'application/json',
});
const list = (token: string, headers: Record<string, string> = {}, version = 'v25') =>
  send(`https://googleads.googleapis.com/${version}/customers:listAccessibleCustomers`, {
    headers: { ...headersOf(token), ...headers },
  });
const query = (token: string, id: string, body: object, headers: Record<string, string> = {}) =>
  send(`https://googleads.googleapis.com/v25/customers/${id}/googleAds:search`, {
    method: 'POST',
    headers: { ...headersOf(token), ...headers },
    body: JSON.stringify(body),
  });
const search = async (token: string, id: string, text: string, headers: Record<string, string> = {}) =>
  (await query(token, id, { query: text }, headers)).json();

/** Status and constants of a refusal: `403 authorizationError USER_PERMISSION_DENIED`. */
async function failureOf(response: Response) {
  const { error } = failureSchema.parse(await response.json());
  const [detail] = error.details;
  const [[kind, code] = []] = Object.entries(detail?.errors?.[0]?.errorCode ?? { info: detail?.reason });
  return `${response.status} ${kind} ${code}`;
}

test('answers at the four hosts, and makes a developer token', () => {
  const hosts = ['accounts.google.com', 'oauth2.googleapis.com', 'googleads.googleapis.com'];
  for (const host of [...hosts, 'openidconnect.googleapis.com']) expect(google.host(host)).toBe(true);
  expect(google.host('analyticsdata.googleapis.com')).toBe(false);
  expect(google.settings?.DEVELOPER_TOKEN?.()).toMatch(/^\w{22}$/);
});

describe('the consent screen', () => {
  test('shows the accounts, the hinted one first, and a box for what is not signing in', async () => {
    const page = await (await send(authorizeUrl({ login_hint: 'gil@globex.example' }))).text();
    const options = [...page.matchAll(/<option>([^<]+)/g)].map((match) => match[1]);
    expect(options).toHaveLength(4);
    expect(options[0]).toBe('gil@globex.example');
    expect([...page.matchAll(/name="scopes" value="([^"]+)"/g)].map((match) => match[1])).toEqual([ADWORDS]);
  });

  test('calls back with state, issuer, scope, authuser, prompt, and a code with a slash in it', async () => {
    const answer = await decide(OFFLINE);
    expect([...answer.keys()]).toEqual(['state', 'iss', 'code', 'scope', 'authuser', 'prompt']);
    expect(answer.get('iss')).toBe('https://accounts.google.com');
    expect(answer.get('state')).toBe('st');
    expect(answer.get('code')).toContain('/');
    expect(answer.get('scope')).toBe(`${SCOPE} ${EMAIL}`);
    expect(answer.get('prompt')).toBe('consent');
    expect(context.secrets).toContain(answer.get('code'));
  });

  test('lets the person untick Ads but not who they are', async () => {
    const answer = await decide(OFFLINE, 'ada@acme.example', []);
    expect(answer.get('scope')).not.toContain('adwords');
    const token = await tokenOf(await exchange({ code: answer.get('code') ?? '' }));
    expect(token.scope).toBe(`openid ${EMAIL}`);
    expect(await failureOf(await list(token.access_token))).toBe('403 info ACCESS_TOKEN_SCOPE_INSUFFICIENT');
    expect((await decide({ scope: ADWORDS }, 'ada@acme.example', [])).get('error')).toBe('access_denied');
  });

  test('calls back when the person declines, or when nobody may be asked', async () => {
    const body = new URLSearchParams({ account: 'ada@acme.example', decision: 'deny' });
    const response = await send(authorizeUrl(), { method: 'POST', body });
    const { searchParams } = new URL(response.headers.get('location') ?? '');
    expect(Object.fromEntries(searchParams)).toEqual({
      state: 'st',
      iss: 'https://accounts.google.com',
      error: 'access_denied',
    });
    expect((await decide({ prompt: 'none' })).get('error')).toBe('login_required');
  });

  test.each<[string, Record<string, string>, number]>([
    ['invalid_client', { client_id: 'other' }, 401],
    ['redirect_uri_mismatch', { redirect_uri: `${CALLBACK}/` }, 400],
    ['redirect_uri_mismatch', { redirect_uri: `${CALLBACK}?a=1` }, 400],
    ['unsupported_response_type', { response_type: 'token' }, 400],
    ['invalid_scope', { scope: `${ADWORDS} drive` }, 400],
    ['invalid_scope', { scope: `${ADWORDS},openid` }, 400],
    ['invalid_request', { scope: '' }, 400],
    ['invalid_request', { access_type: 'forever' }, 400],
    ['invalid_request', { prompt: 'none consent' }, 400],
    ['invalid_request', { approval: 'auto' }, 400],
    ['invalid_request', { code_challenge_method: 'S256' }, 400],
    ['invalid_request', { code_challenge: 'short', code_challenge_method: 'S256' }, 400],
    ['invalid_request', { code_challenge: 'a'.repeat(43), code_challenge_method: 's256' }, 400],
  ])('keeps the person at Google with %s for %o', async (error, options, status) => {
    const response = await send(authorizeUrl(options));
    expect(response.status).toBe(status);
    expect(response.headers.get('location')).toBeNull();
    expect(await response.text()).toContain(`Error ${status}: ${error}`);
  });

  test('refuses a parameter given twice', async () => {
    expect((await send(`${authorizeUrl()}&state=other`)).status).toBe(400);
  });

  test('is closed to a suspended client and to a policy of the person’s organization', async () => {
    set('blocked', 'admin_policy_enforced');
    const body = new URLSearchParams({ account: 'ada@acme.example', decision: 'approve' });
    const response = await send(authorizeUrl(), { method: 'POST', body });
    expect(await response.text()).toContain('Error 403: admin_policy_enforced');
    set('suspendedClient', true);
    expect(await (await send(authorizeUrl())).text()).toContain('Error 401: disabled_client');
    expect(await oauthError(await refresh('any'))).toBe(
      '401 disabled_client: The OAuth client was disabled.',
    );
    set('suspendedClient', false);
    set('deletedClient', true);
    expect(await oauthError(await refresh('any'))).toBe('401 deleted_client: The OAuth client was deleted.');
  });
});

describe('the token endpoint', () => {
  test('answers with tokens, the full names of the scopes, and who it was', async () => {
    const token = await getToken({ ...OFFLINE, nonce: 'n1' });
    expect(token.scope).toBe(`${ADWORDS} openid ${EMAIL}`);
    expect(token.refresh_token_expires_in).toBeUndefined();
    const [header = '', claims = ''] = (token.id_token ?? '').split('.');
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toMatchObject({ alg: 'RS256' });
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: 'https://accounts.google.com',
      aud: client.id,
      email: 'ada@acme.example',
      nonce: 'n1',
      iat: context.clock / 1000,
    });
    for (const value of [token.access_token, token.refresh_token, token.id_token]) {
      expect(context.secrets).toContain(value);
    }
  });

  test('gives a refresh token offline only, at the first consent or when consent is asked for', async () => {
    expect((await getToken({})).refresh_token).toBeUndefined();
    expect((await getToken({ access_type: 'offline' })).refresh_token).toBeUndefined();
    expect((await getToken(OFFLINE)).refresh_token).toBeDefined();
    expect((await getToken({ access_type: 'offline' }, 'gil@globex.example')).refresh_token).toBeDefined();
    expect((await getToken({ prompt: 'consent' }, 'max@agency.example')).refresh_token).toBeUndefined();
  });

  test('widens a token by what was granted before only when told to', async () => {
    await getToken();
    expect((await getToken({ scope: 'openid' })).scope).toBe('openid');
    const wide = await getToken({ scope: 'openid', include_granted_scopes: 'true' });
    expect(wide.scope).toBe(`${ADWORDS} openid ${EMAIL}`);
  });

  test('takes the client’s secret in the body or as Basic, and not twice', async () => {
    const form = async () => ({
      grant_type: 'authorization_code',
      code: await getCode(),
      redirect_uri: CALLBACK,
    });
    await tokenOf(await post('/token', await form(), basic(client.secret)));
    const twice = await post('/token', { ...(await form()), ...credentials }, basic(client.secret));
    expect(await oauthError(twice)).toContain('400 invalid_request');
    expect(await oauthError(await post('/token', await form(), basic('wrong')))).toContain(
      '401 invalid_client',
    );
  });

  test('redeems a code once, within ten minutes, for the same callback', async () => {
    const code = await getCode();
    await tokenOf(await exchange({ code }));
    expect(await oauthError(await exchange({ code }))).toBe('400 invalid_grant: Bad Request');
    expect(await oauthError(await exchange({ code: encodeURIComponent(code) }))).toBe(
      '400 invalid_grant: Malformed auth code.',
    );
    const mismatch = await exchange({ code: await getCode(), redirect_uri: `${CALLBACK}/` });
    expect(await oauthError(mismatch)).toBe('400 redirect_uri_mismatch: Bad Request');
    const late = await getCode();
    context.clock += 600_000;
    expect(await oauthError(await exchange({ code: late }))).toBe('400 invalid_grant: Bad Request');
  });

  test('wants the verifier when, and only when, a challenge was sent', async () => {
    const verifier = randomBytes(32).toString('base64url');
    const s256 = {
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
    const right = { code_verifier: verifier };
    await tokenOf(await exchange({ code: await getCode(s256), ...right }));
    await tokenOf(await exchange({ code: await getCode({ code_challenge: verifier }), ...right }));
    const cases: [Record<string, string>, Record<string, string>, string][] = [
      [s256, {}, 'Missing code verifier.'],
      [s256, { code_verifier: 'x'.repeat(43) }, 'Invalid code verifier.'],
      [{}, right, 'code_verifier or verifier is not needed.'],
    ];
    for (const [asked, proof, expected] of cases) {
      const response = await exchange({ code: await getCode(asked), ...proof });
      expect(await oauthError(response)).toBe(`400 invalid_grant: ${expected}`);
    }
  });

  test('names what is wrong with a request', async () => {
    const cases: [Record<string, string>, string][] = [
      [{ client_id: 'other' }, '401 invalid_client: The OAuth client was not found.'],
      [{ client_secret: 'wrong' }, '401 invalid_client: Unauthorized'],
      [{ client_secret: '' }, '400 invalid_request: client_secret is missing.'],
      [{ code: '' }, '400 invalid_request: Missing required parameter: code'],
      [
        { code: 'x', scope: ADWORDS },
        '400 invalid_request: Parameter not allowed for this message type: scope',
      ],
      [{ grant_type: 'password' }, '400 unsupported_grant_type: Invalid grant_type: password'],
    ];
    for (const [form, expected] of cases) expect(await oauthError(await exchange(form))).toBe(expected);
    const json = await send('https://oauth2.googleapis.com/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ grant_type: 'refresh_token', ...credentials }),
    });
    expect(await oauthError(json)).toContain('400 invalid_request');
    expect((await send('https://oauth2.googleapis.com/token')).status).toBe(404);
  });

  test('refreshes without rotating', async () => {
    const first = await getToken();
    context.clock += 3_599_000;
    expect(await failureOf(await list(first.access_token))).toBe(
      '401 authenticationError OAUTH_TOKEN_EXPIRED',
    );
    for (let round = 0; round < 2; round++) {
      const next = await tokenOf(await refresh(first.refresh_token));
      expect(next.refresh_token).toBeUndefined();
      expect(next.scope).toBe(first.scope);
      expect((await list(next.access_token)).status).toBe(200);
    }
    expect(googleAdsTokens(context.store, context.clock).map(({ alive }) => alive)).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  test('lets a refresh token die that nobody used for six months', async () => {
    const used = await getToken();
    const unused = await getToken(OFFLINE, 'gil@globex.example');
    context.clock += 180 * 86_400_000;
    await tokenOf(await refresh(used.refresh_token));
    context.clock += 86_400_000;
    await tokenOf(await refresh(used.refresh_token));
    const dead = '400 invalid_grant: Token has been expired or revoked.';
    expect(await oauthError(await refresh(unused.refresh_token))).toBe(dead);
    expect(await oauthError(await refresh('nonsense'))).toBe(dead);
    expect(await oauthError(await refresh(used.access_token))).toBe(dead);
  });

  test('tells when it ends in Testing, and ends it then', async () => {
    set('testing', true);
    const first = await getToken();
    expect(first.refresh_token_expires_in).toBe(604_799);
    context.clock += 86_400_000;
    expect((await tokenOf(await refresh(first.refresh_token))).refresh_token_expires_in).toBe(518_399);
    context.clock += 518_399_000;
    expect((await refresh(first.refresh_token)).status).toBe(400);
  });

  test('lets the oldest of a hundred refresh tokens go for one more', async () => {
    const tokens = [];
    for (let index = 0; index < 101; index++) tokens.push(await getToken({ ...OFFLINE, scope: ADWORDS }));
    expect((await refresh(tokens[0]?.refresh_token)).status).toBe(400);
    expect((await refresh(tokens[1]?.refresh_token)).status).toBe(200);
  });

  test('can say that the account is gone, or wants the person again', async () => {
    const { refresh_token } = await getToken();
    set('reauthenticate', true);
    expect(await (await refresh(refresh_token)).json()).toMatchObject({
      error: 'invalid_grant',
      error_subtype: 'invalid_rapt',
    });
    set('accountDeleted', true);
    expect(await oauthError(await refresh(refresh_token))).toBe(
      '400 invalid_grant: Account has been deleted',
    );
  });
});

describe('revocation', () => {
  test.each(['refresh_token', 'access_token'] as const)(
    'by a %s ends all the person allowed',
    async (kind) => {
      const first = await getToken();
      const second = await getToken();
      const other = await getToken(OFFLINE, 'gil@globex.example');
      const answer = await revoke(first[kind]);
      expect([answer.status, await answer.json()]).toEqual([200, {}]);
      expect(await failureOf(await list(second.access_token))).toBe(
        '401 authenticationError OAUTH_TOKEN_REVOKED',
      );
      expect((await refresh(second.refresh_token)).status).toBe(400);
      expect((await list(other.access_token)).status).toBe(200);
      expect(await oauthError(await revoke(first[kind]))).toBe('400 invalid_token: Token expired or revoked');
      expect((await getToken({ access_type: 'offline' })).refresh_token).toBeDefined();
    },
  );

  test('takes a form with the token in it and nothing else', async () => {
    const { access_token } = await getToken();
    expect(await oauthError(await post(`/revoke?token=${access_token}`, {}))).toContain(
      '400 invalid_request',
    );
    expect(await oauthError(await revoke(''))).toContain('Missing required parameter: token');
    expect((await list(access_token)).status).toBe(200);
  });

  test('by the person has the same end', async () => {
    const { access_token } = await getToken();
    endGoogleAdsGrant(context.store, 'ada@acme.example');
    expect((await list(access_token)).status).toBe(401);
  });
});

test('userinfo names the person as far as the scopes go', async () => {
  const ask = (token: string) =>
    send('https://openidconnect.googleapis.com/v1/userinfo', {
      headers: { authorization: `Bearer ${token}` },
    });
  const { access_token } = await getToken();
  expect(await (await ask(access_token)).json()).toEqual({
    sub: '100000000000000000001',
    email: 'ada@acme.example',
    email_verified: true,
  });
  const named = await getToken({ scope: 'openid profile' });
  expect(await (await ask(named.access_token)).json()).toMatchObject({ name: 'Ada Acme' });
  expect((await ask((await getToken({ scope: ADWORDS })).access_token)).status).toBe(403);
  expect((await ask('nonsense')).status).toBe(401);
});

describe('the door of the Ads API', () => {
  test('lists the customers a person opens directly, in every living version', async () => {
    const { access_token } = await getToken(OFFLINE, 'max@agency.example');
    for (const version of ['v23', 'v24', 'v25', 'v26']) {
      const response = await list(access_token, { 'login-customer-id': 'ignored' }, version);
      expect(await response.json()).toEqual({
        resourceNames: ['customers/9876543210', 'customers/4567890123'],
      });
      expect(response.headers.get('request-id')).toBeTruthy();
    }
  });

  test('answers a dead or unborn version, path or method with a page', async () => {
    const { access_token } = await getToken();
    set('retiredVersions', ['v24']);
    for (const version of ['v22', 'v24', 'v27', 'latest']) {
      const response = await list(access_token, {}, version);
      expect(response.status).toBe(404);
      expect(response.headers.get('content-type')).toContain('text/html');
    }
    const url = 'https://googleads.googleapis.com/v25/customers:listAccessibleCustomers';
    expect((await send(url, { method: 'POST', headers: headersOf(access_token) })).status).toBe(404);
    expect((await send(`${url}?pageSize=1`, { headers: headersOf(access_token) })).status).toBe(400);
  });

  test('tells a missing, an unknown and a user’s lack of a token apart', async () => {
    const url = 'https://googleads.googleapis.com/v25/customers:listAccessibleCustomers';
    expect(await failureOf(await send(url))).toBe('401 info CREDENTIALS_MISSING');
    expect(await failureOf(await list('nonsense'))).toBe('401 authenticationError OAUTH_TOKEN_INVALID');
    const { access_token } = await getToken(OFFLINE, 'noads@plain.example');
    expect(await failureOf(await list(access_token))).toBe('401 authenticationError NOT_ADS_USER');
  });

  test('wants our developer token, unless it is told to ignore it', async () => {
    const { access_token } = await getToken();
    const url = 'https://googleads.googleapis.com/v25/customers:listAccessibleCustomers';
    const bare = () => send(url, { headers: { authorization: `Bearer ${access_token}` } });
    expect(await failureOf(await bare())).toBe('400 requestError DEVELOPER_TOKEN_PARAMETER_MISSING');
    expect(await failureOf(await list(access_token, { 'developer-token': 'wrong' }))).toBe(
      '401 authenticationError DEVELOPER_TOKEN_INVALID',
    );
    set('developerToken', 'prohibited');
    expect(await failureOf(await list(access_token))).toBe(
      '403 authorizationError DEVELOPER_TOKEN_PROHIBITED',
    );
    set('developerToken', 'ignored');
    expect((await bare()).status).toBe(200);
  });

  test.each([
    ['developerToken', 'not_approved', 'DEVELOPER_TOKEN_NOT_APPROVED'],
    ['projectAccess', 'test', 'CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION'],
  ])('opens only test accounts when %s is %s', async (setting, value, code) => {
    const { access_token } = await getToken(OFFLINE, 'gil@globex.example');
    set(setting, value);
    const text = { query: 'SELECT customer.id FROM customer' };
    expect((await list(access_token)).status).toBe(200);
    expect((await query(access_token, '6789012345', text)).status).toBe(200);
    expect(await failureOf(await query(access_token, '5678901234', text))).toBe(
      `403 authorizationError ${code}`,
    );
  });

  test('wants the manager’s id where the way goes through the manager', async () => {
    const { access_token } = await getToken(OFFLINE, 'max@agency.example');
    const ask = (id: string, login?: string) =>
      query(
        access_token,
        id,
        { query: 'SELECT customer.descriptive_name FROM customer' },
        login === undefined ? {} : { 'login-customer-id': login },
      );
    expect((await ask('9876543210')).status).toBe(200);
    expect(await (await ask('2345678901', '9876543210')).json()).toMatchObject({
      results: [{ customer: { resourceName: 'customers/2345678901', descriptiveName: 'Agency Client One' } }],
    });
    const cases: [string, string | undefined, string][] = [
      ['2345678901', undefined, '403 authorizationError USER_PERMISSION_DENIED'],
      ['1234567890', undefined, '403 authorizationError USER_PERMISSION_DENIED'],
      ['2345678901', '2345678901', '403 authorizationError USER_PERMISSION_DENIED'],
      [
        '1234567890',
        '9876543210',
        '403 authorizationError INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION',
      ],
      ['2345678901', '987-654-3210', '400 headerError INVALID_LOGIN_CUSTOMER_ID'],
      ['234-567-8901', '9876543210', '400 requestError INVALID_CUSTOMER_ID'],
      ['1111111111', undefined, '401 authenticationError CUSTOMER_NOT_FOUND'],
      ['4567890123', undefined, '403 authorizationError CUSTOMER_NOT_ENABLED'],
    ];
    for (const [id, login, expected] of cases) expect(await failureOf(await ask(id, login))).toBe(expected);
  });

  test('refuses every call for what is wrong with the project, when told to', async () => {
    const { access_token } = await getToken();
    set('refusal', 'ORGANIZATION_NOT_APPROVED');
    expect(await failureOf(await list(access_token))).toBe(
      '401 authenticationError ORGANIZATION_NOT_APPROVED',
    );
    set('serviceDisabled', true);
    expect(await failureOf(await list(access_token))).toBe('403 info SERVICE_DISABLED');
  });

  test('throttles with the delay in the body and no Retry-After', async () => {
    const { access_token } = await getToken();
    set('retryDelay', 30);
    const response = await list(access_token);
    expect(response.headers.get('retry-after')).toBeNull();
    const { error } = failureSchema.parse(await response.json());
    expect(error).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' });
    expect(error.details[0]?.errors?.[0]).toMatchObject({
      errorCode: { quotaError: 'RESOURCE_EXHAUSTED' },
      details: { quotaErrorDetails: { rateScope: 'DEVELOPER', retryDelay: '30s' } },
    });
  });
});

describe('queries', () => {
  const rowsSchema = z.object({ results: z.array(z.record(z.string(), z.unknown())).default([]) });

  test('name the customer, and the customers under a manager', async () => {
    const ada = await getToken();
    const fields = [
      'id',
      'descriptive_name',
      'currency_code',
      'time_zone',
      'manager',
      'test_account',
      'status',
    ];
    const text = `SELECT ${fields.map((field) => `customer.${field}`).join(', ')} FROM customer`;
    expect(await search(ada.access_token, '1234567890', text)).toMatchObject({
      results: [
        {
          customer: {
            resourceName: 'customers/1234567890',
            id: '1234567890',
            descriptiveName: 'Acme Shop',
            currencyCode: 'EUR',
            timeZone: 'Europe/Berlin',
            manager: false,
            testAccount: false,
            status: 'ENABLED',
          },
        },
      ],
      fieldMask:
        'customer.id,customer.descriptiveName,customer.currencyCode,customer.timeZone,customer.manager,' +
        'customer.testAccount,customer.status',
    });
    const max = await getToken(OFFLINE, 'max@agency.example');
    const children = await search(
      max.access_token,
      '9876543210',
      'SELECT customer_client.client_customer, customer_client.level FROM customer_client ' +
        'WHERE customer_client.level <= 1 ORDER BY customer_client.client_customer DESC',
      { 'login-customer-id': '9876543210' },
    );
    expect(rowsSchema.parse(children).results).toMatchObject([
      { customerClient: { clientCustomer: 'customers/9876543210', level: '0' } },
      { customerClient: { clientCustomer: 'customers/3456789012', level: '1' } },
      { customerClient: { clientCustomer: 'customers/2345678901', level: '1' } },
    ]);
  });

  test('count campaigns: int64 as text, doubles as numbers, zero left out', async () => {
    const { access_token } = await getToken();
    const metrics = ['impressions', 'clicks', 'cost_micros', 'conversions', 'ctr', 'average_cpc'];
    const select = `SELECT campaign.id, campaign.name, ${metrics.map((name) => `metrics.${name}`).join(', ')}`;
    const during = 'FROM campaign WHERE segments.date DURING LAST_7_DAYS';
    const living = await search(
      access_token,
      '1234567890',
      `${select} ${during} AND campaign.status != 'REMOVED' ORDER BY metrics.cost_micros DESC LIMIT 1`,
    );
    expect(rowsSchema.parse(living).results).toEqual([
      {
        campaign: {
          resourceName: expect.stringMatching(/^customers\/1234567890\/campaigns\/\d+$/),
          id: expect.stringMatching(/^\d+$/),
          name: 'Acme Shop · Brand',
        },
        metrics: {
          impressions: expect.stringMatching(/^\d+$/),
          clicks: expect.stringMatching(/^\d+$/),
          costMicros: expect.stringMatching(/^\d+$/),
          conversions: expect.any(Number),
          ctr: 12 / 900,
          averageCpc: expect.any(Number),
        },
      },
    ]);
    const removed = await search(
      access_token,
      '1234567890',
      `SELECT campaign.name, metrics.clicks ${during} AND campaign.status IN ('REMOVED')`,
    );
    expect(rowsSchema.parse(removed).results).toEqual([{ campaign: expect.any(Object) }]);
  });

  test('give a row a day, keywords and search terms', async () => {
    const { access_token } = await getToken();
    const rows = async (text: string) =>
      rowsSchema.parse(await search(access_token, '1234567890', text)).results;
    const daily = await rows(
      "SELECT segments.date, metrics.clicks FROM customer WHERE segments.date BETWEEN '2026-11-01' AND " +
        "'2026-11-03' ORDER BY segments.date",
    );
    expect(daily.map((row) => row.segments)).toEqual(
      ['2026-11-01', '2026-11-02', '2026-11-03'].map((date) => ({ date })),
    );
    const keywords = await rows(
      'SELECT ad_group.name, ad_group_criterion.keyword.text, metrics.clicks FROM keyword_view ' +
        "WHERE segments.date DURING LAST_30_DAYS AND ad_group_criterion.keyword.text LIKE '%shop'",
    );
    expect(keywords).toMatchObject([{ adGroupCriterion: { keyword: { text: 'acme shop' } } }]);
    expect(await rows('SELECT search_term_view.search_term FROM search_term_view LIMIT 2')).toHaveLength(2);
  });

  test('come as a list of chunks from searchStream, and so do its errors', async () => {
    const { access_token } = await getToken();
    const stream = (body: object) =>
      send('https://googleads.googleapis.com/v25/customers/1234567890/googleAds:searchStream', {
        method: 'POST',
        headers: headersOf(access_token),
        body: JSON.stringify(body),
      });
    set('pageSize', 2);
    const chunks = z
      .array(rowsSchema)
      .parse(await (await stream({ query: 'SELECT campaign.id FROM campaign' })).json());
    expect(chunks.map(({ results }) => results.length)).toEqual([2, 1]);
    const empty = await stream({ query: "SELECT campaign.id FROM campaign WHERE campaign.name = 'x'" });
    expect(await empty.json()).toEqual([expect.not.objectContaining({ results: expect.anything() })]);
    const refused = await stream({ query: 'SELECT campaign.ids FROM campaign' });
    expect(refused.status).toBe(400);
    const [error] = z.array(failureSchema).parse(await refused.json());
    expect(error?.error.details[0]?.errors?.[0]?.errorCode).toEqual({ queryError: 'UNRECOGNIZED_FIELD' });
  });

  test('go on with the page token; a page size is refused', async () => {
    const { access_token } = await getToken();
    set('pageSize', 2);
    const body = { query: 'SELECT campaign.id FROM campaign' };
    const pageSchema = rowsSchema.extend({
      nextPageToken: z.string().optional(),
      totalResultsCount: z.string(),
    });
    const page = async (more: object) => {
      const all = { ...body, searchSettings: { returnTotalResultsCount: true }, ...more };
      return pageSchema.parse(await (await query(access_token, '1234567890', all)).json());
    };
    const first = await page({});
    expect(first).toMatchObject({ totalResultsCount: '3', nextPageToken: expect.any(String) });
    const second = await page({ pageToken: first.nextPageToken });
    expect(second.results).toHaveLength(1);
    expect(second.nextPageToken).toBeUndefined();
    const failed = async (more: object) =>
      failureOf(await query(access_token, '1234567890', { ...body, ...more }));
    expect(await failed({ pageSize: 10 })).toBe('400 requestError PAGE_SIZE_NOT_SUPPORTED');
    expect(await failed({ pageToken: 'x' })).toBe('400 requestError INVALID_PAGE_TOKEN');
    expect(await failed({ query: '' })).toBe('400 requestError REQUIRED_FIELD_MISSING');
    expect((await query(access_token, '1234567890', { ...body, limit: 1 })).status).toBe(400);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await query(access_token, '1234567890', body, form)).status).toBe(400);
  });

  test.each([
    ['SELECT metrics.clicks FROM customer', 'REQUESTED_METRICS_FOR_MANAGER'],
    ['SELECT campaign.id FROM campaigns', 'BAD_RESOURCE_TYPE_IN_FROM_CLAUSE'],
    ['SELECT campaign.id FROM customer', 'UNRECOGNIZED_FIELD'],
    ['SELECT campaign.id', 'EXPECTED_FROM'],
    ['campaign.id FROM campaign', 'EXPECTED_SELECT'],
    ['SELECT FROM campaign', 'UNEXPECTED_FROM_CLAUSE'],
    ['SELECT campaign.id FROM campaign WHERE', 'UNEXPECTED_END_OF_QUERY'],
    ['SELECT campaign.id FROM campaign WHERE campaign.id', 'BAD_OPERATOR'],
    ['SELECT campaign.id FROM campaign LIMIT 0', 'BAD_LIMIT_VALUE'],
    ['SELECT campaign.id FROM campaign;', 'BAD_SYMBOL'],
    ['SELECT campaign.id FROM campaign OFFSET 3', 'UNEXPECTED_INPUT'],
  ])('refuse %s with %s', async (text, code) => {
    const { access_token } = await getToken(OFFLINE, 'max@agency.example');
    const response = await query(access_token, '9876543210', { query: text });
    expect(await failureOf(response)).toBe(`400 queryError ${code}`);
  });

  test.each([
    ['DURING LAST_MILLENNIUM', 'INVALID_VALUE_WITH_DURING_OPERATOR'],
    ["= '2026-02-30'", 'INVALID_DATE_FORMAT'],
    ["BETWEEN '2026-11-03' AND '2026-11-01'", 'DATE_RANGE_TOO_NARROW'],
    [">= '2026-11-01'", 'EXPECTED_FILTERS_ON_DATE_RANGE'],
  ])('refuse the dates %s with %s', async (filter, code) => {
    const { access_token } = await getToken();
    const text = `SELECT segments.date FROM campaign WHERE segments.date ${filter}`;
    const response = await query(access_token, '1234567890', { query: text });
    expect(await failureOf(response)).toBe(`400 queryError ${code}`);
  });
});

test('remembers tokens and grants across a restart', async () => {
  const { access_token, refresh_token } = await getToken();
  google = googleAds(context);
  expect((await list(access_token)).status).toBe(200);
  expect((await refresh(refresh_token)).status).toBe(200);
  expect((await getToken({ access_type: 'offline' })).refresh_token).toBeUndefined();
});
