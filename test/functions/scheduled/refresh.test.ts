import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson, type Person } from '../../support/people.ts';
import { until } from '../../support/trips.ts';
import { ga4Tokens } from '../../world/providers/ga4.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';

let now = Date.now();
const world = await openWorld({ now: () => now });
const HOUR = 3_600_000;

beforeEach(async () => {
  world.reset();
  world.store('github').set('settings.expiring', true);
  await world.sql('delete from connections');
  await world.sql('delete from provider_states');
  await world.sql('delete from events');
});

/** Somebody with GitHub, whose token lives for eight hours. */
async function withGithub(): Promise<Person> {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, 'github');
  expect(reply.status, reply.text).toBe(200);
  return person;
}

const rowOf = async ({ id }: Person) =>
  (await world.sql('select * from connections where user_id = $1', [id]))[0] ?? {};
const eventsOf = async ({ id }: Person) =>
  (await world.sql('select type from events where user_id = $1 order by id', [id])).map(({ type }) => type);
const listed = async ({ at }: Person) => (await at.get('/api/connectors/list')).body.connections[0];

/** Makes everything due, fires the cron, and waits until somebody's connection has been tried. */
async function sweep(person: Person): Promise<Record<string, unknown>> {
  const before = await rowOf(person);
  await world.sql(`update connections set refresh_at = now() - interval '1 second', lease_until = null`);
  await fireCron(world);
  return until(async () => {
    const row = await rowOf(person);
    const isTried =
      row.version !== before.version || row.failures !== before.failures || row.status !== before.status;
    return isTried && row.lease_id === null ? row : undefined;
  });
}

describe('a connection that is due', () => {
  test('is renewed before its end, and goes on with the new token', async () => {
    const person = await withGithub();
    const first = await rowOf(person);
    const margin = (Number(first.expires_at) - Number(first.refresh_at)) / 60_000;
    expect(margin).toBeGreaterThanOrEqual(5);
    expect(margin).toBeLessThan(60);
    const row = await sweep(person);
    expect(row).toMatchObject({ status: 'connected', version: 2, failures: 0, last_error_code: null });
    expect(row.previous_refresh_token).not.toBeNull();
    expect(Number(row.last_refreshed_at)).toBeGreaterThan(Date.now() - 10_000);
    expect(
      githubTokens(world.store('github'))
        .slice(-2)
        .map(({ alive }) => alive),
    ).toEqual([false, true]);
    expect((await person.at.post('/api/connectors/github/test')).body.status).toBe('connected');
    expect((await listed(person)).last_refreshed_at).not.toBeNull();
  });

  test('and is not refreshed twice where the cron fires twice, late, or for nothing', async () => {
    const person = await withGithub();
    await sweep(person);
    const calls = world.gateway.count('github', /access_token/);
    await Promise.all([fireCron(world), fireCron(world)]);
    expect(world.gateway.count('github', /access_token/)).toBe(calls);
  });

  test('of Google Analytics is renewed by another assertion, and its key stays', async () => {
    const person = await newPerson(world);
    const reply = await connect(person.at, 'ga4', issueKey(world, 'ga4'));
    expect(reply.status, reply.text).toBe(201);
    const tokens = ga4Tokens(world.store('ga4')).length;
    expect(await sweep(person)).toMatchObject({ status: 'connected', version: 2 });
    expect(await sweep(person)).toMatchObject({ status: 'connected', version: 3 });
    expect(ga4Tokens(world.store('ga4'))).toHaveLength(tokens + 2);
    expect((await person.at.post('/api/connectors/ga4/test')).body.status).toBe('connected');
  });

  test('of a shop that a colleague has connected since takes over their tokens', async () => {
    const [one, other] = [await newPerson(world), await newPerson(world)];
    expect((await connectByOAuth(one.at, 'shopify')).status).toBe(200);
    expect((await connectByOAuth(other.at, 'shopify')).status).toBe(200);
    expect(await sweep(one)).toMatchObject({ status: 'connected' });
    expect(await sweep(other)).toMatchObject({ status: 'connected' });
    expect(await sweep(one)).toMatchObject({ status: 'connected' });
    for (const person of [one, other])
      expect((await person.at.post('/api/connectors/shopify/test')).body.status).toBe('connected');
    expect(shopifyTokens(world.store('shopify')).length).toBeGreaterThan(2);
  });
});

