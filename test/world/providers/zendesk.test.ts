import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { IssuedKey, Simulator } from '../simulator.ts';
import { zendesk, zendeskTokens } from './zendesk.ts';

const DAY = 86_400_000;

let context: TestContext;
let desk: Simulator;

beforeEach(() => {
  context = openContext('zendesk');
  desk = zendesk(context);
});

const issue = (options?: Record<string, string>) => keyOf(desk, options);

const basic = ({ config, api_key }: IssuedKey) => `Basic ${btoa(`${config.email}/token:${api_key}`)}`;

const get = async (
  path: string,
  authorization?: string,
  headers: Record<string, string> = {},
  method = 'GET',
) =>
  desk.fetch(
    new Request(`https://acme.zendesk.com/api/v2/${path}`, {
      method,
      headers: {
        accept: 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
        ...headers,
      },
    }),
  );

const grant = async (key: IssuedKey, more: Record<string, unknown> = {}) =>
  desk.fetch(
    new Request('https://acme.zendesk.com/oauth/tokens', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        grant_type: 'client_credentials',
        client_id: key.config.client_id,
        client_secret: key.api_key,
        scope: 'read',
        ...more,
      }),
    }),
  );

const bearer = async (key: IssuedKey, more: Record<string, unknown> = {}) => {
  const answer = z.object({ access_token: z.string() }).parse(await (await grant(key, more)).json());
  return `Bearer ${answer.access_token}`;
};

test('answers at one label under zendesk.com and nowhere else', () => {
  const hosts = [
    'acme.zendesk.com',
    'a.b.zendesk.com',
    'zendesk.com',
    '-a.zendesk.com',
    'acme.zendesk.com.evil.example',
  ];
  expect(hosts.filter(desk.host)).toEqual(['acme.zendesk.com']);
});

test('has no help desk at a subdomain nobody claimed', async () => {
  const request = new Request('https://nobody.zendesk.com/api/v2/users/me.json', {
    headers: { accept: 'application/json' },
  });
  const response = await desk.fetch(request);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { title: 'No help desk at nobody.zendesk.com' } });
});

describe('an API token', () => {
  test('has forty letters and digits and comes with what a person would fill in', () => {
    const key = issue();
    expect(key.api_key).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(key.config).toEqual({ subdomain: 'acme', email: 'agent@acme.example' });
    expect(key.account).toEqual({ id: 'acme', name: 'Acme Support' });
    expect(context.secrets).toContain(key.api_key);
    expect(issue({ subdomain: 'globex' }).account).toEqual({ id: 'globex', name: 'Globex Support' });
  });

  test.each(['users/me.json', 'users/me'])('shows its user at %s', async (path) => {
    const response = await get(path, basic(issue()));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      user: { id: expect.any(Number), email: 'agent@acme.example', role: 'admin', suspended: false },
    });
    expect(response.headers.get('x-rate-limit')).toBe('400');
  });

  test('works with the address of any agent of its own help desk', async () => {
    const { api_key } = issue();
    const as = (email: string) => get('users.json?per_page=1', `Basic ${btoa(`${email}/token:${api_key}`)}`);
    expect((await as('helper@acme.example')).status).toBe(200);
    expect((await as('stranger@acme.example')).status).toBe(401);
    expect((await get('users.json', basic(issue({ subdomain: 'globex' })))).status).toBe(401);
  });

  test('is refused without the /token suffix and as a bearer', async () => {
    const { api_key, config } = issue();
    expect((await get('users/me.json', `Basic ${btoa(`${config.email}:${api_key}`)}`)).status).toBe(401);
    expect((await get('users/me.json', `Bearer ${api_key}`)).status).toBe(401);
  });

  test('is switched off after thirty days unused', async () => {
    const authorization = basic(issue());
    context.clock += 29 * DAY;
    expect((await get('users/me.json', authorization)).status).toBe(200);
    context.clock += 29 * DAY;
    expect((await get('users/me.json', authorization)).status).toBe(200);
    context.clock += 30 * DAY;
    expect((await get('users/me.json', authorization)).status).toBe(401);
  });

  test('dies with all others when API tokens are removed', async () => {
    context.store.set('settings.apiTokensRemoved', true);
    expect((await get('users/me.json', basic(issue()))).status).toBe(401);
  });
});

