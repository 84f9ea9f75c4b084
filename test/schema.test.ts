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
