import { expect, inject, test } from 'vitest';
import { connectTo } from './world/postgres.ts';
import { applySchema } from './world/seed.ts';

const databases = connectTo(inject('postgresPort'));

test('schema.sql applies to an empty database, and again to one that is in use', async () => {
  await databases.create('schema_twice');
  await applySchema(databases, 'schema_twice');
  const { rows: before } = await databases.run(
    'schema_twice',
    'select table_name, column_name, data_type from information_schema.columns where table_schema = $1 order by 1, 2',
    ['public'],
  );
  await databases.run('schema_twice', `insert into users (name) values ('Ada')`);
  await applySchema(databases, 'schema_twice');
  const { rows: after } = await databases.run(
    'schema_twice',
    'select table_name, column_name, data_type from information_schema.columns where table_schema = $1 order by 1, 2',
    ['public'],
  );
  expect(after).toEqual(before);
  expect(before.length).toBeGreaterThan(60);
  const { rows: users } = await databases.run('schema_twice', 'select name from users');
  expect(users).toEqual([{ name: 'Ada' }]);
});

test('schema.sql brings a database from before grants were told from accounts up to date', async () => {
  const run = (text: string) => databases.run('schema_older', text);
  await databases.create('schema_older');
  await applySchema(databases, 'schema_older');
  await run('alter table connections drop column grant_id');
  await run('alter table revocations drop column grant_id');
  await run(`insert into connections (id, user_id, tenant_id, provider, type, status, account_id)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'github', 'oauth', 'disconnected', '583231'`);
  await applySchema(databases, 'schema_older');
  expect((await run('select grant_id from connections')).rows).toEqual([{ grant_id: '583231' }]);
  expect(
    (
      await run(
        `select column_name from information_schema.columns
         where table_name = 'revocations' and is_nullable = 'YES' and column_name like '%\\_id' order by 1`,
      )
    ).rows.map((row) => row.column_name),
  ).toEqual(['account_id', 'brand_id', 'client_id', 'credential_id', 'data_key_id', 'grant_id']);
});
