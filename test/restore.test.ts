import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import type { Client } from './support/client.ts';
import { fireCron } from './support/cron.ts';
import { feedOf } from './support/feed.ts';
import { connectByOAuth } from './support/flows.ts';
import { openWorld, type TestWorld } from './support/open-world.ts';
import { restore } from './support/restored.ts';
import { quiet, until } from './support/trips.ts';
import { startPostgres } from './world/postgres.ts';
import { applySchema } from './world/seed.ts';

const DATABASE = 'restored';

const connect = async (client: Client, provider: string) =>
  expect((await connectByOAuth(client, provider)).status).toBe(200);
const behind = (cursor: string) => `?after=${encodeURIComponent(cursor)}`;
const idsOf = (reply: { body: { events: { id: string }[] } }) => reply.body.events.map(({ id }) => id);

/** Lets a cluster give out many numbers of transactions. */
const age = ({ databases, database }: TestWorld) =>
  databases.run(
    database,
    'do $$ begin for i in 1..5000 loop perform pg_current_xact_id(); commit; end loop; end $$',
  );

test('a feed is empty after a dump is restored into a younger cluster', async () => {
  const older = await openWorld();
  await connect(older.ada, 'github');
  await age(older);
  await connect(older.ada, 'slack');
  const before = await feedOf(older.ada, 2);
  await quiet(older);

  const server = await startPostgres(
    path.join(mkdtempSync(path.join(inject('directory'), 'younger-')), 'data'),
  );
  afterAll(() => server.stop());
  const world = await openWorld({ databaseUrl: server.url(DATABASE) }, older.database);
  await restore({ server: older.databases, database: older.database }, { server, database: DATABASE });
  const ahead = await server.run(
    DATABASE,
    'select from events where written_in > pg_snapshot_xmax(pg_current_snapshot())',
  );
  expect(ahead.rowCount, 'events that are ahead').toBeGreaterThan(0);
  await applySchema(server, DATABASE);
  // Once is enough: cursors of since then are good.
  const fresh = await feedOf(world.ada, 2);
  await applySchema(server, DATABASE);
  expect(idsOf(fresh)).toEqual(idsOf(before));

  // The KMS of this world is another.
  await server.run(DATABASE, 'delete from data_keys');
  await connect(world.ada, 'google_ads');
  const added = await feedOf(world.ada, 1, behind(fresh.body.next));
  expect(added.body.events).toMatchObject([{ type: 'connection.connected', provider: 'google_ads' }]);
  // Who was at the end before the dump is told all of it again, and then what is new.
  const again = await feedOf(world.ada, 3, behind(before.body.next));
  expect(idsOf(again)).toEqual([...idsOf(before), ...idsOf(added)]);
  expect((await feedOf(world.ada, 0, behind(again.body.next))).body.events).toEqual([]);
}, 60_000);

test('a cursor reads nothing more after a database was taken back to a point in time', async () => {
  const world = await openWorld();
  await connect(world.ada, 'github');
  const all = await feedOf(world.ada, 1);
  const [, ...rest] = JSON.parse(Buffer.from(all.body.next, 'base64').toString());
  const undone = Buffer.from(JSON.stringify(['999999999', ...rest])).toString('base64');
  expect(idsOf(await feedOf(world.ada, 0, behind(undone)))).toEqual(idsOf(all));

  // What was written in its place has come past the cursor meanwhile: nothing but the operator tells.
  await connect(world.ada, 'slack');
  const passed = await feedOf(world.ada, 2);
  await world.sql('select begin_feed_epoch()');
  expect(idsOf(await feedOf(world.ada, 2, behind(passed.body.next)))).toEqual(idsOf(passed));
});

test.each([
  ['github', 'reauthorization_required'],
  ['slack', 'reauthorization_required'],
  ['shopify', 'reauthorization_required'],
  ['google_ads', 'connected'],
  ['meta', 'connected'],
])('a connection to %s that was renewed after the dump is %s', async (provider, status) => {
  let later = 0;
  const world = await openWorld({ now: () => Date.now() + later });
  world.store('github').set('settings.expiring', true);
  world.store('slack').set('settings.rotation', true);
  await connect(world.ada, provider);
  await quiet(world);
  await world.sql('create table dump as select * from connections');
  const row = async () => (await world.sql('select status, version, last_error_code from connections'))[0];
  // Renewed twice, so that the token of the dump is not the last but one.
  for (const version of [2, 3]) {
    await world.sql(`update connections set refresh_at = now() - interval '1 second'`);
    await fireCron(world);
    await until(async () => ((await row())?.version === version ? true : undefined));
  }
  await quiet(world);
  await world.sql('delete from connections');
  await world.sql('insert into connections select * from dump');
  // The access token of the dump has ended by then.
  later = 24 * 3_600_000;
  await world.sql(
    `update connections set (refresh_at, expires_at) = (now() - interval '1 second', now() - interval '1 second')`,
  );
  await fireCron(world);
  await until(async () =>
    (await row())?.version === 2 || (await row())?.status !== 'connected' ? true : undefined,
  );
  expect(await row()).toMatchObject({ status });
});
