import { afterEach, describe, expect, test } from 'vitest';
import { connect, connectWithNewKey, issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson, newTeam, type Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { loggedTrips, tripsOf, until } from '../../support/trips.ts';
import { readVectors } from '../../support/vectors.ts';
import { expireStripeKey } from '../../world/providers/stripe.ts';

const world = await openWorld();
afterEach(() => world.reset());

const CONNECT = '/api/connectors/connect';

/** The rows that a person has left anywhere. */
async function rowsOf(person: Person): Promise<Record<string, unknown> | undefined> {
  const [row] = await sql(
    world,
    `select (select count(*)::int from connections where user_id = $1) as connections,
       (select count(*)::int from data_keys where tenant_id = $1) as data_keys,
       (select count(*)::int from revocations where user_id = $1) as revocations,
       (select count(*)::int from audit_log where user_id = $1) as audited`,
    [person.id],
  );
  return row;
}

/** Stripe keeps silent for longer than anybody waits; the other tests run meanwhile. */
async function begin() {
  const person = await newPerson(world);
  world.gateway.misbehave({ provider: 'stripe', times: 1, delay: 11_000 });
  const began = Date.now();
  const answer = connect(person.at, 'stripe', issueKey(world, 'stripe')).then((reply) => ({
    reply,
    seconds: (Date.now() - began) / 1000,
  }));
  await until(() => world.gateway.calls[0]);
  world.reset();
  return { person, answer };
}
const silence = await begin();

const NOTHING = { connections: 0, data_keys: 0, revocations: 0, audited: 0 };

describe('a key that works', () => {
  test('of Stripe connects, and the answer is the connection and not the key', async () => {
    const person = await newPerson(world);
    const { key, reply } = await connectWithNewKey(world, person.at, 'stripe');
    expect(reply.body).toEqual({
      id: expect.any(String),
      provider: 'stripe',
      type: 'api_key',
      status: 'connected',
      brand_id: null,
      account: key.account,
      scopes: [],
      missing_scopes: [],
      config: {},
      tools: ['reeve_revenue'],
      webhooks: { status: 'active', events: expect.any(Array), last_received_at: null, error: null },
      expires_at: null,
      reauthorize_by: null,
      last_refreshed_at: null,
      last_error: null,
      connected_at: expect.stringMatching(/Z$/),
      updated_at: expect.stringMatching(/Z$/),
    });
    expect(reply.body.id, 'UUIDv7').toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(reply.text).not.toContain(key.api_key.slice(-8));
    const [row] = await sql(
      world,
      `select encode(credential, 'escape') as credential from connections where user_id = $1`,
      [person.id],
    );
    expect(row?.credential).not.toContain(key.api_key.slice(-8));
  });

  test('of Zendesk connects to the help desk that it opens', async () => {
    const person = await newPerson(world);
    const { key, reply } = await connectWithNewKey(world, person.at, 'zendesk');
    expect(reply.body).toMatchObject({
      provider: 'zendesk',
      type: 'api_key',
      status: 'connected',
      account: { id: 'acme' },
      config: key.config,
      tools: ['reeve_support'],
    });
    expect(reply.text).not.toContain(key.api_key.slice(-8));
  });

  test.each([
    ['restricted', 'test'],
    ['restricted', 'live'],
    ['secret', 'test'],
    ['secret', 'live'],
  ])('of Stripe may be a %s key in %s mode', async (kind, mode) => {
    const person = await newPerson(world);
    const { reply } = await connectWithNewKey(world, person.at, 'stripe', { key: { kind, mode } });
    expect(reply.body.status).toBe('connected');
  });

  test('of Stripe without the permission for the account connects by the account that the refusal names', async () => {
    const person = await newPerson(world);
    const { key, reply } = await connectWithNewKey(world, person.at, 'stripe', { key: { account: 'false' } });
    expect(reply.body.account).toEqual({ id: key.account.id, name: null });
    expect(reply.body.missing_scopes).toEqual(['rak_accounts_kyc_basic_read']);
  });

  test.each([
    ['a line break', '', '\r\n'],
    ['blanks', '  ', ' \t'],
    ['a no-break space', '\u00a0', '\u00a0'],
    ['a byte order mark', '\ufeff', ''],
  ])('is taken with %s around it, as pasting brings it', async (_, before, after) => {
    const person = await newPerson(world);
    const key = issueKey(world, 'stripe');
    const pasted = { ...key, api_key: before + key.api_key + after };
    expect((await connect(person.at, 'stripe', pasted)).status).toBe(201);
    expect((await person.at.post('/api/connectors/stripe/test')).body.status).toBe('connected');
  });
});

describe('connecting again', () => {
  test('to the same account keeps the connection and takes the new key', async () => {
    const person = await newPerson(world);
    const first = await connectWithNewKey(world, person.at, 'stripe');
    expireStripeKey(world.store('stripe'), first.key.api_key);
    const again = await connect(person.at, 'stripe', issueKey(world, 'stripe'));
    expect(again.status, again.text).toBe(200);
    expect(again.body).toMatchObject({ id: first.reply.body.id, status: 'connected', last_error: null });
    expect((await person.at.post('/api/connectors/stripe/test')).body.status).toBe('connected');
    expect((await rowsOf(person))?.connections).toBe(1);
  });

  test.each(['stripe', 'zendesk'] as const)(
    'to another account of %s is refused, and the old credential stays as it was',
    async (provider) => {
      const person = await newPerson(world);
      const first = await connectWithNewKey(world, person.at, provider);
      const before = await sql(world, 'select * from connections where user_id = $1', [person.id]);
      const other = issueKey(
        world,
        provider,
        provider === 'stripe' ? { name: 'Other' } : { subdomain: 'globex' },
      );
      const refused = await connect(person.at, provider, other);
      expect([refused.status, refused.body.code]).toEqual([409, 'account_mismatch']);
      expect(refused.text, 'names no account').not.toContain(first.key.account.id);
      expect(await sql(world, 'select * from connections where user_id = $1', [person.id])).toEqual(before);
      const still = await person.at.post(`/api/connectors/${provider}/test`);
      expect(still.body).toMatchObject({ status: 'connected', account: { id: first.key.account.id } });
    },
  );

  test.each(['stripe', 'zendesk'] as const)(
    'to another account of %s replaces it when told to',
    async (provider) => {
      const person = await newPerson(world);
      await connectWithNewKey(world, person.at, provider);
      const other = issueKey(
        world,
        provider,
        provider === 'stripe' ? { name: 'Other' } : { subdomain: 'globex' },
      );
      const replaced = await connect(person.at, provider, other, { replace: true });
      expect(replaced.status, replaced.text).toBe(200);
      expect(replaced.body.account.id).toBe(other.account.id);
      expect(replaced.body.config).toEqual(other.config);
      const works = await person.at.post(`/api/connectors/${provider}/test`);
      expect(works.body).toMatchObject({ status: 'connected', account: { id: other.account.id } });
    },
  );

  test('with a key that is refused leaves the old one as it was', async () => {
    const person = await newPerson(world);
    const first = await connectWithNewKey(world, person.at, 'stripe');
    const before = await sql(world, 'select * from connections where user_id = $1', [person.id]);
    const dead = issueKey(world, 'stripe', { expired: 'true' });
    expect((await connect(person.at, 'stripe', dead, { replace: true })).status).toBe(422);
    expect(await sql(world, 'select * from connections where user_id = $1', [person.id])).toEqual(before);
    const still = await person.at.post('/api/connectors/stripe/test');
    expect(still.body).toMatchObject({ status: 'connected', account: first.key.account });
  });
});

describe('a key that cannot be one', () => {
  const real = issueKey(world, 'stripe').api_key;
  const long = 'a'.repeat(100_000);
  test.each<[string, unknown, number]>([
    ['empty', '', 422],
    ['blank', '  \n ', 422],
    ['of another provider', 'ghp_0123456789012345678901234567890123456789', 422],
    ['cut short', 'rk_test_short', 422],
    ['of an unknown mode', real.replace('_test_', '_prod_'), 422],
    ['with NUL in it', `${real}\0`, 422],
    ['with NUL in the middle', real.replace('_test_', '_te\0st_'), 422],
    ['with CR LF in the middle', `${real}\r\nX-Evil: 1`, 422],
    ['with a lone surrogate', `${real}\ud800`, 422],
    ['in full-width letters', real.replace('rk', 'ｒｋ'), 422],
    ['with a blank in the middle', real.replace('_test_', '_test_ '), 422],
    ['with a right-to-left mark', `\u200f${real}`, 422],
    ['twice', `${real} ${real}`, 422],
    ['too long', `rk_test_${'a'.repeat(300)}`, 422],
    ['of 100 kB', `rk_test_${long}`, 413],
    ['an object', { key: real }, 422],
    ['an array', [real], 400],
    ['a number', 12_345, 400],
    ['a boolean', true, 400],
    ['null', null, 400],
    ['missing', undefined, 400],
  ])('is refused without asking anybody: %s', async (_, key, status) => {
    const person = await newPerson(world);
    const reply = await person.at.post(CONNECT, { body: { provider: 'stripe', api_key: key } });
    expect(reply.status, reply.text).toBe(status);
    if (status === 422) expect(reply.body.code).toBe('invalid_credential');
    if (status === 400) expect(reply.body.errors[0].path).toBe('api_key');
    expect((await loggedTrips(world, reply)).provider).toBe(0);
    expect(world.gateway.calls).toEqual([]);
    expect(await rowsOf(person)).toEqual(NOTHING);
  });

  test.each([
    ['pk_', 'pk_live_51aBcDeFgHiJkLmNoPqRsTuVwXyZ', 'publishable key'],
    ['whsec_', 'whsec_0123456789abcdef0123456789abcdef', 'webhook signing secret'],
    ['sk_org_', 'sk_org_live_51aBcDeFgHiJkLmNoPqRsTuVwXyZ', 'organization key'],
    ['pk_, pasted with blanks,', ' pk_test_51aBcDeFgHiJkLmNoPqRsTuVwXyZ\n', 'publishable key'],
  ])('is told from the right one in words: %s', async (_, key, words) => {
    const reply = await world.ada.post(CONNECT, { body: { provider: 'stripe', api_key: key } });
    expect([reply.status, reply.body.code]).toEqual([422, 'invalid_credential']);
    expect(reply.body.detail).toContain(words);
    expect(reply.body.detail).toContain('rk_');
    expect(reply.text).not.toContain(key.trim());
    expect(world.gateway.calls).toEqual([]);
  });
});

describe('a key that the provider refuses', () => {
  test.each([
    [
      'an unknown one of Stripe',
      'stripe',
      () => ({ ...issueKey(world, 'stripe'), api_key: `rk_test_${'a'.repeat(99)}` }),
    ],
    ['an expired one of Stripe', 'stripe', () => issueKey(world, 'stripe', { expired: 'true' })],
    [
      'an unknown one of Zendesk',
      'zendesk',
      () => ({ ...issueKey(world, 'zendesk'), api_key: 'a'.repeat(40) }),
    ],
    [
      'one of another help desk',
      'zendesk',
      () => ({
        ...issueKey(world, 'zendesk', { subdomain: 'globex' }),
        config: issueKey(world, 'zendesk').config,
      }),
    ],
    [
      'an end user’s',
      'zendesk',
      () => issueKey(world, 'zendesk', { email: 'end@acme.example', role: 'end-user' }),
    ],
    [
      'a suspended agent’s',
      'zendesk',
      () => issueKey(world, 'zendesk', { email: 'gone@acme.example', suspended: 'true' }),
    ],
    [
      'one for a help desk that does not exist',
      'zendesk',
      () => ({
        ...issueKey(world, 'zendesk'),
        config: { subdomain: 'nobody-here', email: 'agent@acme.example' },
      }),
    ],
  ] as const)('is refused to the person, and nothing is stored: %s', async (_, provider, make) => {
    const person = await newPerson(world);
    const key = make();
    const reply = await connect(person.at, provider, key);
    expect([reply.status, reply.body.code], reply.text).toEqual([422, 'invalid_credential']);
    expect(reply.text).not.toContain(key.api_key);
    expect(world.gateway.calls).toHaveLength(1);
    expect(await rowsOf(person)).toEqual(NOTHING);
  });

  test('is refused though Zendesk answers 200 with a guest', async () => {
    const person = await newPerson(world);
    const store = world.store('zendesk');
    store.set('settings.anonymousOnBadCredentials', true);
    const reply = await connect(person.at, 'zendesk', {
      ...issueKey(world, 'zendesk'),
      api_key: 'b'.repeat(40),
    });
    store.delete('settings.anonymousOnBadCredentials');
    expect([reply.status, reply.body.code]).toEqual([422, 'invalid_credential']);
    expect(await rowsOf(person)).toEqual(NOTHING);
  });
});

describe('a request that does not fit', () => {
  const stripe = { provider: 'stripe', api_key: issueKey(world, 'stripe').api_key };
  const zendesk = issueKey(world, 'zendesk');
  const withConfig = (config: unknown) => ({ provider: 'zendesk', api_key: zendesk.api_key, config });

  test.each<[string, unknown, number, string]>([
    ['a provider that signs in, GitHub', { provider: 'github', api_key: 'ghp_x' }, 422, 'wrong_auth_method'],
    [
      'a provider that signs in, Shopify',
      { provider: 'shopify', api_key: 'shpat_x' },
      422,
      'wrong_auth_method',
    ],
    ['a provider nobody has', { provider: 'nobody', api_key: 'x' }, 404, 'unknown_provider'],
    ['a provider’s name in capitals', { ...stripe, provider: 'Stripe' }, 404, 'unknown_provider'],
    ['a member of every object', { ...stripe, provider: 'constructor' }, 404, 'unknown_provider'],
    ['a prototype', { ...stripe, provider: '__proto__' }, 404, 'unknown_provider'],
    ['no provider', { api_key: stripe.api_key }, 400, 'invalid_request'],
    ['a provider in a list', { ...stripe, provider: ['stripe'] }, 400, 'invalid_request'],
    ['a word for replace', { ...stripe, replace: 'true' }, 400, 'invalid_request'],
    ['a member we do not know', { ...stripe, brand_id: 'x' }, 400, 'invalid_request'],
    ['config as a text', { ...stripe, config: 'x' }, 400, 'invalid_request'],
    ['config as a list', { ...stripe, config: [] }, 400, 'invalid_request'],
  ])('is refused: %s', async (_, body, status, code) => {
    const person = await newPerson(world);
    const reply = await person.at.post(CONNECT, { body });
    expect([reply.status, reply.body.code], reply.text).toEqual([status, code]);
    expect(world.gateway.calls).toEqual([]);
    expect(await rowsOf(person)).toEqual(NOTHING);
  });

  test.each<[string, unknown, string | RegExp]>([
    ['no config', undefined, 'config.subdomain'],
    ['no subdomain', { email: zendesk.config.email }, 'config.subdomain'],
    ['no e-mail', { subdomain: 'acme' }, /^config\./],
    ['an e-mail that is none', { subdomain: 'acme', email: 'agent' }, 'config.email'],
    ['an e-mail with a colon', { subdomain: 'acme', email: 'a:b@acme.example' }, 'config.email'],
    ['an e-mail with a line break', { subdomain: 'acme', email: 'a@acme.example\r\nX: 1' }, 'config.email'],
    ['an e-mail with other letters', { subdomain: 'acme', email: 'ä@acme.example' }, 'config.email'],
    ['a subdomain in a list', { ...zendesk.config, subdomain: ['acme'] }, 'config.subdomain'],
    ['a number as subdomain', { ...zendesk.config, subdomain: 1 }, 'config.subdomain'],
    ['a setting that Zendesk has not', { ...zendesk.config, host: 'evil.com' }, 'config.host'],
    ['a setting of every object', { ...zendesk.config, constructor: 'x' }, 'config.constructor'],
  ])('is refused with the path of what is wrong: %s', async (_, config, path) => {
    const reply = await world.ada.post(CONNECT, { body: withConfig(config) });
    expect([reply.status, reply.body.code], reply.text).toEqual([400, 'invalid_request']);
    expect(reply.body.errors.map((error: { path: string }) => error.path)).toContainEqual(
      typeof path === 'string' ? path : expect.stringMatching(path),
    );
    expect(world.gateway.calls).toEqual([]);
  });
});

describe('the host of a customer', () => {
  const rows = readVectors<{ subdomainInputs: { input: string; required: string }[] }>('ssrf-hosts.json');
  const own = [
    ...[
      'evil.com#',
      'evil.com/',
      'a@evil.com/',
      '..',
      'acme.',
      '-acme',
      'acme.zendesk.com',
      'ACME',
      'acme\n',
    ],
    ...[
      'acm\u00e9',
      '127.0.0.1',
      '[::1]',
      '',
      '__proto__',
      'a'.repeat(64),
      '//evil.com#',
      'acme\0',
      'acme_1',
    ],
  ].map((input) => ({ input, required: 'reject' }));
  const others = ['localhost', 'xn--acm-dma', '2130706433', 'a'.repeat(63)].map((input) => ({
    input,
    required: 'accept',
  }));
  const pasted = [
    ...['https://evil.com/acme.zendesk.com', 'https://acme.zendesk.com.evil.com', 'http://acme.zendesk.com'],
    ...['https://acme.zendesk.com@evil.com', 'https://a@acme.zendesk.com', 'https://acme.zendesk.com:444/'],
    ...['https://evil.com#.zendesk.com', 'https://evil.com\\.zendesk.com', 'https://acme.zendesk.com#/'],
  ].map((input) => ({ input, required: 'reject' }));
  const inputs = [...(rows?.subdomainInputs ?? [...own, ...others]), ...pasted];
  const ask = (subdomain: string) =>
    connect(world.ada, 'zendesk', issueKey(world, 'zendesk'), {
      config: { subdomain, email: 'agent@acme.example' },
    });

  test.each(inputs.filter(({ required }) => required === 'reject'))(
    'is refused before any call: $input',
    async ({ input }) => {
      const reply = await ask(input);
      expect(reply.status, reply.text).toBe(400);
      expect(reply.body.errors[0].path).toBe('config.subdomain');
      expect(world.gateway.calls).toEqual([]);
      expect((await loggedTrips(world, reply)).provider).toBe(0);
    },
  );

  test.each(inputs.filter(({ required }) => required === 'accept'))(
    'stays in Zendesk’s zone: $input',
    async ({ input }) => {
      const reply = await ask(input);
      expect([reply.status, reply.body.code], 'there is no such help desk').toEqual([
        422,
        'invalid_credential',
      ]);
      expect(world.gateway.calls.map(({ host }) => host)).toEqual([`${input}.zendesk.com`]);
      expect((await loggedTrips(world, reply)).provider).toBe(1);
    },
  );

  test.each(['https://acme.zendesk.com/agent', 'https://acme.zendesk.com', 'https://acme.zendesk.com/'])(
    'may be pasted as the browser shows it: %s',
    async (subdomain) => {
      const person = await newPerson(world);
      const key = issueKey(world, 'zendesk');
      const reply = await connect(person.at, 'zendesk', { ...key, config: { ...key.config, subdomain } });
      expect(reply.status, reply.text).toBe(201);
      expect(reply.body.account.id).toBe('acme');
      expect(reply.body.config.subdomain).toBe('acme');
      expect(new Set(world.gateway.calls.map(({ host }) => host))).toEqual(new Set(['acme.zendesk.com']));
    },
  );
});

describe('a provider that misbehaves', () => {
  const html = { 'content-type': 'text/html' };
  const json = { 'content-type': 'application/json' };
  const megabyte = JSON.stringify({ id: 'acct_0123456789abcdef', filler: 'x'.repeat(1_000_000) });
  test.each([
    [
      'a 500',
      { respond: { status: 500, headers: json, body: '{"error":{"message":"boom secret-upstream-text"}}' } },
    ],
    ['a 503 page', { respond: { status: 503, headers: html, body: '<h1>secret-upstream-text</h1>' } }],
    ['a page at 200', { respond: { status: 200, headers: html, body: '<h1>Welcome</h1>' } }],
    ['nothing at 200', { respond: { status: 200 } }],
    ['nothing at 204', { respond: { status: 204 } }],
    [
      'half an answer',
      { respond: { status: 200, headers: json, body: '{"id":"acct_0123456789abcdef","em' } },
    ],
    ['a list', { respond: { status: 200, headers: json, body: '[{"id":"acct_0123456789abcdef"}]' } }],
    ['null', { respond: { status: 200, headers: json, body: 'null' } }],
    ['an account without an id', { respond: { status: 200, headers: json, body: '{"id":null}' } }],
    ['an id of another kind', { respond: { status: 200, headers: json, body: '{"id":"cus_123"}' } }],
    ['a megabyte', { respond: { status: 200, headers: json, body: megabyte } }],
    ['a redirect', { respond: { status: 302, headers: { location: 'https://evil.example/v1/account' } } }],
    [
      'a permanent redirect home',
      { respond: { status: 308, headers: { location: 'https://api.stripe.com/v1/account' } } },
    ],
    [
      'a refusal of the version',
      { respond: { status: 400, headers: json, body: '{"error":{"message":"Invalid Stripe API version"}}' } },
    ],
    ['a broken connection', { drop: 'before' as const }],
    ['a lost answer', { drop: 'after' as const }],
  ])('with %s is a 502, and nothing is stored', async (_, fault) => {
    const person = await newPerson(world);
    world.gateway.misbehave({ provider: 'stripe', ...fault });
    const reply = await connect(person.at, 'stripe', issueKey(world, 'stripe'));
    expect([reply.status, reply.body.code], reply.text).toEqual([502, 'provider_error']);
    expect(reply.text).not.toContain('secret-upstream-text');
    expect(world.gateway.calls, 'asked once, and nobody else').toHaveLength(1);
    expect(world.kms.calls).toEqual([]);
    expect(await rowsOf(person)).toEqual(NOTHING);
  });

  const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();
  test.each<[string, () => string | undefined, number, number]>([
    ['in seconds', () => '17', 17, 17],
    ['as a date', () => inSeconds(90), 80, 91],
    ['in the past', () => inSeconds(-90), 60, 60],
    ['that is missing', () => undefined, 60, 60],
    ['that is no time', () => 'soon', 60, 60],
    ['that is negative', () => '-5', 60, 60],
    ['of a year', () => '31536000', 60, 60],
  ])('with a 429 and a Retry-After %s is a 503 that says when', async (_, header, least, most) => {
    const person = await newPerson(world);
    const value = header();
    world.gateway.misbehave({
      provider: 'stripe',
      respond: { status: 429, headers: value === undefined ? {} : { 'retry-after': value }, body: '{}' },
    });
    const reply = await connect(person.at, 'stripe', issueKey(world, 'stripe'));
    expect([reply.status, reply.body.code]).toEqual([503, 'unavailable']);
    const seconds = Number(reply.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(least);
    expect(seconds).toBeLessThanOrEqual(most);
    expect(await rowsOf(person)).toEqual(NOTHING);
  });

  test('with Zendesk’s own 429 is a 503 that says when', async () => {
    const person = await newPerson(world);
    const store = world.store('zendesk');
    store.set('settings.retryAfter', 42);
    const reply = await connect(person.at, 'zendesk', issueKey(world, 'zendesk'));
    store.delete('settings.retryAfter');
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '42']);
    expect(await rowsOf(person)).toEqual(NOTHING);
  });

  test('by silence is a 504, and nothing is stored', async () => {
    const { reply, seconds } = await silence.answer;
    expect([reply.status, reply.body.code]).toEqual([504, 'provider_timeout']);
    expect(seconds).toBeLessThan(10.9);
    expect(await rowsOf(silence.person)).toEqual(NOTHING);
  });
});

