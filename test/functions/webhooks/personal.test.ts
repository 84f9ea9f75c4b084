import { beforeEach, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { send, settledOf, something, storedOf, toldOf } from '../../support/deliveries.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { done, run } from '../../support/keyed-world.ts';
import { openWorld } from '../../support/open-world.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { openClock } from '../../world/clock.ts';

// What providers tell of their customers: where it is kept, and how it ends.

const clock = openClock();
const world = await openWorld({ now: clock.now });
await clock.rule(world);
beforeEach(() => world.reset());

const HOUR = 3_600_000;

/** An order, and the address of whose it is. */
function order(target: Target) {
  const delivery = something(target);
  const { customer } = JSON.parse(String(delivery.body)) as { customer: { email: string } };
  return { delivery, email: customer.email };
}

/** Whether a row of any table says something, in clear. */
async function isInPostgres(text: string): Promise<boolean> {
  const tables = await world.sql(
    `select table_name from information_schema.tables where table_schema = 'public'`,
  );
  for (const { table_name: table } of tables) {
    const found = await world.sql(
      `select 1 from ${table} t where t::text like $1 or t::text like $2 limit 1`,
      [`%${text}%`, `%${Buffer.from(text).toString('hex')}%`],
    );
    if (found.length > 0) return true;
  }
  return false;
}

const payloadsOf = async ({ id }: Target) =>
  (
    await world.sql(
      'select 1 from payloads where id in (select payload_id from events where connection_id = $1)',
      [id],
    )
  ).length;

test('customers’ e-mail addresses stand in clear in events for thirty days', async () => {
  const target = await openTarget(world, 'shopify');
  const { delivery, email } = order(target);
  expect((await send(target, delivery)).status).toBe(200);
  await settledOf(target);
  expect(JSON.stringify(toldOf(target))).toContain(email);
  expect((await storedOf(target)).map(({ data }) => data)).toEqual([delivery.body]);
  expect(await isInPostgres(email)).toBe(false);
});

test('customers’ e-mail addresses stand in clear in KV for seven days, and whoever writes KV injects events', async () => {
  const target = await openTarget(world, 'shopify');
  const { delivery, email } = order(target);
  world.neon.faults.decide((sql) => (sql.includes('store_delivery') ? { after: false } : undefined));
  expect((await send(target, delivery)).status).toBe(200);
  world.neon.faults.decide(() => undefined);
  const kv = await world.miniflare.getKVNamespace('STATES');
  const [parked] = (await kv.list({ prefix: 'delivery:' })).keys;
  const value = Buffer.from((await kv.get(parked?.name ?? '', 'arrayBuffer')) ?? new ArrayBuffer());
  expect(value.length).toBeGreaterThan(String(delivery.body).length);
  expect(value.includes(email)).toBe(false);

  // What was put there under another name, changed, or made up is nobody's.
  const changed = Buffer.from(value);
  changed[changed.length - 20] = (changed[changed.length - 20] ?? 0) ^ 1;
  await kv.put(`delivery:${target.id}:${'0'.repeat(64)}`, new Uint8Array(value).buffer);
  await kv.put(`delivery:${target.id}:${'1'.repeat(64)}`, new Uint8Array(changed).buffer);
  await kv.put(
    `delivery:${target.id}:${'2'.repeat(64)}`,
    JSON.stringify({ provider: 'shopify', text: '{}' }),
  );
  const lines = world.logs.length;
  expect(await fireCron(world, 'deliveries')).toMatchObject({ stored: 1, aside: 3 });
  expect(world.logs.slice(lines).filter((line) => line.includes('kept_delivery_set_aside'))).toHaveLength(3);
  expect((await settledOf(target)).map(({ data }) => data)).toEqual([delivery.body]);
  expect((await kv.list({ prefix: 'delivery:' })).keys).toEqual([]);
  for (const { name } of (await kv.list({ prefix: 'aside:' })).keys) await kv.delete(name);
});

test('one delivery that cannot be stored stops all that wait behind it', async () => {
  const [first, second] = [await openTarget(world, 'shopify'), await openTarget(world, 'shopify')];
  const [poison, well] = [first.id < second.id ? first : second, first.id < second.id ? second : first];
  world.neon.faults.decide((sql) => (sql.includes('store_delivery') ? { after: false } : undefined));
  for (const target of [poison, well]) expect((await send(target, order(target).delivery)).status).toBe(200);
  world.neon.faults.decide((sql, values) =>
    sql.includes('store_delivery') && JSON.stringify(values).includes(poison.id)
      ? { after: false }
      : undefined,
  );
  expect(await fireCron(world, 'deliveries')).toMatchObject({ stored: 1, aside: 0 });
  await fireCron(world, 'deliveries');
  expect(await fireCron(world, 'deliveries')).toMatchObject({ stored: 0, aside: 1 });
  expect(await storedOf(well)).toHaveLength(1);
  world.neon.faults.decide(() => undefined);
  await clock.advance(2 * HOUR);
  expect(await fireCron(world, 'deliveries')).toMatchObject({ stored: 1 });
  expect(await storedOf(poison)).toHaveLength(1);
}, 60_000);

test('a disconnect leaves what customers have said for thirty days', async () => {
  const target = await openTarget(world, 'shopify');
  expect((await send(target, order(target).delivery)).status).toBe(200);
  await settledOf(target);
  expect((await target.person.at.delete('/api/connectors/shopify')).status).toBe(200);
  await clock.advance(23 * HOUR);
  await fireCron(world, 'sweep');
  expect(await payloadsOf(target)).toBe(1);
  await clock.advance(2 * HOUR);
  await fireCron(world, 'sweep');
  expect(await payloadsOf(target)).toBe(0);
  expect((await storedOf(target)).map(({ data }) => data)).toEqual(['{"redacted":true}']);
  expect(await world.sql('select 1 from payloads')).toEqual(
    await world.sql('select 1 from payloads p where exists (select from events where payload_id = p.id)'),
  );
});

test('a disconnect leaves what customers have said where the person connects again within a day', async () => {
  const target = await openTarget(world, 'shopify');
  expect((await send(target, order(target).delivery)).status).toBe(200);
  await settledOf(target);
  expect((await target.person.at.delete('/api/connectors/shopify')).status).toBe(200);
  const query = { shop: target.shop };
  expect((await connectByOAuth(target.person.at, 'shopify', { query })).status).toBeLessThan(400);
  await clock.advance(24 * HOUR);
  await fireCron(world, 'sweep');
  expect(await payloadsOf(target)).toBe(0);
});

test('keys:destroy leaves what customers have said', async () => {
  const target = await openTarget(world, 'shopify');
  expect((await send(target, order(target).delivery)).status).toBe(200);
  await settledOf(target);
  const [row] = await world.sql('select tenant_id from connections where id = $1', [target.id]);
  done(await run(world, ['destroy', String(row?.tenant_id), '--yes']));
  expect(await payloadsOf(target)).toBe(0);
  const feed = await target.person.at.get('/api/events?type=shopify.product.updated');
  expect(feed.body.events.map(({ data }: { data: unknown }) => data)).toEqual([{ redacted: true }]);
});

test('a payload that somebody has changed is told, or ends the feed', async () => {
  const target = await openTarget(world, 'shopify');
  await world.queuesDeaf(true);
  for (let at = 0; at < 2; at += 1) expect((await send(target, order(target).delivery)).status).toBe(200);
  const [first, second] = await storedOf(target);
  await world.sql(
    `update payloads set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)
     where id = (select payload_id from events where id = $1)`,
    [first?.id],
  );
  await world.queuesDeaf(false);
  await fireCron(world, 'events');
  await until(() => toldOf(target).some(({ id }) => id === second?.id) || undefined);
  expect(toldOf(target).map(({ id }) => id)).toEqual([second?.id]);
  const [row] = await world.sql('select last_error from events where id = $1', [first?.id]);
  expect(row?.last_error).toMatch(/does not open/);
  const feed = await target.person.at.get('/api/events?type=shopify.product.updated');
  expect(feed.body.events.map(({ data }: { data: object }) => 'unreadable' in data)).toEqual([true, false]);
  await world.sql('delete from payloads where id = (select payload_id from events where id = $1)', [
    first?.id,
  ]);
});
