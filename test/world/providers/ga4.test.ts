import { createPrivateKey, randomBytes } from 'node:crypto';
import { JWT } from 'google-auth-library';
import { SignJWT } from 'jose';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../support/keys.ts';
import { NOBODY, openContext, type TestContext } from '../../support/open-context.ts';
import type { IssuedKey, Simulator } from '../simulator.ts';
import type { Store } from '../store.ts';
import { deleteGa4Account, deleteGa4Key, disableGa4Key, ga4, ga4Tokens, removeGa4Access } from './ga4.ts';

const READONLY = 'https://www.googleapis.com/auth/analytics.readonly';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const AUDIENCE = 'https://oauth2.googleapis.com/token';
const DATA = 'https://analyticsdata.googleapis.com/v1beta/properties';
const ADMIN = 'https://analyticsadmin.googleapis.com/v1beta';

const keyFile = z.strictObject({
  type: z.literal('service_account'),
  project_id: z.string(),
  private_key_id: z.string().regex(/^[0-9a-f]{40}$/),
  private_key: z.string().regex(/^-{5}BEGIN PRIVATE KEY-{5}\n/),
  client_email: z.string().regex(/^reader@[\w-]+\.iam\.gserviceaccount\.com$/),
  client_id: z.string().regex(/^\d{21}$/),
  auth_uri: z.literal('https://accounts.google.com/o/oauth2/auth'),
  token_uri: z.literal(AUDIENCE),
  auth_provider_x509_cert_url: z.url(),
  client_x509_cert_url: z.url(),
  universe_domain: z.literal('googleapis.com'),
});
const tokenSchema = z.strictObject({
  access_token: z.string().startsWith('ya29.'),
  expires_in: z.literal(3599),
  token_type: z.literal('Bearer'),
});
const errorSchema = z.strictObject({ error: z.string(), error_description: z.string() });
const failureSchema = z.object({
  error: z.object({
    code: z.number(),
    message: z.string(),
    status: z.string(),
    details: z.array(z.object({ '@type': z.string(), reason: z.string().optional() })).default([]),
  }),
});
const values = z.array(z.object({ value: z.string() }));
const reportSchema = z.object({
  dimensionHeaders: z.array(z.object({ name: z.string() })).default([]),
  metricHeaders: z.array(z.object({ name: z.string(), type: z.string() })).default([]),
  rows: z
    .array(z.object({ dimensionValues: values.default([]), metricValues: values.default([]) }))
    .optional(),
  rowCount: z.number().optional(),
  totals: z.array(z.object({ metricValues: values })).optional(),
  propertyQuota: z.unknown().optional(),
});

let context: TestContext;
let google: Simulator;
let key: IssuedKey;

// One simulator for all tests, each with a store of its own: making keys takes long.
beforeAll(() => {
  const store: Store = {
    get: (name) => context.store.get(name),
    set: (name, value) => context.store.set(name, value),
    delete: (name) => context.store.delete(name),
    list: (prefix) => context.store.list(prefix),
  };
  const secret = (value: string) => context.secret(value);
  google = ga4({ store, client: NOBODY, now: () => context.clock, secret });
});

beforeEach(() => {
  context = openContext('ga4');
  context.clock = Date.UTC(2026, 10, 24, 12);
  key = issue();
});

const issue = (options?: Record<string, string>) => keyOf(google, options);
const send = async (url: string, init?: RequestInit) => google.fetch(new Request(url, init));

interface Assertion {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  by?: IssuedKey;
  signedBy?: IssuedKey;
}

function assertion({ claims = {}, header = {}, by = key, signedBy = by }: Assertion = {}) {
  const file = keyFile.parse(JSON.parse(by.api_key));
  const seconds = Math.floor(context.clock / 1000);
  const all = { iss: file.client_email, scope: READONLY, aud: AUDIENCE, iat: seconds, exp: seconds + 3600 };
  const { private_key } = keyFile.parse(JSON.parse(signedBy.api_key));
  return new SignJWT(JSON.parse(JSON.stringify({ ...all, ...claims })))
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: file.private_key_id, ...header })
    .sign(createPrivateKey(private_key));
}

const post = (form: Record<string, string>) =>
  send(AUDIENCE, { method: 'POST', body: new URLSearchParams(form) });
const exchange = async (options?: Assertion) =>
  post({ grant_type: JWT_BEARER, assertion: await assertion(options) });
const getToken = async (options?: Assertion) =>
  tokenSchema.parse(await (await exchange(options)).json()).access_token;