describe('a fault of our own', () => {
  test.each([
    ['KMS is down', () => world.kms.faults.down(true)],
    ['KMS throttles', () => world.kms.faults.throttle(20)],
    ['KMS fails inside', () => world.kms.faults.fail(20, 'KMSInternalException')],
    ['the key at KMS is pending deletion', () => world.kms.faults.fail(20, 'KMSInvalidStateException')],
    ['the key at KMS is disabled', () => world.kms.faults.disable('alias/reeve-connectors', true)],
    ['PostgreSQL is down', () => world.neon.faults.down(true)],
    [
      'PostgreSQL is down for writing',
      () => world.neon.faults.failNext(20, { after: false, match: /insert into connections/ }),
    ],
  ])('says 503 with Retry-After and stores nothing: %s', async (_, fault) => {
    const person = await newPerson(world);
    const key = issueKey(world, 'stripe');
    fault();
    const reply = await connect(person.at, 'stripe', key);
    expect([reply.status, reply.body.code], reply.text).toEqual([503, 'unavailable']);
    expect(reply.text).not.toMatch(/kms|postgres|insert|neon/i);
    world.reset();
    expect(await rowsOf(person)).toEqual(NOTHING);
    expect((await connect(person.at, 'stripe', key)).status, 'and works afterwards').toBe(201);
  });

  test('is got over where it is short: KMS throttles once', async () => {
    const person = await newPerson(world);
    world.kms.faults.throttle(1);
    await connectWithNewKey(world, person.at, 'stripe');
    expect(world.kms.calls.map(({ ok }) => ok)).toEqual([false, true]);
  });

  test('is got over where it is short: PostgreSQL breaks one connection', async () => {
    const person = await newPerson(world);
    world.neon.faults.failNext(1, { after: false });
    await connectWithNewKey(world, person.at, 'stripe');
    expect((await rowsOf(person))?.connections).toBe(1);
  });

  test('does not keep a team with a warm key from connecting: KMS is down', async () => {
    const team = await newTeam(world);
    const person = await newPerson(world, { teams: [team.id] });
    await connectWithNewKey(world, person.at, 'stripe');
    world.kms.faults.down(true);
    await connectWithNewKey(world, person.at, 'stripe', { brand: team.brand });
    expect((await person.at.post('/api/connectors/stripe/test')).body.status).toBe('connected');
  });

  test.each([1, 2])(
    'makes one connection where the acknowledgement of the write is lost %i times',
    async (times) => {
      const person = await newPerson(world);
      world.neon.faults.failNext(times, { after: true, match: /insert into connections/ });
      const { reply } = await connectWithNewKey(world, person.at, 'stripe');
      expect(await rowsOf(person)).toMatchObject({ connections: 1, data_keys: 1 });
      const works = await person.at.post('/api/connectors/stripe/test');
      expect(works.body).toMatchObject({ id: reply.body.id, status: 'connected' });
    },
  );

  test('replaces once where the acknowledgement of the write is lost', async () => {
    const person = await newPerson(world);
    const { key } = await connectWithNewKey(world, person.at, 'stripe');
    world.neon.faults.failNext(1, { after: true, match: /insert into connections/ });
    const again = await connect(person.at, 'stripe', key);
    expect(again.status, again.text).toBe(200);
    expect((await person.at.post('/api/connectors/stripe/test')).body.status).toBe('connected');
  });
});

