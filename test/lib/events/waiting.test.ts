import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, expect, inject, test } from 'vitest';
import { postgres } from '../../../lib/database.ts';
import { deliver } from '../../../lib/events/deliver.ts';
import { dueEvents } from '../../../lib/events/due.ts';
import { wakeWaiting } from '../../../lib/events/waiting.ts';
import { newMeter } from '../../../lib/meter.ts';
import type { Services } from '../../../lib/services.ts';
import { TEMPLATE } from '../../global-setup.ts';
import { startNeon } from '../../world/neon.ts';
import { connectTo } from '../../world/postgres.ts';

const DATABASE = 'waiting_test';
const databases = connectTo(inject('postgresPort'));
await databases.create(DATABASE, TEMPLATE);
const neon = await startNeon();
afterAll(() => neon.close());

const config = { DATABASE_URL: databases.url(DATABASE), NEON_FETCH_ENDPOINT: neon.url };
/** A Worker without an agent, and one with it. */
const without = { env: {}, config, postgres: postgres(config, newMeter()) } as unknown as Services;
const withAgent = {
  ...without,
  config: {
    ...config,
    AGENT_EVENTS_URL: 'https://agent.example.com/',
    AGENT_EVENTS_SECRET: 'whsec_c2VjcmV0',
  },
} as unknown as Services;

const sql = async (text: string, values: unknown[] = []) =>
  (await databases.run(DATABASE, text, values)).rows;

/** Events that are due, of a person who is in no team: a tenant of their own. */
async function events(count: number): Promise<string> {
  const tenant = randomUUID();
  await sql(`insert into users (id, name) values ($1, 'Somebody')`, [tenant]);
  await sql(
    `insert into events (id, type, provider, connection_id, tenant_id, user_id, account_id, occurred_at, next_attempt_at)
     select gen_random_uuid(), 'stripe.invoice.created', 'stripe', $1, $1, $1, 'acct_1', now(), now() - interval '1 minute'
     from generate_series(1, $2::integer)`,
    [tenant, count],
  );
  return tenant;
}

const ownAgent = (tenant: string) =>
  sql(`insert into agents (tenant_id, url, secret) values ($1, 'https://own.example.com/', '')`, [tenant]);

/** How many of a tenant's are due, and how many are for nobody yet. */
const standing = async (tenant: string) => {
  const rows = await sql(
    `select count(*) filter (where next_attempt_at <= now())::integer as due,
       count(*) filter (where next_attempt_at = 'infinity')::integer as waiting, max(attempts) as attempts
     from events where tenant_id = $1 and status = 'pending'`,
    [tenant],
  );
  return rows[0];
};

/** What has come of those that are due, where there is no agent. */
const tellDue = async (limit: number) =>
  (
    await deliver(
      without,
      (await dueEvents(without, limit)).map(({ id }) => id),
    )
  ).counts;

beforeEach(() => sql('truncate events, agents'));

test('events that nobody takes are due no more, and hold up nobody’s', async () => {
  const tenant = await events(30);
  expect(await tellDue(100)).toEqual({ no_agent: 30 });
  expect(await standing(tenant)).toEqual({ due: 0, waiting: 30, attempts: 0 });
  const other = await events(2);
  const due = await sql('select id from events where tenant_id = $1', [other]);
  expect((await dueEvents(without, 2)).map(({ id }) => id).sort()).toEqual(due.map(({ id }) => id).sort());
  expect(await wakeWaiting(without, 100)).toBe(0);
});

test('they are due once their team has an agent, be they written just when it was set up', async () => {
  const [mine, other] = [await events(30), await events(30)];
  await tellDue(100);
  await ownAgent(mine);
  expect(await wakeWaiting(without, 20)).toBe(20);
  expect(await standing(mine)).toEqual({ due: 20, waiting: 10, attempts: 0 });
  expect(await wakeWaiting(without, 20)).toBe(10);
  expect(await wakeWaiting(without, 20)).toBe(0);
  expect(await standing(other)).toEqual({ due: 0, waiting: 30, attempts: 0 });
});

test('they are due once the Worker has an agent, so many at a time', async () => {
  const tenant = await events(30);
  await tellDue(100);
  for (const woken of [20, 10, 0]) expect(await wakeWaiting(withAgent, 20)).toBe(woken);
  expect(await standing(tenant)).toEqual({ due: 30, waiting: 0, attempts: 0 });
});

test('looking for them is by their index, however many events there are', async () => {
  await events(20_000);
  await sql('analyze events');
  const plan = await sql(
    `explain select id from events where status = 'pending' and last_error = 'no agent' order by tenant_id, id limit 2000 for update skip locked`,
  );
  expect(JSON.stringify(plan)).toContain('events_waiting');
});
