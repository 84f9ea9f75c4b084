import { beforeEach, describe, expect, test } from 'vitest';
import { openServices } from '../lib/services.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect as connectByKey, issueKey } from './support/keys.ts';
import { brands, openWorld, teams } from './support/open-world.ts';
import { quiet } from './support/trips.ts';

const world = await openWorld();
const { ada, grace, mallory } = world;

/** Connects GitHub for somebody, until nothing more becomes of that; gives the row. */
async function connect(client: typeof ada, brand?: string) {
  const reply = await connectByOAuth(client, 'github', {
    query: { replace: 'true' },
    ...(brand !== undefined && { brand }),
  });
  expect(reply.status, reply.text).toBe(200);
  await quiet(world);
  return String(reply.body.id);
}

const put = (id: string, column: string, from: string, fromColumn = column) =>
  world.sql(
    `update connections set ${column} = (select ${fromColumn} from connections where id = $2),
       data_key_id = (select data_key_id from connections where id = $2) where id = $1`,
    [id, from],
  );

/** The envelope no longer belongs to where it stands: nothing is asked of the provider, the log says why. */
async function expectClosed(client: typeof ada, brand?: string) {
  await quiet(world);
  world.reset();
  const reply = await client.post('/api/connectors/github/test', brand === undefined ? {} : { brand });
  expect(reply.status, reply.text).toBe(503);
  expect(world.gateway.count('github')).toBe(0);
  expect(world.logs.at(-1)).toMatch(/envelope|data key/);
}

async function expectOpen(client: typeof ada, brand?: string) {
  const reply = await client.post('/api/connectors/github/test', brand === undefined ? {} : { brand });
  expect(reply.body.status, reply.text).toBe('connected');
}

beforeEach(() => world.reset());

describe('an envelope opens nowhere but in its own place:', () => {
  test('not in the row of a team mate', async () => {
    const [hers, his] = [await connect(ada), await connect(grace)];
    await expectOpen(grace);
    await put(his, 'credential', hers);
    await expectClosed(grace);
    await expectOpen(ada);
  });

  test('not in another brand of the same user', async () => {
    const [north, south] = [await connect(ada, brands.north), await connect(ada, brands.south)];
    await put(south, 'credential', north);
    await expectClosed(ada, brands.south);
  });

  test('not in the row of another team, whose key it was not sealed with', async () => {
    const [ours, theirs] = [await connect(ada), await connect(mallory)];
    await put(theirs, 'credential', ours);
    await expectClosed(mallory);
  });

  test('not when the row is moved to another team together with its key', async () => {
    const id = await connect(mallory);
    await world.sql('update connections set tenant_id = $2 where id = $1', [id, teams.ours]);
    await expectClosed(mallory);
  });

  test('not from another column', async () => {
    world.store('github').set('settings.expiring', true);
    const id = await connect(ada);
    world.store('github').delete('settings.expiring');
    const [row] = await world.sql('select refresh_token from connections where id = $1', [id]);
    expect(row?.refresh_token).not.toBeNull();
    await put(id, 'credential', id, 'refresh_token');
    await expectClosed(ada);
  });

  test('not in a newer version of its own row', async () => {
    const id = await connect(ada);
    const [old] = await world.sql('select credential, data_key_id from connections where id = $1', [id]);
    expect(await connect(ada)).toBe(id);
    await expectOpen(ada);
    await world.sql('update connections set credential = $2, data_key_id = $3 where id = $1', [
      id,
      old?.credential,
      old?.data_key_id,
    ]);
    await expectClosed(ada);
  });

  test('not with one bit changed, cut short, or in an unknown format', async () => {
    for (const change of [
      'set_byte(credential, octet_length(credential) - 1, get_byte(credential, octet_length(credential) - 1) # 1)',
      'set_byte(credential, 20, get_byte(credential, 20) # 1)',
      'substring(credential from 1 for octet_length(credential) - 1)',
      "'\\x'::bytea",
      'set_byte(credential, 0, 9)',
    ]) {
      const id = await connect(ada);
      await world.sql(`update connections set credential = ${change} where id = $1`, [id]);
      await expectClosed(ada);
    }
  });
});

describe('data keys', () => {
  test('wrapped for one team are refused by KMS when they stand in for another’s', async () => {
    const fresh = await openWorld();
    await connectByOAuth(fresh.ada, 'github');
    await connectByOAuth(fresh.mallory, 'github');
    await fresh.sql(
      `update data_keys set wrapped = other.wrapped from data_keys other
       where data_keys.tenant_id <> other.tenant_id`,
    );
    // Another isolate, which has not cached what it once unwrapped.
    const other = await fresh.reopen();
    const reply = await other.ada.post('/api/connectors/github/test');
    expect(reply.status).toBe(503);
    expect(other.kms.calls.at(-1)).toMatchObject({ operation: 'Decrypt', ok: false });
  });

  test('wrapped by another KMS key than their row names seal what is connected next', async () => {
    const fresh = await openWorld();
    await connectByOAuth(fresh.ada, 'github');
    fresh.kms.create('alias/another');
    const another = { ...fresh.bindings, KMS_KEY_ID: 'alias/another' } as unknown as Env;
    const [row] = await fresh.sql('select id, tenant_id from data_keys');
    const { wrapped } = await openServices(another).kms.generateDataKey({
      app: 'reeve-connectors',
      tenant: String(row?.tenant_id),
      data_key: String(row?.id),
    });
    await fresh.sql('update data_keys set wrapped = $1', [Buffer.from(wrapped)]);
    const other = await fresh.reopen();
    const reply = await connectByKey(other.grace, 'stripe', issueKey(other, 'stripe'));
    expect(reply.status, reply.text).toBe(503);
    expect(await other.sql(`select from connections where provider = 'stripe'`)).toEqual([]);
    expect(other.kms.calls.at(-1)).toEqual({ operation: 'Decrypt', ok: false });
    expect(other.logs.at(-1)).toMatch(/data key .* refused by kms/);
    // Nor is a row that names no KMS key at all taken for an outage.
    await other.sql(`update data_keys set kms_key_id = replace(kms_key_id, 'reeve-connectors', 'nobody')`);
    expect((await connectByKey(other.grace, 'stripe', issueKey(other, 'stripe'))).status).toBe(503);
    expect(other.logs.at(-1)).toMatch(/data key .* refused by kms/);
  });

  test('once destroyed take a team’s secrets with them', async () => {
    const id = await connect(ada);
    await world.sql(
      'delete from data_keys where tenant_id = (select tenant_id from connections where id = $1)',
      [id],
    );
    await expectClosed(ada);
    expect(await connect(ada)).toBe(id);
    await expectOpen(ada);
  });
});

test('no column of any table holds a credential in the clear', async () => {
  const id = await connect(ada);
  const [row] = await world.sql('select c.*, c::text as everything from connections c where id = $1', [id]);
  expect(String(row?.everything)).not.toMatch(/gho_/);
  expect(row?.credential).toBeInstanceOf(Buffer);
});
