import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { aliveAt, forgetAll } from './chaos/failed-sign-ins/books.ts';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { ownShop } from './functions/webhooks/looked-after.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { github } from './world/providers/github.ts';
import type { SimulatorFactory } from './world/simulator.ts';

/** What a renewal's answer says instead of its own type. */
let oddType: string | undefined;

/** GitHub, whose tokens are given all the same when their type is odd. */
const withOddTypes: SimulatorFactory = (context) => {
  const simulator = github(context);
  return {
    ...simulator,
    async fetch(request) {
      const response = await simulator.fetch(request);
      if (!request.url.endsWith('/access_token') || oddType === undefined) return response;
      return Response.json({ ...((await response.json()) as object), token_type: oddType });
    },
  };
};

const world = await openWorld({ simulators: [withOddTypes] });

beforeEach(async () => {
  await quiet(world);
  world.reset();
  await forgetAll(world);
  world.store('github').set('settings.expiring', true);
  world.store('slack').set('settings.rotation', true);
});
afterEach(() => {
  oddType = undefined;
});

async function connected(provider: string, account: string, query: Record<string, string> = {}) {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, provider, { account, query });
  expect(reply.status, reply.text).toBe(200);
  await quiet(world);
  return { person, id: String(reply.body.id) };
}

const disconnect = async ({ at }: Person, provider: string) =>
  (await at.delete(`/api/connectors/${provider}`)).body.revocation;

const expire = (id: string) =>
  world.sql(
    `update connections set expires_at = now() - interval '1 hour', refresh_at = null where id = $1`,
    [id],
  );

const left = async () => (await world.sql('select from revocations')).length;
const renewals = (provider: string) => world.gateway.count(provider, /access_token|\/token$/);

/** Has what is due tried, until nothing is on its way to its end any more. */
const workedOff = () =>
  until(async () => {
    await world.sql('update revocations set next_attempt_at = now() where under_way_until is null');
    await fireCron(world);
    return (await left()) === 0 || undefined;
  }, 20_000);

test('an expired token of which nobody knows whose it is is renewed once to find out and to end its grant', async () => {
  const person = await newPerson(world);
  world.gateway.misbehave({ provider: 'slack', match: 'auth.test', respond: { status: 500 } });
  world.gateway.misbehave({ provider: 'slack', match: 'apps.uninstall', respond: { status: 500 } });
  const reply = await connectByOAuth(person.at, 'slack', { account: 'Acme' });
  expect(reply.body.code).toBe('provider_error');
  await quiet(world);
  // As it stands where Slack's answer has told no account.
  await world.sql(
    `update revocations set expires_at = now() - interval '1 minute', grant_id = null, account_id = null`,
  );
  world.reset();
  await workedOff();
  expect(world.gateway.count('slack', /oauth\.v2\.access/)).toBe(1);
  expect(aliveAt(world, 'slack')).toEqual([]);
});

test('tokens that a renewal before their end brings in an answer that cannot be read are ended', async () => {
  const { person, id } = await connected('github', 'octocat');
  await expire(id);
  oddType = 'mac';
  expect(await disconnect(person, 'github')).toBe('revoked');
  expect([aliveAt(world, 'github'), await left()]).toEqual([[], 0]);
});

test('that a renewal before their end was lost is not forgotten when the next attempt fails otherwise', async () => {
  const { person, id } = await connected('github', 'octocat');
  await expire(id);
  world.gateway.misbehave({ provider: 'github', match: 'access_token', times: 1, drop: 'after' });
  const logs = world.logs.length;
  expect(await disconnect(person, 'github')).toBe('pending');
  world.gateway.misbehave({
    provider: 'github',
    match: 'access_token',
    times: 1,
    respond: { status: 429, body: '{}' },
  });
  await world.sql('update revocations set next_attempt_at = now()');
  await fireCron(world);
  await until(
    async () =>
      (await world.sql(`select from revocations where last_error_code = 'refresh_rate_limited'`)).length ===
        1 || undefined,
  );
  await workedOff();
  const loud = world.logs.slice(logs).filter((line) => line.includes('"event":"token_not_discarded"'));
  expect(loud).toHaveLength(1);
  const actions = await world.sql('select action from audit_log where connection_id = $1', [id]);
  expect(actions.map(({ action }) => action)).not.toContain('revoked');
});

test('tokens that a renewal before their end brings and PostgreSQL does not take are ended with what it does', async () => {
  const { person, id } = await connected('github', 'octocat');
  await expire(id);
  world.gateway.misbehave({ provider: 'github', match: '^DELETE', times: 1, respond: { status: 503 } });
  world.neon.faults.decide((sql) =>
    /update revocations set data_key_id/.test(sql) ? { after: false } : undefined,
  );
  expect(await disconnect(person, 'github')).toBe('pending');
  world.neon.faults.reset();
  expect(aliveAt(world, 'github').length).toBeGreaterThan(0);
  await until(async () => {
    await world.sql('update revocations set next_attempt_at = now() where under_way_until is null');
    await fireCron(world);
    return aliveAt(world, 'github').length === 0 || undefined;
  }, 20_000);
});

test('who leaves a pair of tokens to another who holds the same does not renew it first', async () => {
  const shop = ownShop();
  const first = await connected('shopify', '', { shop });
  const second = await connected('shopify', '', { shop });
  // The first goes on with the newest pair.
  await until(async () => {
    const rows = await world.sql(
      `select credential_id from connections where id = any ($1) and lease_id is null`,
      [[first.id, second.id]],
    );
    return (rows.length === 2 && rows[0]?.credential_id === rows[1]?.credential_id) || undefined;
  });
  await quiet(world);
  await expire(first.id);
  world.gateway.reset();
  expect(await disconnect(first.person, 'shopify')).toBe('shared');
  await quiet(world);
  expect(renewals('shopify')).toBe(0);
  expect((await second.person.at.post('/api/connectors/shopify/test')).body.status).toBe('connected');
});

describe('a connection that works again', () => {
  test('is asked about once more soon, for its grant may have been ended by who lived on it meanwhile', async () => {
    world.store('github').delete('settings.expiring');
    const { person, id } = await connected('github', 'octocat');
    const refusal = { status: 401, body: '{"message":"Bad credentials"}' };
    world.gateway.misbehave({ provider: 'github', match: 'GET .*/user', times: 1, respond: refusal });
    const test_ = async () => (await person.at.post('/api/connectors/github/test')).body.status;
    expect(await test_()).toBe('reauthorization_required');
    expect(await test_()).toBe('connected');
    const minutes = async () => {
      const [row] = await world.sql(
        'select extract(epoch from check_at - now()) / 60 as minutes from connections where id = $1',
        [id],
      );
      return Number(row?.minutes);
    };
    expect(await minutes()).toBeLessThanOrEqual(2);
    expect(await test_()).toBe('connected');
    expect(await minutes()).toBeGreaterThan(60);
  });
});