const refusal = async (response: Response) => {
  const { error, error_description } = errorSchema.parse(await response.json());
  return `${response.status} ${error}: ${error_description}`;
};

const get = (url: string, token: string) => send(url, { headers: { authorization: `Bearer ${token}` } });
const run = (token: string, body: object, method = 'runReport', id = '333000111') =>
  send(`${DATA}/${id}:${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const failure = async (response: Response) => failureSchema.parse(await response.json()).error;
const WEEK = { dateRanges: [{ startDate: '7daysAgo', endDate: 'yesterday' }] };
const report = async (token: string, body: object) =>
  reportSchema.parse(await (await run(token, { ...WEEK, ...body })).json());

test('claims its own hosts and, of the token endpoint, the assertions', async () => {
  const claims = (url: string, init?: RequestInit) => google.claims?.(new Request(url, init));
  const form = (grant_type: string) => ({ method: 'POST', body: new URLSearchParams({ grant_type }) });
  expect(await claims(`${DATA}/1/metadata`)).toBe(true);
  expect(await claims(`${ADMIN}/accountSummaries`)).toBe(true);
  expect(await claims(AUDIENCE, form(JWT_BEARER))).toBe(true);
  expect(await claims(AUDIENCE, form('refresh_token'))).toBe(false);
  expect(await claims(`${AUDIENCE}?grant_type=${JWT_BEARER}`)).toBe(false);
  expect(await claims('https://oauth2.googleapis.com/revoke', form(JWT_BEARER))).toBe(false);
  expect(google.host('googleads.googleapis.com')).toBe(false);
});

test('makes a key file as it is downloaded, and tells its secrets', () => {
  const file = keyFile.parse(JSON.parse(key.api_key));
  expect(key.config).toEqual({ property_id: '333000111' });
  expect(key.account).toEqual({ id: 'properties/333000111', name: 'Acme Shop' });
  expect(context.secrets).toContain(key.api_key);
  expect(context.secrets).toContain(file.private_key);
  expect(issue({ property: '98765' }).account).toEqual({ id: 'properties/98765', name: 'Property 98765' });
  expect(() => issue({ acces: 'none' })).toThrow();
});

describe('the token endpoint', () => {
  test('gives a token that lives for an hour', async () => {
    const token = await getToken();
    expect(context.secrets).toContain(token);
    expect((await get(`${DATA}/333000111/metadata`, token)).status).toBe(200);
    context.clock += 3_599_000;
    expect((await failure(await get(`${DATA}/333000111/metadata`, token))).status).toBe('UNAUTHENTICATED');
    expect(ga4Tokens(context.store, context.clock)).toMatchObject([
      { token, scopes: [READONLY], alive: false },
    ]);
  });

  test('does so for Google’s own library', async () => {
    context.clock = Date.now();
    const file = keyFile.parse(JSON.parse(key.api_key));
    const library = new JWT({
      email: file.client_email,
      key: file.private_key,
      scopes: [READONLY],
      transporterOptions: {
        fetchImplementation: async (input: string | URL | Request, init?: RequestInit) =>
          google.fetch(new Request(input, init)),
      },
    });
    const { data } = await library.request({ url: `${DATA}/333000111/metadata` });
    expect(data).toMatchObject({ name: 'properties/333000111/metadata' });
  });

  test('knows a key by its signature', async () => {
    const signature = '400 invalid_grant: Invalid JWT Signature.';
    const other = issue();
    expect(await refusal(await exchange({ signedBy: other }))).toBe(signature);
    expect(await refusal(await exchange({ header: { kid: 'f'.repeat(40) } }))).toBe(signature);
    const { private_key_id: kid } = keyFile.parse(JSON.parse(other.api_key));
    expect(await refusal(await exchange({ header: { kid }, signedBy: other }))).toBe(signature);
    const [head, body] = (await assertion()).split('.');
    const forged = `${head}.${body}.${randomBytes(256).toString('base64url')}`;
    expect(await refusal(await post({ grant_type: JWT_BEARER, assertion: forged }))).toBe(signature);
    await getToken({ header: { kid: undefined, typ: undefined } });
  });

  test('tells a disabled key from a deleted one', async () => {
    disableGa4Key(context.store, key.api_key);
    expect(await refusal(await exchange())).toBe('401 disabled_client: The OAuth client was disabled.');
    deleteGa4Key(context.store, key.api_key);
    expect(await refusal(await exchange())).toBe('400 invalid_grant: Invalid JWT Signature.');
  });

  test('no longer knows a deleted key, nor a deleted account', async () => {
    const token = await getToken();
    deleteGa4Key(context.store, key.api_key);
    expect(await refusal(await exchange())).toBe('400 invalid_grant: Invalid JWT Signature.');
    expect((await get(`${DATA}/333000111/metadata`, token)).status).toBe(200);
    deleteGa4Account(context.store, key.api_key);
    const gone = '400 invalid_grant: Invalid grant: account not found';
    expect(await refusal(await exchange())).toBe(gone);
    expect((await get(`${DATA}/333000111/metadata`, token)).status).toBe(401);
    expect(await refusal(await exchange({ claims: { iss: 'nobody@x.iam.gserviceaccount.com' } }))).toBe(gone);
  });

  test.each<[string, (now: number) => Record<string, unknown>, string]>([
    ['no iat', () => ({ iat: undefined }), 'invalid_grant: Invalid JWT: iat'],
    ['no exp', () => ({ exp: undefined }), 'invalid_grant: Invalid JWT: exp'],
    ['an hour and a second', (now) => ({ exp: now + 3601 }), 'invalid_grant: Invalid JWT: Token must be'],
    ['a clock that is fast', (now) => ({ iat: now + 301 }), 'invalid_grant: Invalid JWT: Token must be'],
    [
      'a clock that is slow',
      (now) => ({ iat: now - 3902, exp: now - 302 }),
      'invalid_grant: Invalid JWT: Token must be',
    ],
    [
      'milliseconds',
      (now) => ({ iat: now * 1000, exp: now * 1000 + 1 }),
      'invalid_grant: Invalid JWT: Token',
    ],
    ['no scope', () => ({ scope: '' }), 'invalid_scope: '],
    ['an unknown scope', () => ({ scope: `${READONLY} analytics` }), 'invalid_scope: '],
    ['another audience', () => ({ aud: `${AUDIENCE}/` }), 'invalid_grant: Invalid JWT: Failed audience'],
    ['a list of audiences', () => ({ aud: [AUDIENCE] }), 'invalid_grant: Invalid JWT: Failed audience'],
    ['an unknown claim', () => ({ jti: '1' }), 'invalid_request: Bad Request'],
    ['a date in text', () => ({ iat: '1' }), 'invalid_request: Bad Request'],
  ])('refuses an assertion with %s', async (_, claims, expected) => {
    const response = await exchange({ claims: claims(Math.floor(context.clock / 1000)) });
    expect(await refusal(response)).toContain(`400 ${expected}`);
  });

  test('forgives a clock five minutes off', async () => {
    const now = Math.floor(context.clock / 1000);
    await getToken({ claims: { iat: now + 300, exp: now + 3900 } });
    await getToken({ claims: { iat: now - 3900, exp: now - 300 } });
  });

  test('lets nobody speak for another', async () => {
    const response = await exchange({ claims: { sub: 'ada@acme.example' } });
    expect(await refusal(response)).toContain('401 unauthorized_client');
  });

  test('takes a form with the two parameters and nothing else', async () => {
    const form = { grant_type: JWT_BEARER, assertion: await assertion() };
    const json = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(form),
    };
    const cases = [
      await send(AUDIENCE, json),
      await post({ grant_type: JWT_BEARER }),
      await post({ ...form, client_id: 'x' }),
      await post({ ...form, assertion: 'a.b.c' }),
      await post({ ...form, assertion: `${form.assertion}.x` }),
    ];
    for (const response of cases) expect(await refusal(response)).toContain('400 invalid_request');
    expect((await send(AUDIENCE)).status).toBe(404);
  });
});

describe('the door of the Data API', () => {
  test('tells the three kinds of 403 apart by message and reason', async () => {
    const added =
      'User does not have sufficient permissions for this property. To learn more about Property ID';
    const stranger = await getToken({ by: issue({ access: 'none' }) });
    const closed = await failure(await get(`${DATA}/333000111/metadata`, stranger));
    expect(closed).toMatchObject({ code: 403, status: 'PERMISSION_DENIED', details: [] });
    expect(closed.message).toContain(added);
    const wrong = await failure(await get(`${DATA}/999/metadata`, await getToken()));
    expect(wrong.message).toBe(closed.message);

    const off = await getToken({ by: issue({ data_api: 'off' }) });
    const disabled = await failure(await get(`${DATA}/333000111/metadata`, off));
    expect(disabled).toMatchObject({ code: 403, status: 'PERMISSION_DENIED' });
    expect(disabled.message).toMatch(
      /^Google Analytics Data API has not been used in project \d{12} before or it is disabled\. Enable it/,
    );
    expect(disabled.details[0]?.reason).toBe('SERVICE_DISABLED');

    const edit = await getToken({ claims: { scope: 'https://www.googleapis.com/auth/analytics.edit' } });
    const narrow = await failure(await get(`${DATA}/333000111/metadata`, edit));
    expect(narrow).toMatchObject({ code: 403, details: [{ reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT' }] });
  });

  test('wants a living token', async () => {
    for (const response of [
      await send(`${DATA}/333000111/metadata`),
      await get(`${DATA}/333000111/metadata`, 'x'),
    ]) {
      expect(response.headers.get('www-authenticate')).toContain('Bearer');
      expect(await failure(response)).toMatchObject({ code: 401, status: 'UNAUTHENTICATED' });
    }
  });

  test.each(['G-ABC123', 'UA-1-1', 'abc'])('calls %s no property', async (id) => {
    const error = await failure(await get(`${DATA}/${id}/metadata`, await getToken()));
    expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
  });

  test('answers unknown paths and methods with a page', async () => {
    const token = await getToken();
    for (const path of ['333000111:runReports', '333000111']) {
      const response = await run(token, WEEK, 'x', path);
      expect(response.status).toBe(404);
      expect(response.headers.get('content-type')).toContain('text/html');
    }
    expect((await get(`${DATA}/333000111:runReport`, token)).status).toBe(404);
    expect((await get(`${DATA.replace('v1beta', 'v1')}/333000111/metadata`, token)).status).toBe(404);
    expect((await get(`${DATA}/333000111/metadata?pageSize=1`, token)).status).toBe(400);
  });

  test('loses sight of a property the account was removed from', async () => {
    const token = await getToken();
    removeGa4Access(context.store, key.api_key);
    expect((await get(`${DATA}/333000111/metadata`, token)).status).toBe(403);
  });

  test('runs out of tokens, and has them back within the hour', async () => {
    context.store.set('settings.tokensPerHour', 2);
    const token = await getToken();
    const quota = { returnPropertyQuota: true, metrics: [{ name: 'sessions' }] };
    const { propertyQuota } = await report(token, quota);
    expect(propertyQuota).toMatchObject({ tokensPerHour: { consumed: 1, remaining: 1 } });
    expect((await get(`${DATA}/333000111/metadata`, token)).status).toBe(200);
    const response = await get(`${DATA}/333000111/metadata`, token);
    expect(response.headers.get('retry-after')).toBeNull();
    expect(await failure(response)).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' });
    context.clock += 3_600_000;
    expect((await get(`${DATA}/333000111/metadata`, await getToken())).status).toBe(200);
  });
});

describe('reports', () => {
  test('describe themselves in the metadata', async () => {
    const response = await get(`${DATA}/333000111/metadata`, await getToken());
    expect(await response.json()).toMatchObject({
      name: 'properties/333000111/metadata',
      dimensions: expect.arrayContaining([
        expect.objectContaining({ apiName: 'sessionDefaultChannelGroup' }),
      ]),
      metrics: expect.arrayContaining([
        expect.objectContaining({ apiName: 'keyEvents', deprecatedApiNames: ['conversions'] }),
      ]),
    });
  });

  test('have headers, rows of text, a row count, and an order', async () => {
    const body = {
      dimensions: [{ name: 'sessionDefaultChannelGroup' }],
      metrics: [{ name: 'sessions' }, { name: 'engagementRate' }],
      orderBys: [{ metric: { metricName: 'sessions' }, desc: true }],
      metricAggregations: ['TOTAL'],
    };
    const { dimensionHeaders, metricHeaders, rows, rowCount, totals } = await report(await getToken(), body);
    expect(dimensionHeaders).toEqual([{ name: 'sessionDefaultChannelGroup' }]);
    expect(metricHeaders).toEqual([
      { name: 'sessions', type: 'TYPE_INTEGER' },
      { name: 'engagementRate', type: 'TYPE_FLOAT' },
    ]);
    expect(rows?.map((row) => row.dimensionValues[0]?.value)).toEqual(['Organic Search', 'Direct', 'Email']);
    expect(rowCount).toBe(3);
    const sum = rows?.reduce((all, row) => all + Number(row.metricValues[0]?.value), 0);
    expect(totals?.[0]?.metricValues[0]?.value).toBe(String(sum));
  });

  test('are paged by offset and limit, which are text', async () => {
    const token = await getToken();
    const body = {
      dimensions: [{ name: 'date' }],
      metrics: [{ name: 'activeUsers' }],
      orderBys: [{ dimension: { dimensionName: 'date' } }],
    };
    const all = await report(token, body);
    expect(all.rows?.map((row) => row.dimensionValues[0]?.value)).toEqual(
      ['17', '18', '19', '20', '21', '22', '23'].map((day) => `202611${day}`),
    );
    const page = await report(token, { ...body, limit: '3', offset: '5' });
    expect(page.rows).toEqual(all.rows?.slice(5));
    expect(page.rowCount).toBe(7);
    expect((await run(token, { ...WEEK, ...body, limit: 3 })).status).toBe(400);
  });

  test('leave the rows out where there are none', async () => {
    const body = {
      dimensions: [{ name: 'pagePath' }],
      metrics: [{ name: 'sessions' }],
      dimensionFilter: {
        andGroup: {
          expressions: [
            { filter: { fieldName: 'country', stringFilter: { value: 'germany' } } },
            {
              notExpression: {
                filter: { fieldName: 'pagePath', inListFilter: { values: ['/', '/pricing'] } },
              },
            },
          ],
        },
      },
    };
    const empty = await report(await getToken(), body);
    expect(empty.rows).toBeUndefined();
    expect(empty.rowCount).toBeUndefined();
  });

  test('filter by metric, and compare date ranges by a dimension of its own', async () => {
    const body = {
      dateRanges: [
        { startDate: '2026-11-01', endDate: '2026-11-07', name: 'before' },
        { startDate: '7daysAgo', endDate: 'today' },
      ],
      dimensions: [{ name: 'eventName' }],
      metrics: [{ name: 'keyEvents' }],
      metricFilter: {
        filter: {
          fieldName: 'keyEvents',
          numericFilter: { operation: 'GREATER_THAN', value: { int64Value: '30' } },
        },
      },
    };
    const { dimensionHeaders, rows } = await report(await getToken(), body);
    expect(dimensionHeaders.map(({ name }) => name)).toEqual(['eventName', 'dateRange']);
    expect(rows?.map((row) => row.dimensionValues.map(({ value }) => value))).toEqual(
      expect.arrayContaining([
        ['purchase', 'before'],
        ['purchase', 'date_range_1'],
      ]),
    );
    for (const row of rows ?? []) expect(Number(row.metricValues[0]?.value)).toBeGreaterThan(30);
  });

  test.each<[string, object]>([
    ['an unknown field', { dimension: [{ name: 'date' }] }],
    ['an unknown field within', { metrics: [{ name: 'sessions', alias: 's' }] }],
    ['an unknown dimension', { dimensions: [{ name: 'ga:date' }] }],
    ['an unknown metric', { metrics: [{ name: 'conversions' }] }],
    ['nothing to report', {}],
    ['a date of another form', { dateRanges: [{ startDate: '01.11.2026', endDate: 'today' }] }],
    ['a day that is none', { dateRanges: [{ startDate: '2026-02-30', endDate: 'today' }] }],
    ['dates the wrong way round', { dateRanges: [{ startDate: 'today', endDate: 'yesterday' }] }],
    ['five date ranges', { dateRanges: Array.from({ length: 5 }, () => WEEK.dateRanges[0]) }],
    ['ten dimensions', { dimensions: Array.from({ length: 10 }, () => ({ name: 'date' })) }],
    ['a limit of zero', { metrics: [{ name: 'sessions' }], limit: '0' }],
    ['another property', { metrics: [{ name: 'sessions' }], property: 'properties/1' }],
    [
      'an order by what is not asked',
      { metrics: [{ name: 'sessions' }], orderBys: [{ metric: { metricName: 'x' } }] },
    ],
    [
      'a broken pattern',
      {
        metrics: [{ name: 'sessions' }],
        dimensionFilter: {
          filter: { fieldName: 'date', stringFilter: { matchType: 'FULL_REGEXP', value: '(' } },
        },
      },
    ],
  ])('refuse %s', async (_, body) => {
    const error = await failure(await run(await getToken(), { ...WEEK, ...body }));
    expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
  });

  test('take JSON only', async () => {
    const response = await send(`${DATA}/333000111:runReport`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await getToken()}` },
      body: JSON.stringify({ ...WEEK, metrics: [{ name: 'sessions' }] }),
    });
    expect((await failure(response)).status).toBe('INVALID_ARGUMENT');
  });

  test('come five at once, and in real time', async () => {
    const token = await getToken();
    const one = { ...WEEK, metrics: [{ name: 'sessions' }] };
    const batch = await run(token, { requests: [one, one] }, 'batchRunReports');
    expect(await batch.json()).toMatchObject({
      reports: [{ kind: 'analyticsData#runReport' }, { rowCount: 1 }],
      kind: 'analyticsData#batchRunReports',
    });
    expect((await run(token, { requests: Array(6).fill(one) }, 'batchRunReports')).status).toBe(400);
    const now = { dimensions: [{ name: 'country' }], metrics: [{ name: 'activeUsers' }] };
    expect(await (await run(token, now, 'runRealtimeReport')).json()).toMatchObject({
      kind: 'analyticsData#runRealtimeReport',
      rowCount: 2,
    });
    expect((await run(token, { metrics: [{ name: 'sessions' }] }, 'runRealtimeReport')).status).toBe(400);
  });
});