describe('at once', () => {
  test('twenty connects of one key leave one connection that works', async () => {
    const person = await newPerson(world);
    const key = issueKey(world, 'stripe');
    const replies = await Promise.all(Array.from({ length: 20 }, () => connect(person.at, 'stripe', key)));
    for (const reply of replies) expect([201, 200, 'in_progress']).toContain(reply.body.code ?? reply.status);
    expect(replies.some(({ status }) => status < 300)).toBe(true);
    expect(await rowsOf(person)).toMatchObject({ connections: 1, data_keys: 1 });
    const works = await person.at.post('/api/connectors/stripe/test');
    expect(works.body.status).toBe('connected');
    const ids = replies.flatMap(({ status, body }) => (status < 300 ? [body.id] : []));
    expect(new Set(ids), 'every one that succeeded tells of the one that stands').toEqual(
      new Set([works.body.id]),
    );
  });

  test('two accounts in a race leave one of them, whole', async () => {
    const person = await newPerson(world);
    const keys = ['One', 'Two'].map((name) => issueKey(world, 'stripe', { name }));
    const replies = await Promise.all(keys.map((key) => connect(person.at, 'stripe', key)));
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 409]);
    const winner = keys[replies.findIndex(({ status }) => status === 201)];
    const works = await person.at.post('/api/connectors/stripe/test');
    expect(works.body).toMatchObject({ status: 'connected', account: winner?.account });
  });

  test('the first connects of a team make one data key, which all of them use', async () => {
    const team = await newTeam(world);
    const people = await Promise.all(Array.from({ length: 4 }, () => newPerson(world, { teams: [team.id] })));
    const key = issueKey(world, 'stripe');
    const replies = await Promise.all(
      people.map(({ at }) => connect(at, 'stripe', key, { brand: team.brand })),
    );
    expect(replies.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    const keys = await sql(world, 'select id from data_keys where tenant_id = $1', [team.id]);
    const used = await sql(world, 'select distinct data_key_id as id from connections where tenant_id = $1', [
      team.id,
    ]);
    expect(keys).toHaveLength(1);
    expect(used).toEqual(keys);
    for (const { at } of people) {
      const works = await at.post('/api/connectors/stripe/test', { brand: team.brand });
      expect(works.body.status).toBe('connected');
    }
  });
});

