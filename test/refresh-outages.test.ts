import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { githubTokens } from './world/providers/github.ts';

const world = await openWorld();

beforeEach(async () => {
  world.reset();
  world.neon.faults.decide(() => undefined);
  for (const table of ['connections', 'provider_states', 'events', 'revocations'])
    await world.sql(`delete from ${table}`);
  world.store('github').set('settings.expiring', true);
});

async function withGithub(): Promise<Person> {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, 'github');
  expect(reply.status, reply.text).toBe(200);
  return person;
}

async function withKey(provider: string, options: Record<string, string> = {}): Promise<Person> {
  const person = await newPerson(world);
  const reply = await connect(person.at, provider, issueKey(world, provider, options));
  expect(reply.status, reply.text).toBe(201);
  return person;
}

const test_ = ({ at }: Person, provider: string) => at.post(`/api/connectors/${provider}/test`);
const rowOf = async ({ id }: Person) =>
  (await world.sql('select * from connections where user_id = $1', [id]))[0] ?? {};
const stateOf = async (provider: string) =>
  (
    await world.sql(
      `select reason, refusals, extract(epoch from paused_until - now())::integer as seconds
       from provider_states where provider = $1`,
      [provider],
    )
  )[0];

/** Makes everything due, whoever is paused; fires the cron and waits until each of them has been tried. */
async function sweep(...people: Person[]): Promise<void> {
  await world.sql(
    `update provider_states set paused_until = now() - interval '1 second' where paused_until > now()`,
  );
  await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
  const before = await Promise.all(people.map(rowOf));
  await fireCron(world);
  for (const [at, person] of people.entries()) {
    await until(async () => {
      const row = await rowOf(person);
      const isTried = row.version !== before[at]?.version || row.failures !== before[at]?.failures;
      return isTried && row.lease_id === null ? row : undefined;
    });
  }
}

const tokens = 'access_token';
const refused = { status: 200, body: '{"error":"incorrect_client_credentials"}' };
const limited = (seconds: number) => ({
  status: 429,
  headers: { 'retry-after': String(seconds) },
  body: '{}',
});
const loud = () => world.logs.filter((line) => line.includes('provider_client_refused')).length;
const health = async () => (await (await fetch(`${world.url}/health`)).json()) as Record<string, unknown>;

describe('a provider that refuses our client, and limits it, too,', () => {
  test('is in order again after one refresh, and the next outage is told again', async () => {
    const [one, other] = [await withGithub(), await withGithub()];
    const before = loud();
    world.gateway.misbehave({ provider: 'github', match: tokens, respond: refused });
    await sweep(one, other);
    expect(await stateOf('github')).toMatchObject({ reason: 'client_refused', refusals: 2 });
    world.reset();
    world.gateway.misbehave({ provider: 'github', match: tokens, respond: limited(60) });
    await sweep(one);
    expect(await stateOf('github')).toMatchObject({ reason: 'rate_limited', refusals: 2 });
    world.reset();
    await sweep(one, other);
    expect(await stateOf('github')).toMatchObject({ refusals: 0 });
    world.gateway.misbehave({ provider: 'github', match: tokens, respond: refused });
    await sweep(one, other);
    expect(loud() - before).toBe(2);
  }, 60_000);

  test('is left alone for as long as it has asked at most', async () => {
    const people = [await withGithub(), await withGithub(), await withGithub()];
    world.gateway.misbehave({ provider: 'github', match: tokens, times: 1, respond: limited(3_600) });
    world.gateway.misbehave({
      provider: 'github',
      match: tokens,
      times: 1,
      delay: 300,
      respond: limited(60),
    });
    world.gateway.misbehave({ provider: 'github', match: tokens, times: 1, delay: 600 });
    await sweep(...people);
    expect(await stateOf('github')).toMatchObject({ reason: 'rate_limited' });
    expect((await stateOf('github'))?.seconds).toBeGreaterThan(3_500);
  });

  test('is left alone as it has asked, though it refuses one of us', async () => {
    const people = [await withGithub(), await withGithub(), await withGithub()];
    world.gateway.misbehave({ provider: 'github', match: tokens, times: 1, respond: limited(3_600) });
    world.gateway.misbehave({ provider: 'github', match: tokens, times: 1, delay: 300, respond: refused });
    world.gateway.misbehave({ provider: 'github', match: tokens, times: 1, delay: 600 });
    await sweep(...people);
    expect(await stateOf('github')).toMatchObject({ reason: 'rate_limited', refusals: 0 });
    expect((await stateOf('github'))?.seconds).toBeGreaterThan(3_500);
  });

  test('is no more in trouble once nobody waits for it', async () => {
    const [one, other] = [await withGithub(), await withGithub()];
    world.gateway.misbehave({ provider: 'github', match: tokens, respond: refused });
    await sweep(one, other);
    for (const { at } of [one, other]) await at.delete('/api/connectors/github');
    world.reset();
    const next = [await withGithub(), await withGithub()];
    await world.sql(`update provider_states set paused_until = now() - interval '61 minutes'`);
    const { status, providers } = await until(async () => {
      const told = await health();
      return JSON.stringify(told.providers) === '{}' ? told : undefined;
    }, 15_000);
    expect([status, providers]).toEqual(['ok', {}]);
    const before = loud();
    world.gateway.misbehave({ provider: 'github', match: tokens, respond: refused });
    await sweep(...next);
    expect(loud() - before).toBe(1);
  }, 60_000);
});

