import { afterEach, describe, expect, test } from 'vitest';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { type Life, lives } from './support/lives.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { quiet } from './support/trips.ts';

// Whoever can write our database changes one column of a row: nothing of it goes to a host that is not the connection's.

const world = await openWorld();

const EVIL = [
  'evil.example',
  'evil.example/',
  'x@evil.example',
  'evil.example#',
  'evil.myshopify.com',
  '169.254.169.254',
];
const UUID = '11111111-2222-4333-8444-555555555555';
const BY_TYPE: Record<string, string> = {
  text: `'evil.example'`,
  'text[]': `array['evil.example']`,
  uuid: `'${UUID}'`,
  int4: '7',
  bool: 'true',
  timestamptz: `now() - interval '1 hour'`,
  bytea: `'\\x0102'`,
  jsonb: `'{"host":"evil.example","shop":"evil.example","domain":"evil.example","subdomain":"evil.example/"}'`,
};

const made = lives.filter(
  ({ way }, at, all) =>
    way !== 'a GitHub App' &&
    all.findIndex((each) => each.way === way && each.provider === all[at]?.provider) === at,
);

async function connected(life: Life): Promise<{ person: Person; id: string; hosts: Set<string> }> {
  const person = await newPerson(world);
  world.reset();
  const reply = life.key
    ? await connect(person.at, life.provider, issueKey(world, life.provider, life.key))
    : await connectByOAuth(person.at, life.provider);
  expect([200, 201], reply.text).toContain(reply.status);
  await quiet(world);
  // Where people sign in, too.
  return { person, id: String(reply.body.id), hosts: new Set(world.gateway.calls.map(({ host }) => host)) };
}

/** Hosts that were asked since, and are none of the connection's. */
const strangers = (hosts: Set<string>) =>
  world.gateway.calls.map(({ host }) => host).filter((host) => !hosts.has(host));

describe.each(made)('$provider by $way: one changed column sends', (life) => {
  afterEach(() => world.reset());

  test('no token, and not our client’s secret, to another host: each column of its row, when it is tested', async () => {
    const { person, id, hosts } = await connected(life);
    const columns = await world.sql(
      `select a.attname as name, format_type(a.atttypid, null) as type, t.typname as short
       from pg_attribute a join pg_type t on t.oid = a.atttypid
       where a.attrelid = 'connections'::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> 'id'`,
    );
    expect(columns.length).toBeGreaterThan(30);
    await world.sql('create table kept as select * from connections where id = $1', [id]);
    let tried = 0;
    for (const { name, type, short } of columns) {
      const value = BY_TYPE[String(type)] ?? BY_TYPE[String(short)];
      if (value === undefined) continue;
      // What the table itself refuses is no way.
      const isTaken = await world.sql(`update connections set ${name} = ${value} where id = $1`, [id]).then(
        () => true,
        () => false,
      );
      if (!isTaken) continue;
      tried += 1;
      world.gateway.calls.length = 0;
      await person.at.post(`/api/connectors/${life.provider}/test`);
      expect(strangers(hosts), String(name)).toEqual([]);
      await world.sql('delete from connections where id = $1', [id]);
      await world.sql('insert into connections select * from kept');
    }
    await world.sql('drop table kept');
    expect(tried).toBeGreaterThan(25);
  });

  test('nothing, whatever its config says, when it is tested, renewed, looked at and disconnected', async () => {
    const { person, id, hosts } = await connected(life);
    const [row] = await world.sql('select config from connections where id = $1', [id]);
    const config = row?.config as Record<string, string>;
    const names = [...new Set([...Object.keys(config), 'shop', 'host', 'domain', 'subdomain'])];
    for (const evil of EVIL) {
      const changed = Object.fromEntries(names.map((name) => [name, evil]));
      await world.sql(
        `update connections set config = $2, refresh_at = now(), check_at = now(), lease_id = null, lease_until = null where id = $1`,
        [id, JSON.stringify({ ...config, ...changed })],
      );
      world.gateway.calls.length = 0;
      const reply = await person.at.post(`/api/connectors/${life.provider}/test`);
      expect([reply.status, reply.body.code], evil).toEqual([503, 'unavailable']);
      if (evil === EVIL[0]) {
        await fireCron(world, 'check');
        await quiet(world);
      }
      // What of it is on its way to its end goes where it always did.
      expect(strangers(hosts), evil).toEqual([]);
    }
    world.gateway.calls.length = 0;
    await person.at.delete(`/api/connectors/${life.provider}`);
    await world.sql(`update revocations set next_attempt_at = now() where connection_id = $1`, [id]);
    await fireCron(world, 'revocation');
    await quiet(world);
    expect(strangers(hosts)).toEqual([]);
  });
});