describe('users/me', () => {
  test('shows a guest to somebody without credentials', async () => {
    const response = await get('users/me.json');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ user: { id: null, role: 'end-user' } });
    expect((await get('users.json?per_page=1')).status).toBe(401);
  });

  test('refuses bad credentials with the error as a string', async () => {
    const response = await get('users/me.json', `Basic ${btoa('agent@acme.example/token:wrong')}`);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="Web Password"');
    expect(await response.json()).toEqual({ error: "Couldn't authenticate you" });
  });

  test('can show the guest to bad credentials too, while other calls refuse them', async () => {
    context.store.set('settings.anonymousOnBadCredentials', true);
    const wrong = `Basic ${btoa('agent@acme.example/token:wrong')}`;
    expect(await (await get('users/me.json', wrong)).json()).toMatchObject({ user: { id: null } });
    expect((await get('users.json?per_page=1', wrong)).status).toBe(401);
  });

  test.each<Record<string, string>>([{ role: 'end-user' }, { suspended: 'true' }])(
    'knows a user who may read nothing else: %o',
    async (options) => {
      const authorization = basic(issue(options));
      expect((await get('users/me.json', authorization)).status).toBe(200);
      const response = await get('account/settings.json', authorization);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ error: { title: 'Forbidden' } });
    },
  );
});

describe('the lists', () => {
  test('page by offset', async () => {
    const response = await get('users.json?per_page=1', basic(issue()));
    const body = z
      .object({ users: z.array(z.object({ id: z.number() })), count: z.number(), next_page: z.string() })
      .parse(await response.json());
    expect(body.users).toHaveLength(1);
    expect(body.count).toBe(3);
    expect(body.next_page).toBe('https://acme.zendesk.com/api/v2/users.json?per_page=1&page=2');
  });

  test('page by cursor', async () => {
    const authorization = basic(issue());
    const schema = z.object({
      tickets: z.array(z.object({ updated_at: z.string() })),
      meta: z.object({ has_more: z.boolean() }),
      links: z.object({ next: z.string().nullable() }),
    });
    const first = schema.parse(
      await (await get('tickets.json?page[size]=2&sort=-updated_at', authorization)).json(),
    );
    expect(first.tickets.map((ticket) => ticket.updated_at)).toEqual([
      '2026-11-21T11:30:00Z',
      '2026-11-20T10:15:00Z',
    ]);
    const next = new URL(first.links.next ?? '');
    const second = schema.parse(await (await get(`tickets.json${next.search}`, authorization)).json());
    expect(second).toMatchObject({ meta: { has_more: false }, links: { next: null } });
    expect(second.tickets).toHaveLength(1);
  });

  test('name the default brand', async () => {
    expect(await (await get('brands.json', basic(issue()))).json()).toMatchObject({
      brands: [{ name: 'Acme Support', subdomain: 'acme', default: true }],
      count: 1,
    });
  });

  test.each(['users.json?limit=1', 'users.json?per_page=101', 'tickets.json?page[after]=x'])(
    'refuse %s',
    async (path) => {
      expect((await get(path, basic(issue()))).status).toBe(400);
    },
  );
});

test.each(['*/*', 'text/html'])(
  'refuses a call that accepts %s instead of JSON, in plain text',
  async (accept) => {
    const response = await get('users/me.json', basic(issue()), { accept });
    expect(response.status).toBe(415);
    expect(response.headers.get('content-type')).toContain('text/plain');
  },
);

