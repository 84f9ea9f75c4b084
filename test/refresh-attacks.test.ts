import { beforeEach, describe, expect, test } from 'vitest';
import { dueQuery } from '../lib/refresh/due.ts';
import { openServices } from '../lib/services.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { githubTokens } from './world/providers/github.ts';

let now = Date.now();
// What waits in a queue is delivered after a test has run into its patience.
const world = await openWorld({ now: () => now, hurried: false });

beforeEach(async () => {
  world.reset();
  world.neon.faults.decide(() => undefined);
  for (const table of ['connections', 'provider_states', 'events', 'revocations'])
    await world.sql(`delete from ${table}`);
});

async function withProvider(provider: string, query: Record<string, string> = {}): Promise<Person> {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, provider, { query });
  expect(reply.status, reply.text).toBe(200);
  return person;
}

async function withKey(provider: string, options: Record<string, string> = {}): Promise<Person> {
  const person = await newPerson(world);
  const reply = await connect(person.at, provider, issueKey(world, provider, options));
  expect(reply.status, reply.text).toBe(201);
  return person;
}

async function withGithub(): Promise<Person> {
  world.store('github').set('settings.expiring', true);
  return withProvider('github');
}

const rowOf = async ({ id }: Person) =>
  (await world.sql('select * from connections where user_id = $1', [id]))[0] ?? {};
const test_ = ({ at }: Person, provider: string) => at.post(`/api/connectors/${provider}/test`);

/** Makes everything due, and fires the cron until the person's row has become so. */
async function sweepUntil(person: Person, holds: (row: Record<string, unknown>) => boolean) {
  await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
  await fireCron(world);
  return until(async () => {
    const row = await rowOf(person);
    return holds(row) ? row : undefined;
  });
}

describe('made due by somebody else', () => {
  test.each([
    ['a sign-in without a refresh token', 'github', undefined],
    ['a key', 'stripe', {}],
    ['a key of a provider that exchanges others', 'zendesk', { kind: 'api_token', subdomain: 'globex' }],
  ])('%s stays as it was', async (_, provider, key) => {
    world.store('github').set('settings.expiring', false);
    const person = key ? await withKey(provider, key) : await withProvider(provider);
    const calls = world.gateway.count(provider);
    const row = await sweepUntil(
      person,
      ({ refresh_at, lease_id }) => refresh_at === null && lease_id === null,
    );
    expect(row).toMatchObject({ status: 'connected', version: 1, failures: 0, last_error_code: null });
    expect(world.gateway.count(provider)).toBe(calls);
  });

  test('what has ended is not, and keeps nobody waiting', async () => {
    const person = await withGithub();
    expect((await person.at.delete('/api/connectors/github')).status).toBe(200);
    const calls = world.gateway.count('github');
    await sweepUntil(person, ({ refresh_at }) => refresh_at === null);
    expect(world.gateway.count('github')).toBe(calls);
  });
});

test('connections of a provider that is to be left alone do not keep the others waiting', async () => {
  const [limited, well] = [await withGithub(), await withKey('ga4')];
  await world.sql(`update connections set refresh_at = now() - interval '1 hour' where user_id = $1`, [
    limited.id,
  ]);
  await world.sql(`update connections set refresh_at = now() - interval '1 second' where user_id = $1`, [
    well.id,
  ]);
  await world.sql(
    `insert into provider_states (provider, paused_until, reason) values ('github', now() + interval '1 hour', 'rate_limited')`,
  );
  const services = openServices(world.bindings as unknown as Env);
  expect(await services.postgres.rows(dueQuery(1))).toEqual([{ id: (await rowOf(well)).id }]);
});

describe('a test whose token is refused', () => {
  test('because a colleague has signed in to the same shop does not end the connection', async () => {
    const [one] = [await withProvider('shopify'), await withProvider('shopify')];
    expect((await test_(one, 'shopify')).body.status).toBe('connected');
  });

  test('because it is being renewed does not end the connection', async () => {
    const person = await withGithub();
    world.neon.faults.decide((sql) => (sql.includes('healthy as') ? { after: false } : undefined));
    const spilled = () => world.logs.filter((line) => line.includes('"spilled":1')).length;
    const before = spilled();
    await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
    await fireCron(world);
    await until(() => (spilled() > before ? true : undefined));
    const reply = await test_(person, 'github');
    expect(reply.status, reply.text).toBe(503);
    expect((await rowOf(person)).status).toBe('connected');
    world.neon.faults.decide(() => undefined);
    await until(async () => ((await rowOf(person)).version === 2 ? true : undefined), 25_000);
    expect((await test_(person, 'github')).body.status).toBe('connected');
  }, 60_000);
});

