import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { claimRevocation, dueRevocations } from '../lib/grants/revocation.ts';
import { openServices } from '../lib/services.ts';
import { newBrand, newTeam } from './chaos/owners-leave/cast.ts';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { happen, hooksOf, leftOf, ownAccount, ownShop } from './functions/webhooks/looked-after.ts';
import { fireCron, tryCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { run } from './support/keyed-world.ts';
import { connect, issueKey } from './support/keys.ts';
import { lives } from './support/lives.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { type Agent, startAgent } from './world/agent.ts';

// What happens to connections whose owner goes, comes back or moves between two looks of the sweep.

const world = await openWorld();
const secret = `whsec_${Buffer.alloc(24, 'a team’s own').toString('base64')}`;
const [first, second] = [await startAgent(secret), await startAgent(secret)];
afterAll(() => Promise.all([first.close(), second.close()]));

beforeEach(async () => {
  world.reset();
  await quiet(world);
  for (const agent of [first, second]) agent.fail(undefined);
});

/** Two teams, each with its agent, a brand of the first, and somebody who owns what is connected there. */
async function household({ isInBoth = false } = {}) {
  const from = await newTeam(world, { url: first.url, secret });
  const to = await newTeam(world, { url: second.url, secret });
  const owner = await newPerson(world, { teams: isInBoth ? [from, to] : [from] });
  return { owner, brand: await newBrand(world, from), from, to };
}

async function withShop({ at }: Person, shop: string, brand?: string): Promise<string> {
  const reply = await connectByOAuth(at, 'shopify', { ...(brand && { brand }), query: { shop } });
  expect(reply.status, reply.text).toBe(200);
  await quiet(world);
  return String(reply.body.id);
}

/** The id of somebody's connection to GitHub, for themselves or a brand, with a hook on their repository. */
async function watching({ at }: Person, brand?: string): Promise<string> {
  const scope = brand === undefined ? {} : { brand };
  const reply = await connectByOAuth(at, 'github', { account: 'octocat', ...scope });
  const body = { repositories: ['octocat/Hello-World'] };
  const put = await at.put('/api/connectors/github/repositories', { body, ...scope });
  expect(put.status, put.text).toBe(200);
  await quiet(world);
  return String(reply.body.id);
}

const moveTo = (brand: string, team: string) =>
  world.sql('update brands set team_id = $2 where id = $1', [brand, team]);
const remove = (brand: string) => world.sql('delete from brands where id = $1', [brand]);

/** The next firing’s look is at other connections: there are many. */
const lookElsewhere = () =>
  world.sql(
    `insert into marks (name, at, reached) values ('lost', now(), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
     on conflict (name) do update set reached = excluded.reached`,
  );

const reached = async () => {
  const [mark] = await world.sql(`select reached from marks where name = 'lost'`);
  return mark?.reached;
};

async function minutesPass(count: number): Promise<void> {
  for (let minute = 0; minute < count; minute += 1) {
    await fireCron(world);
    await quiet(world);
  }
}

const endsTold = ({ deliveries }: Agent, id: string) =>
  deliveries
    .map(({ body }) => body as { type: string; connection_id: string; data: { reason: string } })
    .filter((body) => body.connection_id === id && body.type === 'connection.disconnected')
    .map(({ data }) => data.reason);

test('an owner who is back before their connection has ended has its webhooks forgotten for good', async () => {
  const { owner, brand, to } = await household();
  const id = await withShop(owner, ownShop(), brand);
  await world.sql(`update webhooks set check_at = now() - interval '1 second' where connection_id = $1`, [
    id,
  ]);
  await moveTo(brand, to);
  await lookElsewhere();
  await minutesPass(1);
  await world.sql('insert into team_members (team_id, user_id) values ($1, $2)', [to, owner.id]);
  const [row] = await world.sql(
    `select check_at <= now() + interval '1 minute' as is_soon from webhooks where connection_id = $1`,
    [id],
  );
  expect(row).toEqual({ is_soon: true });
});

describe('a look at more connections than one statement takes', () => {
  const PART = 10_000;
  const nth = (at: number) => `00000000-0000-7000-8000-${at.toString(16).padStart(12, '0')}`;
  /** Drops statements that look at what is behind the first part. */
  const dropLater = (times: number, holdMs: number) => {
    let dropped = 0;
    world.neon.faults.decide((sql, [behind]) => {
      if (!sql.includes('with part as materialized') || behind !== nth(PART)) return undefined;
      dropped += 1;
      return dropped > times ? undefined : { after: false, holdMs };
    });
    return () => dropped;
  };

  beforeEach(async () => {
    await world.sql(`delete from marks where name = 'lost'`);
    await world.sql(
      `insert into connections (id, user_id, tenant_id, provider, type, status, account_id, grant_id)
       select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), gen_random_uuid(),
         'figma', 'api_key', 'disconnected', '1', '1'
       from generate_series(1, $1) n`,
      [PART + 10],
    );
  });

  afterEach(async () => {
    world.neon.faults.reset();
    await world.sql('delete from connections where id <= $1', [nth(PART + 10)]);
    await world.sql(`delete from marks where name = 'lost'`);
  });

  test('begins anew where it was broken off', async () => {
    const dropped = dropLater(3, 0);
    await tryCron(world);
    expect(dropped()).toBe(3);
    expect(await reached()).toBe(nth(PART));
    await fireCron(world, 'lost');
    expect(await reached()).toBe('00000000-0000-0000-0000-000000000000');
  });

  test('is not set back by one that took long', async () => {
    const dropped = dropLater(1, 800);
    const looking = fireCron(world, 'lost');
    await until(() => dropped() > 0 || undefined);
    await lookElsewhere();
    await looking;
    expect(await reached()).toBe('ffffffff-ffff-ffff-ffff-ffffffffffff');
  });
});

test('an end that waits to be told is told to the team that the brand has left, though another has it', async () => {
  const { owner, brand, from, to } = await household({ isInBoth: true });
  const id = await withShop(owner, ownShop(), brand);
  first.fail('error');
  expect((await owner.at.delete('/api/connectors/shopify', { brand })).status).toBe(200);
  await quiet(world);
  const later = () =>
    world.sql(
      `update events set next_attempt_at = now() + interval '1 hour' where connection_id = $1 and status = 'pending'`,
      [id],
    );
  await later();
  await moveTo(brand, to);
  await minutesPass(1);
  await later();
  await remove(brand);
  first.fail(undefined);
  await world.sql(
    `update events set next_attempt_at = now() where connection_id = $1 and status = 'pending'`,
    [id],
  );
  await minutesPass(1);
  await until(() => endsTold(second, id).length > 0 || undefined);
  expect([endsTold(first, id), endsTold(second, id)]).toEqual([[], ['requested']]);
  expect(from).not.toBe(to);
});

test('the end of a brand that moved to a team without its owner, and is deleted, is told to the team it left', async () => {
  const { owner, brand, to } = await household();
  const id = await withShop(owner, ownShop(), brand);
  await moveTo(brand, to);
  // Its end is written, and not told yet.
  await world.queuesDeaf(true);
  await fireCron(world, 'lost');
  await remove(brand);
  await world.queuesDeaf(false);
  await minutesPass(1);
  await until(() => endsTold(second, id).length > 0 || undefined);
  expect([endsTold(first, id), endsTold(second, id)]).toEqual([[], ['membership_ended']]);
});

test('what is claimed along with events of an agent that hangs is told to a team that has lost it meanwhile', async () => {
  const { owner, brand, to } = await household({ isInBoth: true });
  const { accountId } = ownAccount();
  const key = issueKey(world, 'stripe', { accountId });
  const reply = await connect(owner.at, 'stripe', key, { brand });
  expect(reply.status, reply.text).toBe(201);
  const id = String(reply.body.id);
  await quiet(world);
  await world.queuesDeaf(true);
  for (let at = 0; at < 10; at += 1) {
    const payload = `{"id":"evt_${id.slice(0, 8)}${at}","object":"event","type":"invoice.created","livemode":false,"created":${Math.floor(Date.now() / 1000)},"data":{"object":{"id":"in_${at}"}}}`;
    await happen(world, 'stripe', 'invoice.created', { account: accountId, payload, to: id });
  }
  const told = () =>
    first.deliveries.filter(({ body }) => (body as { type: string }).type === 'stripe.invoice.created');
  // The first five hang, and the others are claimed with them.
  first.fail('hang');
  await world.queuesDeaf(false);
  await fireCron(world, 'events');
  await until(() => first.attempts.size >= 5 || undefined, 20_000);
  await moveTo(brand, to);
  await new Promise((resolve) => setTimeout(resolve, 3_200));
  first.fail(undefined);
  await until(
    async () =>
      (
        await world.sql(
          `select from events where connection_id = $1 and topic is not null and status = 'delivered'`,
          [id],
        )
      ).length === 10 || undefined,
    30_000,
  );
  expect(told().filter(({ body }) => (body as { connection_id: string }).connection_id === id)).toEqual([]);
}, 60_000);

test('a connection that is claimed along with those of slow shops is refreshed for an owner who has left meanwhile', async () => {
  const shops = Array.from({ length: 7 }, ownShop);
  const people: Person[] = [];
  for (const [at, shop] of shops.entries()) {
    const person = await newPerson(world);
    const id = await withShop(person, shop);
    people.push(person);
    await world.sql(
      `update connections set refresh_at = now() - interval '1 hour' + $2 * interval '1 minute' where id = $1`,
      [id, at],
    );
  }
  world.gateway.reset();
  world.gateway.misbehave({ provider: 'shopify', match: 'oauth/access_token', hold: 3_500 });
  await fireCron(world, 'refresh');
  await until(() => world.gateway.count('shopify', /access_token/) >= 1 || undefined);
  await world.sql('delete from users where id = $1', [people[6]?.id]);
  await until(
    async () => (await world.sql(`select from connections where version > 1`)).length >= 6 || undefined,
    20_000,
  );
  await quiet(world);
  expect(world.gateway.count('shopify', new RegExp(`POST ${shops[6]}/admin/oauth/access_token`))).toBe(0);
}, 60_000);

test('what destroyed keys had sealed stays connected in the team that its brand is of by now', async () => {
  const { owner, brand, from, to } = await household({ isInBoth: true });
  const other = await newPerson(world);
  const shop = ownShop();
  const id = await withShop(owner, shop, brand);
  await withShop(other, shop);
  await moveTo(brand, to);
  await minutesPass(1);
  await run(world, ['destroy', from, '--yes']);
  await minutesPass(1);
  const [row] = await world.sql('select status, last_error_code from connections where id = $1', [id]);
  expect(row).toEqual({ status: 'reauthorization_required', last_error_code: 'invalid_credential' });
  await until(
    () =>
      second.deliveries.some(({ body }) => {
        const { type, connection_id } = body as { type: string; connection_id: string };
        return type === 'connection.reauthorization_required' && connection_id === id;
      }) || undefined,
  );
  // It keeps nobody else's grant from its end, either.
  expect((await other.at.delete('/api/connectors/shopify')).body.revocation).toBe('revoked');
});

test('what is connected while its keys are destroyed stays connected, and can be read by nobody', async () => {
  const { owner, brand, from } = await household();
  const id = await withShop(owner, ownShop(), brand);
  await world.sql('update connections set data_key_id = null where id = $1', [id]);
  await run(world, ['destroy', from, '--yes']);
  const [row] = await world.sql('select status from connections where id = $1', [id]);
  expect(row).toEqual({ status: 'reauthorization_required' });
});

test('the end of what a person leaves in a brand that has just moved is told to the team it left', async () => {
  const { owner, brand, to } = await household({ isInBoth: true });
  const id = await withShop(owner, ownShop(), brand);
  await moveTo(brand, to);
  await world.queuesDeaf(true);
  expect((await owner.at.delete('/api/connectors/shopify', { brand })).status).toBe(200);
  await remove(brand);
  await world.queuesDeaf(false);
  await minutesPass(1);
  await until(() => endsTold(second, id).length > 0 || undefined);
  expect([endsTold(first, id), endsTold(second, id)]).toEqual([[], ['requested']]);
});

test('what was told in vain is asked for in the name of who has left while the webhooks were looked after', async () => {
  const { owner } = await household();
  const shop = ownShop();
  const id = await withShop(owner, shop);
  await world.sql(
    `update webhooks set check_at = now() - interval '1 second', complete_until = now() - interval '2 days'
     where connection_id = $1`,
    [id],
  );
  world.gateway.reset();
  world.gateway.misbehave({ provider: 'shopify', times: 1, hold: 3_500 });
  await fireCron(world, 'webhooks');
  await until(() => world.gateway.count('shopify') >= 1 || undefined);
  await world.sql('delete from users where id = $1', [owner.id]);
  await new Promise((resolve) => setTimeout(resolve, 3_600));
  await quiet(world);
  // What stands, as it was asked when they were there.
  expect(world.gateway.count('shopify')).toBe(1);
}, 60_000);

test('the hooks of a person’s other brand stay at GitHub when their user goes, since the grant has ended first', async () => {
  const team = await newTeam(world, { url: first.url, secret });
  const person = await newPerson(world, { teams: [team] });
  const ids: string[] = [];
  for (const brand of [await newBrand(world, team), await newBrand(world, team), undefined])
    ids.push(await watching(person, brand));
  const hooks = () => ids.map((id) => hooksOf(world, id).length);
  expect(hooks()).toEqual([1, 1, 1]);
  await world.sql('delete from users where id = $1', [person.id]);
  await until(async () => {
    await world.sql(`update revocations set next_attempt_at = now() where under_way_until is null`);
    await fireCron(world);
    return (await world.sql(`select from revocations where provider = 'github'`)).length === 0 || undefined;
  }, 20_000);
  expect(hooks()).toEqual([0, 0, 0]);
}, 60_000);

test('the hooks of a connection that was left pending stay at GitHub when the next one of its person is disconnected', async () => {
  const team = await newTeam(world, { url: first.url, secret });
  const brand = await newBrand(world, team);
  const person = await newPerson(world, { teams: [team] });
  const ids = [await watching(person, brand), await watching(person)];
  world.gateway.misbehave({
    provider: 'github',
    match: '^DELETE .*/hooks/',
    times: 1,
    respond: { status: 500 },
  });
  expect((await person.at.delete('/api/connectors/github', { brand })).body.revocation).toBe('shared');
  expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('revoked');
  expect(ids.map((id) => hooksOf(world, id).length)).toEqual([0, 0]);
});

test('the hooks of a brand that has just gone stay at GitHub when its person disconnects before the sweep has looked', async () => {
  const team = await newTeam(world, { url: first.url, secret });
  const brand = await newBrand(world, team);
  const person = await newPerson(world, { teams: [team] });
  const ids = [await watching(person, brand), await watching(person)];
  await remove(brand);
  expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('revoked');
  expect(ids.map((id) => hooksOf(world, id).length)).toEqual([0, 0]);
  await minutesPass(2);
  expect(ids.map((id) => leftOf(world, id))).toEqual([0, 0]);
});

test('the hooks of a living connection stay at GitHub when a dead one of its person is ended first', async () => {
  const team = await newTeam(world, { url: first.url, secret });
  const [dead, living] = [await newBrand(world, team), await newBrand(world, team)];
  const person = await newPerson(world, { teams: [team] });
  const ended = await watching(person, dead);
  // The person ends Reeve's access there; the next sign-in brings another.
  await lives.find(({ provider }) => provider === 'github')?.end(world, '');
  const tested = await person.at.post('/api/connectors/github/test', { brand: dead });
  expect(tested.body.status, tested.text).toBe('reauthorization_required');
  const ids = [ended, await watching(person, living)];
  await remove(living);
  await person.at.delete('/api/connectors/github', { brand: dead });
  await minutesPass(2);
  await until(async () => {
    await world.sql(`update revocations set next_attempt_at = now() where under_way_until is null`);
    await fireCron(world);
    return (await world.sql(`select from revocations where provider = 'github'`)).length === 0 || undefined;
  }, 20_000);
  expect(hooksOf(world, ids[1] ?? '')).toEqual([]);
  // What it had made itself stands there, and its token says no more than that it is over.
  expect(ids.map((id) => leftOf(world, id))).toEqual([1, 0]);
});

test('one provider whose ends all fail keeps those of the others waiting', async () => {
  await world.sql(`delete from revocations`);
  const rows = (provider: string, count: number, minutes: number) =>
    world.sql(
      `insert into revocations (id, connection_id, user_id, tenant_id, provider, account_id, grant_id, config, version,
         credential, next_attempt_at, give_up_at)
       select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), $1, 'x' || n, 'x' || n, '{}', 1,
         '\\x00', now() - $3 * interval '1 minute', now() + interval '1 day' from generate_series(1, $2) n`,
      [provider, count, minutes],
    );
  await rows('slack', 1_500, 10);
  await rows('github', 3, 1);
  await world.queuesDeaf(true);
  const ids = await dueRevocations(openServices(world.bindings as unknown as Env), 1_000);
  const found = await world.sql(`select provider from revocations where id = any ($1::uuid[])`, [ids]);
  expect(found.filter(({ provider }) => provider === 'github')).toHaveLength(3);
  expect(ids).toHaveLength(1_000);
  // What waits in the queue is not put there again.
  const more = await dueRevocations(openServices(world.bindings as unknown as Env), 1_000);
  expect([more.length, more.filter((id) => ids.includes(id))]).toEqual([503, []]);
  await world.sql(`delete from revocations`);
  await world.queuesDeaf(false);
});

test('what comes out of the queue before its time keeps the grant’s end waiting for minutes once that has come', async () => {
  const services = openServices(world.bindings as unknown as Env);
  await world.queuesDeaf(true);
  const { owner, brand } = await household();
  await withShop(owner, ownShop(), brand);
  world.gateway.misbehave({ provider: 'shopify', match: 'api_permissions', respond: { status: 503 } });
  expect((await owner.at.delete('/api/connectors/shopify', { brand })).body.revocation).toBe('pending');
  const isDue = `update revocations set next_attempt_at = now() - interval '1 second'`;
  await world.sql(isDue);
  const [id = ''] = await dueRevocations(services, 10);
  // Put off while it was on its way, as by another attempt at its grant.
  await world.sql(`update revocations set next_attempt_at = now() + interval '1 minute'`);
  expect(await claimRevocation(services, id)).toBeUndefined();
  await world.sql(isDue);
  expect(await dueRevocations(services, 10)).toEqual([id]);
  await world.sql(`delete from revocations`);
  await world.queuesDeaf(false);
});

test('who vanished while a connection that then died was given webhooks leaves them there', async () => {
  const { owner, brand } = await household();
  const id = await withShop(owner, ownShop(), brand);
  await world.sql(
    `update webhooks set registered = '[]', status = 'none', lease_id = gen_random_uuid(), check_at = now() + interval '1 minute'
     where connection_id = $1`,
    [id],
  );
  await world.sql(`update connections set reauthorize_by = now() - interval '1 second' where id = $1`, [id]);
  await fireCron(world, 'ending');
  const [row] = await world.sql('select status, lease_id from webhooks where connection_id = $1', [id]);
  expect(row).toEqual({ status: 'failed', lease_id: null });
});