describe('too many calls', () => {
  test('are answered in plain text with Retry-After when told to', async () => {
    context.store.set('settings.retryAfter', 17);
    const response = await get('users/me.json', basic(issue()));
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('17');
    expect(response.headers.get('content-type')).toContain('text/plain');
  });

  test('are counted by the minute', async () => {
    context.store.set('settings.rateLimit', 1);
    const authorization = basic(issue());
    expect((await get('users/me.json', authorization)).status).toBe(200);
    expect((await get('users/me.json', authorization)).headers.get('retry-after')).toBe('60');
    context.clock += 60_000;
    expect((await get('users/me.json', authorization)).status).toBe(200);
  });
});

describe('an OAuth client', () => {
  test('gets a bearer token that acts as its user', async () => {
    const key = issue({ kind: 'oauth_client' });
    expect(Object.keys(key.config)).toEqual(['subdomain', 'client_id']);
    const response = await grant(key);
    const answer = z.record(z.string(), z.unknown()).parse(await response.json());
    expect(answer).toEqual({ access_token: expect.any(String), token_type: 'bearer', scope: 'read' });
    expect(context.secrets).toContain(answer.access_token);
    const me = await get('users/me.json', `Bearer ${String(answer.access_token)}`);
    expect(await me.json()).toMatchObject({ user: { email: 'agent@acme.example' } });
  });

  test('gets a token that ends when it asked', async () => {
    const key = issue({ kind: 'oauth_client' });
    const authorization = await bearer(key, { expires_in: 600 });
    context.clock += 599_000;
    expect((await get('users.json', authorization)).status).toBe(200);
    context.clock += 1_000;
    expect((await get('users.json', authorization)).status).toBe(401);
  });

  test.each<[Record<string, unknown>, number, string]>([
    [{ client_secret: 'wrong' }, 401, 'invalid_client'],
    [{ client_id: 'other' }, 401, 'invalid_client'],
    [{ grant_type: 'password' }, 400, 'unsupported_grant_type'],
    [{ scope: 'everything' }, 400, 'invalid_scope'],
    [{ scope: undefined, scopes: ['read'] }, 400, 'invalid_request'],
    [{ expires_in: 300 }, 400, 'invalid_request'],
    [{ expires_in: 172_800 }, 400, 'invalid_request'],
  ])('is refused with %o', async (more, status, error) => {
    const response = await grant(issue({ kind: 'oauth_client' }), more);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error });
  });

  test('must send JSON', async () => {
    const request = new Request('https://acme.zendesk.com/oauth/tokens', {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    expect((await desk.fetch(request)).status).toBe(415);
  });

  test('can read only what its scope names', async () => {
    const authorization = await bearer(issue({ kind: 'oauth_client' }), { scope: 'tickets:read' });
    expect((await get('tickets.json', authorization)).status).toBe(200);
    expect((await get('users.json', authorization)).status).toBe(403);
  });

  test('can look at and end the token in use', async () => {
    const authorization = await bearer(issue({ kind: 'oauth_client' }));
    const current = await (await get('oauth/tokens/current.json', authorization)).json();
    expect(current).toMatchObject({ token: { scopes: ['read'], expires_at: null } });
    expect(JSON.stringify(current)).not.toContain(authorization.slice('Bearer '.length));
    expect((await get('oauth/tokens/current.json', authorization, {}, 'DELETE')).status).toBe(204);
    expect((await get('oauth/tokens/current.json', authorization, {}, 'DELETE')).status).toBe(401);
    expect(zendeskTokens(context.store).map(({ alive }) => alive)).toEqual([false]);
  });

  test('can end another of its tokens by number', async () => {
    const key = issue({ kind: 'oauth_client' });
    const first = await bearer(key);
    const second = await bearer(key);
    const schema = z.object({ token: z.object({ id: z.number() }) });
    const { token } = schema.parse(await (await get('oauth/tokens/current.json', first)).json());
    expect((await get(`oauth/tokens/${token.id}.json`, second, {}, 'DELETE')).status).toBe(204);
    expect((await get('users.json', first)).status).toBe(401);
    expect((await get('users.json', second)).status).toBe(200);
  });
});