describe('the Admin API', () => {
  test('names the property and its account', async () => {
    const token = await getToken();
    expect(await (await get(`${ADMIN}/properties/333000111`, token)).json()).toMatchObject({
      name: 'properties/333000111',
      displayName: 'Acme Shop',
      parent: 'accounts/100200',
      timeZone: 'Europe/Berlin',
      currencyCode: 'EUR',
      propertyType: 'PROPERTY_TYPE_ORDINARY',
    });
    expect(await (await get(`${ADMIN}/accountSummaries?pageSize=200`, token)).json()).toEqual({
      accountSummaries: [
        {
          name: 'accountSummaries/100200',
          account: 'accounts/100200',
          displayName: 'Acme',
          propertySummaries: [
            {
              property: 'properties/333000111',
              displayName: 'Acme Shop',
              propertyType: 'PROPERTY_TYPE_ORDINARY',
              parent: 'accounts/100200',
            },
          ],
        },
      ],
    });
  });

  test('lists key events page by page, and data streams', async () => {
    const token = await getToken();
    const list = (query: string) => get(`${ADMIN}/properties/333000111/keyEvents${query}`, token);
    const first = await (await list('?pageSize=1')).json();
    expect(first).toMatchObject({ keyEvents: [{ eventName: 'purchase' }], nextPageToken: '1' });
    const second = await (await list('?pageSize=1&pageToken=1')).json();
    expect(second).toMatchObject({ keyEvents: [{ eventName: 'sign_up', custom: true }] });
    expect(second).not.toHaveProperty('nextPageToken');
    for (const query of ['?pageSize=0', '?pageToken=x', '?limit=1']) {
      expect((await list(query)).status).toBe(400);
    }
    expect((await get(`${ADMIN}/properties/333000111/dataStreams`, token)).status).toBe(200);
  });

  test('says when it is off, and when the property is not for this account', async () => {
    const off = await getToken({ by: issue({ admin_api: 'off' }) });
    const disabled = await failure(await get(`${ADMIN}/properties/333000111`, off));
    expect(disabled.message).toContain('Google Analytics Admin API has not been used in project');
    expect(disabled.details[0]?.reason).toBe('SERVICE_DISABLED');
    expect((await get(`${DATA}/333000111/metadata`, off)).status).toBe(200);

    const stranger = await getToken({ by: issue({ access: 'none' }) });
    const denied = await failure(await get(`${ADMIN}/properties/333000111`, stranger));
    expect(denied).toMatchObject({ code: 403, message: 'The caller does not have permission', details: [] });
    expect(await (await get(`${ADMIN}/accountSummaries`, stranger)).json()).toEqual({});
    expect((await get(`${ADMIN}/properties/G-1`, stranger)).status).toBe(400);
  });
});

test('remembers accounts, keys and tokens across a restart', async () => {
  const token = await getToken();
  const again = ga4(context);
  const ask = new Request(`${DATA}/333000111/metadata`, { headers: { authorization: `Bearer ${token}` } });
  expect((await again.fetch(ask)).status).toBe(200);
  const body = new URLSearchParams({ grant_type: JWT_BEARER, assertion: await assertion() });
  expect((await again.fetch(new Request(AUDIENCE, { method: 'POST', body }))).status).toBe(200);
});
