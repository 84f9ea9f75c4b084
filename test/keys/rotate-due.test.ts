import { describe, expect, test } from 'vitest';
import { fireCron, tryCron } from '../support/cron.ts';
import { connectedWorld, keysOf, notDone, run, tested } from '../support/keyed-world.ts';
import { type TestWorld, teams } from '../support/open-world.ts';

/** How many data keys a team has, and by how many of them its connections are sealed that are not the newest. */
async function stateOf(world: TestWorld, tenant: string) {
  const keys = await keysOf(world, tenant);
  const rows = await world.sql('select data_key_id from connections where tenant_id = $1', [tenant]);
  return { keys: keys.length, behind: rows.filter((row) => row.data_key_id !== keys.at(-1)?.id).length };
}

describe('a data key seals on', () => {
  test.each([
    ['after thirty days', `created_at = now() - interval '30 days 1 minute'`],
    ['after a million sealings', 'sealings = 1048576'],
  ])('%s', async (_, worn) => {
    const world = await connectedWorld();
    await world.sql(`update data_keys set ${worn} where tenant_id = $1`, [teams.ours]);
    // Firing it twice is harmless.
    await Promise.all([tryCron(world), tryCron(world)]);
    expect(await stateOf(world, teams.ours)).toEqual({ keys: 2, behind: 0 });
    expect(await stateOf(world, teams.theirs)).toEqual({ keys: 1, behind: 0 });
    expect(await fireCron(world, 'keys')).toMatchObject({ rotated: 0, not_done: 0 });
    const other = await world.reopen();
    expect(await tested(other.ada)).toBe('connected');
  });

  test('where a rotation has stopped', async () => {
    const world = await connectedWorld();
    world.kms.faults.disable('reeve-connectors', true);
    notDone(await run(world, ['rotate', teams.ours]), /kms: DisabledException/);
    world.kms.faults.disable('reeve-connectors', false);
    // Whoever runs it has an hour to run it again.
    await fireCron(world);
    expect(await keysOf(world, teams.ours)).toHaveLength(1);
    await world.sql(
      `update data_keys set retired_at = now() - interval '61 minutes' where retired_at is not null`,
    );
    await fireCron(world);
    expect(await stateOf(world, teams.ours)).toEqual({ keys: 2, behind: 0 });
  });

  test('without a word where its rows do not open', async () => {
    const world = await connectedWorld();
    await world.sql(
      `update connections set credential = set_byte(credential, 40, get_byte(credential, 40) # 1)`,
    );
    await world.sql(`update data_keys set created_at = now() - interval '31 days'`);
    await fireCron(world);
    const told = world.logs.filter((line) => line.includes('"event":"rotation_not_done"'));
    expect(told.map((line) => JSON.parse(line).tenant_id).sort()).toEqual([teams.ours, teams.theirs]);
    // The next sealing is by a new key all the same, and nobody is told each minute.
    expect(await keysOf(world, teams.ours)).toHaveLength(2);
    expect(await fireCron(world, 'keys')).toMatchObject({ rotated: 0, not_done: 0 });
  });
});

test('sealings under a data key are not counted', async () => {
  const world = await connectedWorld();
  const writes = 4_000;
  await world.sql(`do $$ begin for i in 1..${writes} loop
    update connections set credential = credential where tenant_id = '${teams.ours}'; end loop; end $$`);
  const [ours] = await keysOf(world, teams.ours);
  // Three envelopes a row at most; 1 write in 64 is looked at.
  expect(Number(ours?.sealings)).toBeGreaterThan(writes);
  expect(Number(ours?.sealings)).toBeLessThan(6 * writes);
  const [theirs] = await keysOf(world, teams.theirs);
  expect(Number(theirs?.sealings)).toBeLessThan(writes);
});
