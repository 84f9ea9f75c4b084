import { readFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { fireCron } from './support/cron.ts';
import { send, stripeEvent } from './support/deliveries.ts';
import { feedOf } from './support/feed.ts';
import { connectByOAuth } from './support/flows.ts';
import { done, run } from './support/keyed-world.ts';
import { connectWithNewKey } from './support/keys.ts';
import { openWorld, teams } from './support/open-world.ts';
import { openTarget } from './support/targets.ts';
import { quiet } from './support/trips.ts';
import { root } from './world/bundle.ts';
import { connectTo } from './world/postgres.ts';

const DATABASE = 'with_roles';
const databases = connectTo(inject('postgresPort'));
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const [, roles = ''] = /### Database roles[\s\S]*?```sql\n([\s\S]*?)```/.exec(read('README.md')) ?? [];

const urlOf = (role: string) => databases.url(DATABASE).replace('//reeve@', `//${role}@`);

/** Runs SQL as somebody who may log in. */
async function as(role: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: urlOf(role) });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

const OURS = `
  select c.oid, c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    and c.relname not in ('users', 'teams', 'team_members', 'brands', 'sessions')`;

// As at Neon, where a database's owner is no superuser.
await databases.run('postgres', 'create role neondb_owner login createrole');
await databases.run('postgres', `create database ${DATABASE} owner neondb_owner`);
await as('neondb_owner', read('schema.sql'));
for (let times = 1; times <= 2; times += 1) await as('neondb_owner', roles);

test('the Cockpit reads what is sealed, or changes what is not its own', async () => {
  const { rows: readable } = await databases.run(
    DATABASE,
    `select o.relname || '.' || a.attname as name from (${OURS}) o
     join pg_attribute a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
     where has_column_privilege('reeve_cockpit', o.oid, a.attnum, 'select')
       and (a.atttypid = 'bytea'::regtype or a.attname ~ '^(data|detail|grant_id|credential_id|data_key_id)$')`,
  );
  expect(readable).toEqual([]);
  const { rows: changeable } = await databases.run(
    DATABASE,
    `select o.relname || coalesce('.' || a.attname, '') as name from (${OURS}) o
     left join pg_attribute a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
       and has_column_privilege('reeve_cockpit', o.oid, a.attnum, 'insert, update, references')
     where has_table_privilege('reeve_cockpit', o.oid, 'insert, update, delete, truncate, references, trigger')
       or a.attname is not null`,
  );
  // The contract lets others have a row renewed at once.
  expect(changeable).toEqual([{ name: 'connections.refresh_at' }]);
  for (const statement of [
    'select credential from connections',
    'select * from data_keys',
    `update connections set config = '{}'`,
    'delete from events',
    'select begin_feed_epoch()',
  ]) {
    await expect(as('reeve_cockpit', statement), statement).rejects.toMatchObject({ code: '42501' });
  }
  await as(
    'reeve_cockpit',
    'select c.status, w.status from connections c left join webhooks w on w.connection_id = c.id',
  );
  await as('reeve_cockpit', `insert into users (name) values ('Ada'); delete from users where name = 'Ada'`);
});

test('the Worker runs DDL, or changes what is the Cockpit’s', async () => {
  for (const statement of [
    'create table mine ()',
    'create temporary table mine ()',
    'alter table connections add column mine text',
    'create or replace function owner_of() returns void language sql as $$ $$',
    'truncate events',
    'drop table events',
    'delete from users',
    `insert into sessions (id, user_id, expires_at) select 'x', gen_random_uuid(), now()`,
    'update brands set team_id = team_id',
    'set role reeve_operator',
  ]) {
    await expect(as('reeve_worker', statement), statement).rejects.toMatchObject({ code: '42501' });
  }
});

test('the operator cannot apply schema.sql, or the Worker not use what that adds', async () => {
  await as('reeve_operator', read('schema.sql'));
  await as('reeve_operator', 'create table if not exists added (id integer)');
  await as('reeve_worker', 'insert into added values (1); delete from added');
  await expect(as('reeve_cockpit', 'select from added')).rejects.toMatchObject({ code: '42501' });
  await as('reeve_operator', 'drop table added');
});

test('the Worker, or a command, lacks a right that its statements need', async () => {
  const world = await openWorld({ databaseUrl: urlOf('reeve_worker') }, DATABASE);
  world.store('github').set('settings.expiring', true);
  for (const provider of ['github', 'slack', 'google_ads'])
    expect((await connectByOAuth(world.ada, provider)).status).toBe(200);
  await connectWithNewKey(world, world.grace, 'zendesk');
  const target = await openTarget(world, 'stripe');
  expect((await send(target, { body: stripeEvent('invoice.created'), event: '', id: '' })).status).toBe(200);
  const { events } = (await feedOf(target.person.at, 2)).body;
  expect((await target.person.at.post(`/api/events/${events[0].id}/redeliver`)).status).toBeLessThan(300);
  expect((await world.ada.get('/api/connectors/list?scope=team')).status).toBe(200);
  expect((await world.ada.post('/api/connectors/github/test')).status).toBe(200);
  await world.sql(`update connections set refresh_at = now(), check_at = now() where refresh_at is not null`);
  await world.sql(`update data_keys set created_at = now() - interval '31 days' where tenant_id = $1`, [
    teams.ours,
  ]);
  await fireCron(world, 'keys');
  await quiet(world);
  expect((await world.ada.delete('/api/connectors/github')).status).toBe(200);
  await world.sql('delete from users where id = $1', [target.person.id]);
  await fireCron(world, 'keys');
  await quiet(world);
  done(await run(world, ['rotate'], { DATABASE_URL: urlOf('reeve_operator') }));
  const { rows } = await databases.run(
    DATABASE,
    `select from pg_stat_activity where datname = $1 and usename = 'reeve_worker'`,
    [DATABASE],
  );
  expect(rows.length, 'the Worker’s connections').toBeGreaterThan(0);
  expect(world.neon.queries.filter(({ error }) => error === '42501')).toEqual([]);
  expect(world.logs.filter((line) => line.includes('42501'))).toEqual([]);
}, 60_000);
