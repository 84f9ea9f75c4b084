import { randomUUID } from 'node:crypto';
import { afterAll, expect, inject, test } from 'vitest';
import { compile, postgres } from '../../../lib/database.ts';
import { forgetAccount, forgetCustomer } from '../../../lib/events/forget.ts';
import { newMeter } from '../../../lib/meter.ts';
import type { Services } from '../../../lib/services.ts';
import { TEMPLATE } from '../../global-setup.ts';
import { startNeon } from '../../world/neon.ts';
import { connectTo } from '../../world/postgres.ts';

const DATABASE = 'forget_test';
const databases = connectTo(inject('postgresPort'));
await databases.create(DATABASE, TEMPLATE);
const neon = await startNeon();
afterAll(() => neon.close());

const config = { DATABASE_URL: databases.url(DATABASE), NEON_FETCH_ENDPOINT: neon.url };
const services = { postgres: postgres(config, newMeter()) } as Services;
const sql = async (text: string, values: unknown[]) => (await databases.run(DATABASE, text, values)).rows;

const ADA = '{"customer":{"id":8011302502693,"email":"ada@buyer.example"}}';
const BOB = '{"customer":{"id":8011302502694,"email":"bob@buyer.example"}}';

/** Stores payloads of one shop, half of them received in one moment; gives what asks for a customer to be forgotten. */
async function shopWith(payloads: number, of: string) {
  const asking = {
    id: randomUUID(),
    tenant_id: randomUUID(),
    user_id: randomUUID(),
    brand_id: null,
    connection_id: randomUUID(),
    account_id: 'a.myshopify.com',
    provider: 'shopify',
    data: ADA,
  };
  const { tenant_id, user_id, connection_id, account_id } = asking;
  await sql(
    `insert into events (id, type, provider, connection_id, tenant_id, user_id, account_id, occurred_at, received_at, data, topic, status)
     select case when n = 0 then $6::uuid else gen_random_uuid() end, '', 'shopify', $1, $2, $3, $4, now(),
       now() - make_interval(secs => greatest(n, $5 / 2)), case when n = 0 then $7 else $8 end, 'orders/create', 'kept'
     from generate_series(0, $5::integer) n`,
    [connection_id, tenant_id, user_id, account_id, payloads, asking.id, asking.data, of],
  );
  return asking;
}

const left = async (connectionId: string) => {
  const rows = await sql(
    'select data, count(*)::integer as n from events where connection_id = $1 group by data order by data',
    [connectionId],
  );
  return Object.fromEntries(rows.map(({ data, n }) => [data, n]));
};
const audited = (connectionId: string) =>
  sql('select action, detail from audit_log where connection_id = $1', [connectionId]);
const BLANK = '{"redacted":true}';

test.each([0, 1, 199, 200, 201, 650])('all of %i payloads of a customer are blanked', async (payloads) => {
  const asking = await shopWith(payloads, ADA);
  await forgetCustomer(services, asking);
  expect(await left(asking.connection_id)).toEqual({ [BLANK]: payloads + 1 });
  expect(await audited(asking.connection_id)).toEqual([
    { action: 'customer_redacted', detail: { events: payloads + 1 } },
  ]);
});

test('who has no time left goes on there the next time, and the request is blanked last', async () => {
  const asking = await shopWith(650, ADA);
  for (const done of [1, 2]) {
    expect(await forgetCustomer(services, asking, 0)).toBe(false);
    const { [BLANK]: blank } = await left(asking.connection_id);
    expect(blank).toBeGreaterThanOrEqual(done * 200);
    expect(blank).toBeLessThan(651);
  }
  expect(await forgetCustomer(services, asking)).toBe(true);
  expect(await left(asking.connection_id)).toEqual({ [BLANK]: 651 });
  // Doing it once more adds nothing.
  expect(await forgetCustomer(services, { ...asking, data: BLANK })).toBe(true);
  expect(await audited(asking.connection_id)).toEqual([
    { action: 'customer_redacted', detail: { events: 651 } },
  ]);
});

test('a request that still waits is left for what it says, whatever another blanks', async () => {
  const asking = await shopWith(10, ADA);
  const [waiting] = await sql(
    `update events set status = 'pending', meaning = 'forget_customer' where id = (
       select id from events where connection_id = $1 and id <> $2 limit 1
     ) returning id`,
    [asking.connection_id, asking.id],
  );
  await forgetAccount(services, asking);
  expect(await left(asking.connection_id)).toEqual({ [ADA]: 1, [BLANK]: 10 });
  await forgetCustomer(services, { ...asking, id: waiting.id });
  expect(await left(asking.connection_id)).toEqual({ [BLANK]: 11 });
});

test('what is another account’s, another connection’s or of the connection itself is left alone', async () => {
  const asking = await shopWith(10, ADA);
  const other = await shopWith(1, ADA);
  const change = async (set: string) =>
    sql(
      `update events set ${set} where id = (
         select id from events
         where connection_id = $1 and id <> $2 and topic is not null and account_id = $3 limit 1
       )`,
      [asking.connection_id, asking.id, asking.account_id],
    );
  await change(`account_id = 'b.myshopify.com'`);
  await change('topic = null');
  await forgetAccount(services, asking);
  expect(await left(asking.connection_id)).toEqual({ [ADA]: 2, [BLANK]: 9 });
  expect(await left(other.connection_id)).toEqual({ [ADA]: 2 });
});

test('only the connection’s own payloads are read, however many others are older', async () => {
  const asking = await shopWith(20_000, BOB);
  await shopWith(60_000, BOB);
  await sql('analyze events', []);
  const statements: string[] = [];
  const rows = async (statement: Parameters<typeof compile>[0]) => {
    const { text, parameters } = compile(statement);
    const plan = await sql(`explain ${text}`, parameters);
    statements.push(plan.map((line) => line['QUERY PLAN']).join('\n'));
    return [];
  };
  await forgetCustomer({ postgres: { rows } } as unknown as Services, asking);
  expect(statements[0]).toMatch(/events_received/);
  expect(statements[0]).not.toMatch(/events_by_age|Seq Scan on events/);
});

test('others are left alone, unless all of the account is to be forgotten', async () => {
  const asking = await shopWith(450, BOB);
  await forgetCustomer(services, asking);
  expect(await left(asking.connection_id)).toEqual({ [BOB]: 450, [BLANK]: 1 });
  await forgetAccount(services, { ...asking, id: randomUUID() });
  expect(await left(asking.connection_id)).toEqual({ [BLANK]: 451 });
});