describe('what the provider may say to a refresh, in words that the list shows:', () => {
  const answers: ReadonlyArray<[string, object, Record<string, unknown>]> = [
    [
      'that the grant is over',
      { body: '{"error":"bad_refresh_token"}' },
      { status: 'reauthorization_required', last_error_code: 'invalid_credential', refresh_at: null },
    ],
    [
      'that our client is wrong',
      { body: '{"error":"incorrect_client_credentials"}' },
      { status: 'connected', last_error_code: 'client_refused' },
    ],
    [
      'that it is too much',
      { status: 429, headers: { 'retry-after': '90' }, body: '{}' },
      { status: 'connected', last_error_code: 'rate_limited' },
    ],
    [
      'that it is down',
      { status: 503, body: 'no' },
      { status: 'connected', last_error_code: 'provider_error' },
    ],
    ['a page', { body: '<html></html>' }, { status: 'connected', last_error_code: 'provider_error' }],
    ['nothing', { body: '' }, { status: 'connected', last_error_code: 'provider_error' }],
    ['a list', { body: '[]' }, { status: 'connected', last_error_code: 'provider_error' }],
    [
      'an error that nobody knows',
      { body: '{"error":"oops"}' },
      { status: 'connected', last_error_code: 'provider_error' },
    ],
    [
      'a redirect',
      { status: 302, headers: { location: 'https://evil.example/' } },
      { status: 'connected', last_error_code: 'provider_error' },
    ],
  ];

  test.each(answers)('%s', async (_, respond, expected) => {
    const person = await withGithub();
    world.gateway.misbehave({
      provider: 'github',
      match: 'access_token',
      respond: { status: 200, ...respond },
    });
    expect(await sweep(person)).toMatchObject({ ...expected, failures: 1, version: 1 });
    const { last_error } = await listed(person);
    expect(last_error.message).toMatch(/GitHub .*\./);
    expect(last_error.message.length).toBeGreaterThan(30);
  });

  test.each([undefined, null, 0, -1, 'soon', '3600', 1e30, 1.5, {}])(
    'a lifetime of %j makes a connection that is due again within an hour',
    async (expires_in) => {
      const person = await withGithub();
      const body = JSON.stringify({
        access_token: 'gho_x',
        refresh_token: 'ghr_x',
        token_type: 'bearer',
        expires_in,
      });
      world.gateway.misbehave({ provider: 'github', match: 'access_token', respond: { status: 200, body } });
      const row = await sweep(person);
      expect(row).toMatchObject({ status: 'connected', version: 2 });
      const due = (Number(row.refresh_at) - Date.now()) / 1000;
      expect(due).toBeGreaterThanOrEqual(-5);
      expect(due).toBeLessThanOrEqual(3_600);
    },
  );

  test.each(['', null, 7, {}])(
    'a refresh token of %j leaves the old one in its place',
    async (refresh_token) => {
      const person = await withGithub();
      const body = JSON.stringify({
        access_token: 'gho_x',
        token_type: 'bearer',
        expires_in: 28_800,
        refresh_token,
      });
      world.gateway.misbehave({
        provider: 'github',
        match: 'access_token',
        times: 1,
        respond: { status: 200, body },
      });
      expect(await sweep(person)).toMatchObject({ version: 2, previous_refresh_token: null });
      world.reset();
      expect(await sweep(person)).toMatchObject({ status: 'connected', version: 3 });
    },
  );
});

describe('the owner', () => {
  test('is told of a death once, and of the return', async () => {
    const person = await withGithub();
    world.gateway.misbehave({
      provider: 'github',
      match: 'access_token',
      respond: { status: 200, body: '{"error":"bad_refresh_token"}' },
    });
    await sweep(person);
    await fireCron(world);
    world.reset();
    expect((await connectByOAuth(person.at, 'github')).body.status).toBe('connected');
    expect(await eventsOf(person)).toEqual([
      'connection.connected',
      'connection.reauthorization_required',
      'connection.recovered',
    ]);
  });

  test('is not told of a return because an access token outlives its grant', async () => {
    const person = await withGithub();
    await world.sql(`update connections set reauthorize_by = now() - interval '1 minute'`);
    await fireCron(world, 'ending');
    const reply = await person.at.post('/api/connectors/github/test');
    expect([reply.status, reply.body.status]).toEqual([200, 'reauthorization_required']);
    expect(await eventsOf(person)).toEqual(['connection.connected', 'connection.reauthorization_required']);
  });

  test('is told a week before a person must act, once, and when the end has come', async () => {
    const person = await newPerson(world);
    expect((await connect(person.at, 'figma', issueKey(world, 'figma'))).status).toBe(201);
    const age = (days: number) =>
      world.sql(`update connections set reauthorize_by = reauthorize_by - $1 * interval '1 day'`, [days]);
    await fireCron(world, 'ending');
    await age(82);
    await fireCron(world, 'ending');
    expect(await eventsOf(person)).toEqual(['connection.connected']);
    await age(1);
    for (let firing = 0; firing < 3; firing += 1) await fireCron(world, 'ending');
    expect(await eventsOf(person)).toEqual(['connection.connected', 'connection.expiring']);
    await age(7);
    for (let firing = 0; firing < 3; firing += 1) await fireCron(world, 'ending');
    expect((await eventsOf(person)).slice(2)).toEqual(['connection.reauthorization_required']);
    expect(await listed(person)).toMatchObject({
      status: 'reauthorization_required',
      tools: [],
      last_error: { code: 'invalid_credential' },
    });
  });
});