test('the Zendesk of one company does not stop another’s', async () => {
  const [one, other] = [
    await withKey('zendesk', { kind: 'oauth_client', subdomain: 'acme' }),
    await withKey('zendesk', { kind: 'oauth_client', subdomain: 'globex' }),
  ];
  world.gateway.misbehave({ provider: 'zendesk', match: 'acme.*oauth/tokens', respond: limited(2_592_000) });
  await sweep(one, other);
  expect(await rowOf(one)).toMatchObject({ status: 'connected', last_error_code: 'rate_limited' });
  expect(Number((await rowOf(one)).refresh_at)).toBeGreaterThan(Date.now() + 2_500_000_000);
  expect(await rowOf(other)).toMatchObject({ status: 'connected', version: 2, last_error_code: null });
  expect(await stateOf('zendesk')).toBeUndefined();

  const calls = world.gateway.count('zendesk', /oauth\/tokens/);
  await world.sql(`update connections set expires_at = now() + interval '5 seconds'`);
  const replies = [await test_(one, 'zendesk'), await test_(one, 'zendesk')];
  expect(replies.map(({ status }) => status)).toEqual([503, 503]);
  expect(world.gateway.count('zendesk', /oauth\/tokens/)).toBe(calls);
});

test('a token that is refused while our client is between two tries does not end the connection', async () => {
  const person = await withGithub();
  await world.sql(
    `insert into provider_states (provider, reason, refusals, paused_until)
     values ('github', 'client_refused', 40, now() - interval '1 second')`,
  );
  world.gateway.misbehave({ provider: 'github', match: 'GET .*/user', respond: { status: 401, body: '{}' } });
  world.gateway.misbehave({ provider: 'github', match: tokens, respond: refused });
  const reply = await person.at.post('/api/connectors/github/test');
  expect(reply.status, reply.text).toBe(503);
  expect((await rowOf(person)).status).toBe('connected');
});

test('a warning whose date moves while it is told is told when its time has come', async () => {
  const person = await withKey('figma');
  const moveTo = (days: number) =>
    world.sql(`update connections set reauthorize_by = now() + $1 * interval '1 day'`, [days]);
  await moveTo(3);
  let moved: Promise<unknown> | undefined;
  world.neon.faults.decide((sql) => {
    if (!sql.includes('warned as') || moved) return undefined;
    moved = moveTo(60);
    return { after: false, holdMs: 300 };
  });
  await fireCron(world, 'ending');
  await moved;
  const told = async () =>
    (await world.sql('select type from events where user_id = $1 order by id', [person.id])).map(
      ({ type }) => type,
    );
  expect(await told()).toEqual(['connection.connected']);
  await moveTo(3);
  await fireCron(world, 'ending');
  expect(await told()).toEqual(['connection.connected', 'connection.expiring']);
});