test('tokens that wait for PostgreSQL while their owner disconnects are ended at the provider', async () => {
  const person = await withGithub();
  world.neon.faults.decide((sql) => (sql.includes('healthy as') ? { after: false } : undefined));
  // The provider forgets the grant by the token that it has replaced.
  const before = world.logs.filter((line) => line.includes('"spilled":1')).length;
  await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
  await fireCron(world);
  await until(() => world.logs.filter((line) => line.includes('"spilled":1'))[before]);
  expect((await person.at.delete('/api/connectors/github')).status).toBe(200);
  world.neon.faults.decide(() => undefined);
  await until(async () => {
    await fireCron(world);
    return githubTokens(world.store('github')).every(({ alive }) => !alive) ? true : undefined;
  }, 25_000);
}, 60_000);

describe('Meta', () => {
  test('is due for a person later, once its token has grown', async () => {
    world.store('meta').set('settings.exchangeExtends', true);
    const person = await withProvider('meta');
    await world.sql(`update connections set expires_at = expires_at - interval '50 days',
      reauthorize_by = expires_at - interval '50 days'`);
    const row = await sweepUntil(person, ({ version }) => version === 2);
    expect(Number(row.reauthorize_by)).toBeGreaterThan(Date.now() + 50 * 86_400_000);
    await fireCron(world, 'ending');
    expect((await rowOf(person)).expiring_told).toBeNull();
  });

  test('goes on being exchanged after it has recovered', async () => {
    const person = await withProvider('meta');
    await world.sql(`update connections set status = 'reauthorization_required', refresh_at = null`);
    expect((await test_(person, 'meta')).body.status).toBe('connected');
    expect((await rowOf(person)).refresh_at).not.toBeNull();
  });

  test.each([undefined, null, 'soon', -1, 1e30])(
    'whose exchange says %j of its lifetime stays due',
    async (expires_in) => {
      const person = await withProvider('meta');
      const body = JSON.stringify({ access_token: 'EAAx', token_type: 'bearer', expires_in });
      world.gateway.misbehave({
        provider: 'meta',
        match: 'access_token',
        times: 1,
        respond: { status: 200, body },
      });
      const row = await sweepUntil(person, ({ version }) => version === 2);
      expect(row.refresh_at).not.toBeNull();
      expect((await test_(person, 'meta')).body.status).toBe('connected');
    },
  );
});

test('a key that works past its reckoned end is not ended again after each test', async () => {
  const person = await withKey('figma');
  await world.sql(`update connections set reauthorize_by = now() - interval '1 hour'`);
  await fireCron(world, 'ending');
  expect((await rowOf(person)).status).toBe('reauthorization_required');
  expect((await test_(person, 'figma')).body.status).toBe('connected');
  await fireCron(world, 'ending');
  expect((await rowOf(person)).status).toBe('connected');
});

test('one shop that refuses our client again and again does not stop the others', async () => {
  const [gone, well] = [
    await withProvider('shopify', { shop: 'south-store.myshopify.com' }),
    await withProvider('shopify'),
  ];
  await sweepUntil(well, ({ version }) => version === 2);
  world.gateway.misbehave({
    provider: 'shopify',
    match: 'south-store.*access_token',
    respond: { status: 400, body: '{"error":"invalid_client"}' },
  });
  for (const failures of [1, 2, 3]) {
    await world.sql(`update connections set refresh_at = now() - interval '1 second' where user_id = $1`, [
      gone.id,
    ]);
    await fireCron(world);
    await until(async () => ((await rowOf(gone)).failures === failures ? true : undefined));
  }
  expect(await world.sql('select refusals, paused_until from provider_states')).toEqual([
    { refusals: 1, paused_until: null },
  ]);
  expect(await sweepUntil(well, ({ version }) => version === 3)).toMatchObject({ status: 'connected' });
});

test('a dead grant whose earlier token cannot be opened is told as dead at once', async () => {
  const person = await withProvider('shopify');
  await world.sql('update connections set previous_refresh_token = credential');
  world.gateway.misbehave({
    provider: 'shopify',
    match: 'access_token',
    respond: { status: 400, body: '{"error":"invalid_grant"}' },
  });
  // With its grant a shop's access token has ended, too.
  world.gateway.misbehave({
    provider: 'shopify',
    match: 'graphql',
    respond: {
      status: 401,
      headers: { 'content-type': 'application/json' },
      body: '{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}',
    },
  });
  await sweepUntil(person, ({ status }) => status === 'reauthorization_required');
});

test('a grant is ended with the token that was renewed for it, though PostgreSQL does not take that', async () => {
  const person = await withGithub();
  now += 9 * 3_600_000;
  await world.sql(`update connections set expires_at = now() - interval '1 hour'`);
  world.neon.faults.decide((sql) =>
    sql.includes('update revocations set data_key_id') ? { after: false } : undefined,
  );
  expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('revoked');
  expect(githubTokens(world.store('github')).every(({ alive }) => !alive)).toBe(true);
});