test('a row that cannot be opened backs off with an alarm, and its neighbours go on', async () => {
  const [poisoned, well] = [await withGithub(), await withGithub()];
  await world.sql(
    `update connections set refresh_token = set_byte(refresh_token, 40, 255 - get_byte(refresh_token, 40)) where user_id = $1`,
    [poisoned.id],
  );
  expect(await sweep(well)).toMatchObject({ status: 'connected', version: 2 });
  const row = await until(async () => {
    const found = await rowOf(poisoned);
    return found.failures === 1 ? found : undefined;
  });
  expect(row).toMatchObject({ status: 'connected', version: 1, last_error_code: 'unavailable' });
  expect(Number(row.refresh_at)).toBeGreaterThan(Date.now());
  expect(world.logs.filter((line) => line.includes('credential_not_opened'))).not.toEqual([]);
});

test('a row on which our own code fails backs off with an alarm, too', async () => {
  const person = await newPerson(world);
  expect((await connectByOAuth(person.at, 'meta')).status).toBe(200);
  const asked = () => world.gateway.count('meta', /oauth.access_token/);
  const before = asked();
  await world.sql(`update connections set expires_at = 'infinity' where user_id = $1`, [person.id]);
  const row = await sweep(person);
  expect(row).toMatchObject({ status: 'connected', version: 1, failures: 1, last_error_code: 'unavailable' });
  expect(Number(row.refresh_at)).toBeGreaterThan(Date.now());
  expect(asked(), 'asked once, and not again').toBe(before + 1);
  const lines = world.logs.filter((line) => line.includes('refresh_fault'));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 'error', provider_id: 'meta' }]);
});

test('a token that has ended is renewed when it is needed, once however many ask', async () => {
  const person = await withGithub();
  await world.sql(
    `update connections set expires_at = now() - interval '1 minute', refresh_at = now() + interval '1 hour'`,
  );
  now += 9 * HOUR;
  world.reset();
  const replies = await Promise.all(
    Array.from({ length: 12 }, () => person.at.post('/api/connectors/github/test')),
  );
  for (const reply of replies)
    expect(reply, reply.text).toMatchObject({ status: 200, body: { status: 'connected' } });
  expect(world.gateway.count('github', /login.oauth.access_token/)).toBe(1);
});

test('a refresh that meets a disconnect brings nothing back, and its tokens are ended', async () => {
  const person = await withGithub();
  world.reset();
  world.gateway.misbehave({ provider: 'github', match: 'access_token', hold: 600 });
  await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
  await fireCron(world);
  await until(() => (world.gateway.count('github', /access_token/) === 1 ? true : undefined));
  await person.at.delete('/api/connectors/github');
  await until(() => (githubTokens(world.store('github')).every(({ alive }) => !alive) ? true : undefined));
  expect(await rowOf(person)).toMatchObject({
    status: 'disconnected',
    credential: null,
    refresh_token: null,
  });
});

describe('a commit that fails', () => {
  /** Refreshes while PostgreSQL takes no commit. */
  async function spill(person: Person): Promise<void> {
    world.neon.faults.decide((sql) => (sql.includes('healthy as') ? { after: false } : undefined));
    const before = world.logs.filter((line) => line.includes('"spilled":1')).length;
    await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
    await fireCron(world, 'unspill');
    await until(() => world.logs.filter((line) => line.includes('"spilled":1'))[before]);
    expect(await rowOf(person)).toMatchObject({ version: 1 });
    world.neon.faults.decide(() => undefined);
  }

  test('waits in the queue, and is written once PostgreSQL answers again', async () => {
    const person = await withGithub();
    await spill(person);
    await until(async () => ((await rowOf(person)).version === 2 ? true : undefined), 25_000);
    expect((await person.at.post('/api/connectors/github/test')).body.status).toBe('connected');
  }, 60_000);

  test('waits in KV where the queue takes nothing either', async () => {
    const person = await withGithub();
    world.neon.faults.decide((sql) => (sql.includes('healthy as') ? { after: false } : undefined));
    world.gateway.misbehave({ provider: 'github', match: 'access_token', hold: 400 });
    await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
    const before = world.logs.filter((line) => line.includes('"spilled":1')).length;
    await fireCron(world);
    await world.queuesDown(true);
    await until(() => world.logs.filter((line) => line.includes('"spilled":1'))[before]);
    world.neon.faults.decide(() => undefined);
    await world.queuesDown(false);
    expect(await fireCron(world, 'unspill')).toMatchObject({ written: 1 });
    expect(await rowOf(person)).toMatchObject({ version: 2, status: 'connected' });
    expect((await person.at.post('/api/connectors/github/test')).body.status).toBe('connected');
  }, 60_000);
});