test('tokens that come after their owner has disconnected are ended, though the provider fails at first', async () => {
  const person = await withGithub();
  world.gateway.misbehave({ provider: 'github', match: tokens, hold: 1_500 });
  await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
  await fireCron(world);
  await until(() => (world.gateway.count('github', /access_token/) > 1 ? true : undefined));
  // That GitHub does not know the token that is being renewed says nothing of the grant.
  expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('pending');
  world.gateway.misbehave({ provider: 'github', match: 'DELETE', times: 1, respond: { status: 503 } });
  await until(async () => {
    await world.sql(`update revocations set next_attempt_at = now() where under_way_until is null`);
    await fireCron(world);
    return githubTokens(world.store('github')).every(({ alive }) => !alive) ? true : undefined;
  }, 25_000);
  expect(world.gateway.count('github', /DELETE/)).toBeGreaterThan(2);
}, 60_000);

test('a refresh that waits in the queue goes to KV while PostgreSQL takes none, and is written before anybody asks', async () => {
  const person = await withGithub();
  const outcomes = (outcome: string) =>
    world.logs.filter((line) => line.includes(`"outcome":"${outcome}"`)).length;
  const before = outcomes('kept');
  world.neon.faults.decide((sql) => (sql.includes('healthy as') ? { after: false } : undefined));
  await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
  await fireCron(world);
  await until(() => (outcomes('kept') > before ? true : undefined), 30_000);
  world.neon.faults.decide(() => undefined);
  const calls = world.gateway.count('github', /access_token/);
  await world.sql(
    `update connections set refresh_at = now() - interval '1 second', lease_until = null, lease_id = null`,
  );
  expect(await fireCron(world, 'unspill')).toMatchObject({ written: 1 });
  expect(await rowOf(person)).toMatchObject({ version: 2, status: 'connected' });
  expect(world.gateway.count('github', /access_token/)).toBe(calls);
  expect((await person.at.post('/api/connectors/github/test')).body.status).toBe('connected');
}, 60_000);

describe('of refreshes that wait in KV', () => {
  /** Has the refresh of each wait in KV. */
  async function spill(...people: Person[]): Promise<void> {
    const kept = () => world.logs.filter((line) => line.includes('"outcome":"kept"')).length;
    const before = kept();
    world.neon.faults.decide((sql) => (sql.includes('healthy as') ? { after: false } : undefined));
    await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
    await fireCron(world);
    await until(() => (kept() - before === people.length ? true : undefined), 30_000);
    world.neon.faults.decide(() => undefined);
    await world.sql(`update connections set refresh_at = null, lease_until = null, lease_id = null`);
  }

  test('one whose team’s keys are destroyed meanwhile does not hold up the others', async () => {
    const [one, other] = [await withGithub(), await withGithub()];
    await spill(one, other);
    await world.sql(
      'delete from data_keys where tenant_id = (select tenant_id from connections where user_id = $1)',
      [one.id],
    );
    expect(await fireCron(world, 'unspill')).toMatchObject({ written: 2 });
    expect((await rowOf(one)).version).toBe(1);
    expect((await rowOf(other)).version).toBe(2);
  }, 60_000);

  test('one that PostgreSQL refuses for itself does not, either', async () => {
    const [one, other] = [await withGithub(), await withGithub()];
    await spill(one, other);
    await world.sql(
      `alter table connections add constraint refused check (user_id <> '${one.id}' or version = 1)`,
    );
    try {
      expect(await fireCron(world, 'unspill')).toMatchObject({ written: 1 });
      expect((await rowOf(other)).version).toBe(2);
    } finally {
      await world.sql('alter table connections drop constraint refused');
    }
    expect(await fireCron(world, 'unspill')).toMatchObject({ written: 1 });
    expect((await rowOf(one)).version).toBe(2);
  }, 60_000);
});
