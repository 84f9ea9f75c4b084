import { sql } from 'kysely';
import { afterAll, expect, inject, test } from 'vitest';
import type { Config } from '../../lib/config.ts';
import { PostgresUnavailable, postgres } from '../../lib/database.ts';
import { newMeter } from '../../lib/meter.ts';
import { startNeon } from '../world/neon.ts';
import { connectTo } from '../world/postgres.ts';
import { applySchema } from '../world/seed.ts';

const databases = connectTo(inject('postgresPort'));
await databases.create('database_test');
await databases.run('database_test', 'create table things (id integer primary key)');
const neon = await startNeon();
afterAll(() => neon.close());

const config = { DATABASE_URL: databases.url('database_test'), NEON_FETCH_ENDPOINT: neon.url } as Config;
const meter = newMeter();
const database = postgres(config, meter);

const failure = (run: Promise<unknown>) =>
  run.then(
    () => undefined,
    (error: unknown) => (error instanceof PostgresUnavailable ? error : undefined),
  );

test('a statement whose answer is lost is run again, and its repeat is told', async () => {
  neon.faults.failNext(1, { after: true });
  const rows = await database.rows(
    sql`insert into things (id) values (1) on conflict do nothing returning id`,
  );
  expect(rows).toEqual([]);
  expect(neon.count()).toBe(2);
});

test('what PostgreSQL refuses is known not to have run, and is not tried again', async () => {
  neon.faults.reset();
  const refused = await failure(database.rows(sql`select * from nothing_of_the_kind`));
  expect(refused?.isUnknown).toBe(false);
  expect(refused?.reason).toBe('postgres: 42P01');
  expect(neon.count()).toBe(1);
});

test('a lost answer stays unknown, whatever the later tries say', async () => {
  neon.faults.reset();
  neon.faults.failNext(1, { after: true });
  // The first run inserts and its answer is lost; the second is refused for the key that stands.
  const lost = await failure(database.rows(sql`insert into things (id) values (2)`));
  expect(lost?.reason).toBe('postgres: 23505');
  expect(lost?.isUnknown).toBe(true);
});

test('who waits too long for a grant gives up, and it is known that nothing ran', async () => {
  neon.faults.reset();
  await applySchema(databases, 'database_test');
  await databases.run('database_test', `insert into grants (provider, identity) values ('slack', 'T1')`);
  const holder = databases.run(
    'database_test',
    `begin; select from grants where identity = 'T1' for update; select pg_sleep(5); commit`,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  const waiting = await failure(
    database.rows(sql`
      with held as materialized (select * from hold_grant('slack', 'T1', null, null, null, null, 75))
      insert into things (id) select 3 from held`),
  );
  expect(waiting?.reason).toBe('postgres: 55P03');
  expect(waiting?.isUnknown).toBe(false);
  await holder;
  expect(await database.rows(sql`select count(*)::int as n from things where id = 3`)).toEqual([{ n: 0 }]);
});
