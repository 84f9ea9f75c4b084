import { expect, test } from 'vitest';
import { connectedWorld, done, keysOf, notDone, run, tested } from '../support/keyed-world.ts';
import { teams } from '../support/open-world.ts';

const next = 'alias/reeve-connectors-next';

test('wraps every data key with the new KMS key, after which the old one may be disabled', async () => {
  const world = await connectedWorld();
  const arn = world.kms.create(next);
  const before = await world.sql('select * from connections order by id');
  const ran = await run(world, ['rewrap'], { KMS_KEY_ID: next });
  done(ran);
  expect(ran.lines.at(-1)).toEqual({ event: 'rewrapped', rewrapped: 2, refused: 0, kms_key_id: arn });
  expect(await world.sql('select distinct kms_key_id from data_keys')).toEqual([{ kms_key_id: arn }]);
  expect(await world.sql('select * from connections order by id')).toEqual(before);

  // Another isolate, which has not cached what it once unwrapped.
  const other = await world.reopen();
  other.kms.faults.disable('reeve-connectors', true);
  expect(await tested(other.ada)).toBe('connected');
  expect(await tested(other.mallory)).toBe('connected');
});

test('stops where KMS refuses it, says why in a line, and goes on when it is run again', async () => {
  const world = await connectedWorld();
  world.kms.create(next);
  world.kms.faults.disable('reeve-connectors', true);
  notDone(
    await run(world, ['rewrap'], { KMS_KEY_ID: next }),
    /^not done: kms: DisabledException\..*again\.\n$/,
  );
  expect(await tested(world.ada)).toBe('connected');
  world.kms.faults.disable('reeve-connectors', false);
  world.kms.faults.throttle(2);
  done(await run(world, ['rewrap'], { KMS_KEY_ID: next }));
  expect((await run(world, ['rewrap'], { KMS_KEY_ID: next })).lines).toMatchObject([{ rewrapped: 0 }]);
});

test('tells a wrapped key that KMS does not know as that tenant’s, and does the others', async () => {
  const world = await connectedWorld();
  const arn = world.kms.create(next);
  await world.sql(
    `update data_keys set wrapped = other.wrapped from data_keys other
     where data_keys.tenant_id = $1 and other.tenant_id <> $1`,
    [teams.ours],
  );
  const ran = await run(world, ['rewrap'], { KMS_KEY_ID: next });
  notDone(ran, /^not done: KMS does not take 1 data keys/);
  expect(ran.lines[0]).toMatchObject({ event: 'data_key_refused', tenant_id: teams.ours });
  expect(await keysOf(world, teams.theirs)).toMatchObject([{ kms_key_id: arn }]);
});
