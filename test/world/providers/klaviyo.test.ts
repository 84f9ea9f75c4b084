import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { Simulator } from '../simulator.ts';
import { disableKlaviyoKey, klaviyo } from './klaviyo.ts';

const errorSchema = z.strictObject({
  errors: z.tuple([
    z.strictObject({
      id: z.uuid(),
      status: z.number(),
      code: z.string(),
      title: z.string(),
      detail: z.string(),
      source: z.record(z.string(), z.string()),
    }),
  ]),
});

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('klaviyo');
  simulator = klaviyo(context);
});

const issue = (options?: Record<string, string>) => keyOf(simulator, options);

/** A header given as '' is left out. */
async function call(key: string, path = '/api/accounts', headers: Record<string, string> = {}) {
  const all = {
    authorization: `Klaviyo-API-Key ${key}`,
    revision: '2026-07-15',
    accept: 'application/vnd.api+json',
    ...headers,
  };
  const kept = Object.entries(all).filter(([, value]) => value !== '');
  return simulator.fetch(new Request(`https://a.klaviyo.com${path}`, { headers: kept }));
}

async function refusal(response: Response, status: number) {
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/vnd.api+json');
  const [error] = errorSchema.parse(await response.json()).errors;
  expect(error.status).toBe(status);
  return error;
}

test('answers at a.klaviyo.com alone', () => {
  const hosts = ['a.klaviyo.com', 'klaviyo.com', 'www.klaviyo.com', 'a.klaviyo.com.evil.example'];
  expect(hosts.filter(simulator.host)).toEqual(['a.klaviyo.com']);
});

test('keys have the documented form, and belong to one account', () => {
  const [fresh, old] = [issue(), issue({ format: 'old' })];
  expect(fresh.api_key).toMatch(/^pk_[A-Za-z0-9]{6}_[0-9a-f]{34}$/);
  expect(old.api_key).toMatch(/^pk_[0-9a-f]{34}$/);
  expect(old.account).toEqual(fresh.account);
  expect([...context.secrets]).toEqual([fresh.api_key, old.api_key]);
  const other = issue({ accountId: 'XyZ987', name: 'Other Ltd' });
  expect(other.account).toEqual({ id: 'XyZ987', name: 'Other Ltd' });
  expect(() => issue({ scope: 'all' })).toThrow();
});

describe('the account', () => {
  test('is the one behind the key', async () => {
    const { api_key, account } = issue({ name: 'Acme Mail' });
    const response = await call(api_key);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      data: [
        {
          type: 'account',
          id: account.id,
          attributes: { public_api_key: account.id, contact_information: { organization_name: 'Acme Mail' } },
        },
      ],
    });
    expect((await call(api_key, `/api/accounts/${account.id}/`)).status).toBe(200);
    await refusal(await call(api_key, '/api/accounts/XyZ987'), 404);
  });

  test('wants accounts:read', async () => {
    const error = await refusal(await call(issue({ scopes: 'campaigns:read' }).api_key), 403);
    expect(error.code).toBe('permission_denied');
    expect((await call(issue({ scopes: 'accounts:write' }).api_key)).status).toBe(200);
  });
});

describe('authentication', () => {
  test('is the Klaviyo-API-Key scheme', async () => {
    const { api_key } = issue();
    expect((await refusal(await call('', '/api/accounts', { authorization: '' }), 401)).code).toBe(
      'not_authenticated',
    );
    const bearer = await call('', '/api/accounts', { authorization: `Bearer ${api_key}` });
    expect((await refusal(bearer, 401)).code).toBe('authentication_failed');
  });

  test('refuses a key that was disabled', async () => {
    const { api_key } = issue();
    disableKlaviyoKey(context.store, api_key);
    expect((await refusal(await call(api_key), 401)).code).toBe('authentication_failed');
    expect((await refusal(await call(issue({ expired: 'true' }).api_key), 401)).code).toBe(
      'authentication_failed',
    );
  });
});

describe('requests', () => {
  test('want a published revision', async () => {
    const { api_key } = issue();
    const missing = await refusal(await call(api_key, '/api/accounts', { revision: '' }), 400);
    expect(missing.source).toEqual({ parameter: 'revision' });
    for (const revision of ['2026-07-16', '2022-10-17', 'latest', '2026-07-15.pre'])
      await refusal(await call(api_key, '/api/accounts', { revision }), 404);
  });

  test('with an unknown parameter, another type or a retired path are refused', async () => {
    const { api_key } = issue();
    const error = await refusal(await call(api_key, '/api/accounts?verbose=1'), 400);
    expect(error.source).toEqual({ parameter: 'verbose' });
    await refusal(await call(api_key, '/api/accounts', { accept: 'text/html' }), 406);
    await refusal(await call(api_key, '/api/v2/lists'), 410);
    await refusal(await call(api_key, '/api/nothing'), 404);
  });

  test('for campaigns must say the channel', async () => {
    const { api_key } = issue();
    await refusal(await call(api_key, '/api/campaigns'), 400);
    const filter = encodeURIComponent("equals(messages.channel,'email')");
    expect(await (await call(api_key, `/api/campaigns?filter=${filter}`)).json()).toMatchObject({ data: [] });
  });

  test('for a page larger than allowed are refused', async () => {
    const { api_key } = issue();
    expect((await call(api_key, '/api/segments?page[size]=10')).status).toBe(200);
    await refusal(await call(api_key, '/api/segments?page[size]=11'), 400);
  });
});

describe('rate limits', () => {
  test('are told in the headers of the steady window', async () => {
    const { headers } = await call(issue().api_key);
    expect(headers.get('ratelimit-limit')).toBe('15');
    expect(headers.get('ratelimit-remaining')).toBe('14');
    expect(headers.get('ratelimit-reset')).toBe('60');
  });

  test('are the account’s, one call a second and fifteen a minute', async () => {
    context.store.set('settings.rateLimits', true);
    const [one, two] = [issue().api_key, issue().api_key];
    expect((await call(one)).status).toBe(200);
    const burst = await call(two);
    expect(burst.headers.get('retry-after')).toBe('1');
    expect(burst.headers.has('ratelimit-limit')).toBe(false);
    expect((await refusal(burst, 429)).code).toBe('throttled');
    for (let count = 0; count < 13; count++) {
      context.clock += 1000;
      expect((await call(one)).status).toBe(200);
    }
    context.clock += 1000;
    expect((await call(one)).headers.get('retry-after')).toBe('46');
  });
});

test('Cloudflare’s challenge is a 403 in HTML', async () => {
  const { api_key } = issue();
  context.store.set('settings.challenge', true);
  const response = await call(api_key);
  expect(response.status).toBe(403);
  expect(response.headers.get('cf-mitigated')).toBe('challenge');
  expect(response.headers.get('content-type')).toContain('text/html');
});