describe('the cost', () => {
  test('of a first connect is two statements, one probe and one call to KMS, and two of each for its webhook', async () => {
    const person = await newPerson(world);
    // An account of its own: Stripe gives each sixteen webhooks.
    const key = issueKey(world, 'stripe', { name: 'First Inc' });
    const { reply, trips } = await tripsOf(world, () => connect(person.at, 'stripe', key));
    expect(reply.status).toBe(201);
    expect(trips).toEqual({ postgres: 4, kms: 1, kv: 0, provider: 3 });
  });

  test.each([
    // The account; what webhooks there are.
    ['stripe', 4, 2],
    ['zendesk', 2, 2],
  ] as const)(
    'of a warm connect to %s is %i statements and %i requests',
    async (provider, statements, requests) => {
      const person = await newPerson(world);
      const options = provider === 'stripe' ? { key: { name: 'Warm Inc' } } : {};
      const { key } = await connectWithNewKey(world, person.at, provider, options);
      const { reply, trips } = await tripsOf(world, () => connect(person.at, provider, key));
      expect(reply.status).toBe(200);
      expect(trips).toEqual({ postgres: statements, kms: 0, kv: 0, provider: requests });
    },
  );

  test('of a key that cannot be one is one statement, to see who asks', async () => {
    const bad = { api_key: 'nonsense', config: {} };
    const { trips } = await tripsOf(world, () => connect(world.ada, 'stripe', bad));
    expect(trips).toEqual({ postgres: 1, kms: 0, kv: 0, provider: 0 });
  });
});
