import { expect, test } from 'vitest';
import { dataKeyIdOf } from '../../lib/envelope.ts';
import { fireCron } from '../support/cron.ts';
import { authorize, connectByOAuth, consent, present } from '../support/flows.ts';
import { connectedWorld, done, keysOf, notDone, run, tested } from '../support/keyed-world.ts';
import { teams, users } from '../support/open-world.ts';
import { quiet, until } from '../support/trips.ts';
import { githubTokens } from '../world/providers/github.ts';

test('seals every column of every row with the new key, and later deletes the old one', async () => {
  const world = await connectedWorld();
  await world.sql('update connections set expires_at = now()');
  expect(await tested(world.ada)).toBe('connected');
  world.gateway.decide(({ method }) =>
    method === 'DELETE' ? { respond: { status: 503, body: '{}' } } : undefined,
  );
  expect((await world.mallory.delete('/api/connectors/github')).body.revocation).toBe('pending');
  await world.sql('update revocations set under_way_until = null');
  world.gateway.decide(() => undefined);

  done(await run(world, ['rotate']));
  const [newest] = (await keysOf(world, teams.ours)).slice(-1);
  expect(newest?.generation).toBe(2);
  const [row = {}] = await world.sql('select * from connections where tenant_id = $1', [teams.ours]);
  for (const column of ['credential', 'refresh_token', 'previous_refresh_token']) {
    expect(dataKeyIdOf(row[column] as Uint8Array), column).toBe(newest?.id);
  }
  const [revocation = {}] = await world.sql('select * from revocations');
  const [theirs] = (await keysOf(world, teams.theirs)).slice(-1);
  for (const column of ['credential', 'refresh_token'])
    expect(dataKeyIdOf(revocation[column] as Uint8Array), column).toBe(theirs?.id);

  const other = await world.reopen();
  expect(await tested(other.ada)).toBe('connected');
  await other.sql('update connections set expires_at = now()');
  expect(await tested(other.ada)).toBe('connected');
  await other.sql('update revocations set next_attempt_at = now()');
  await fetch(`${other.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`);
  await until(async () => ((await other.sql('select from revocations')).length === 0 ? true : undefined));

  await other.sql(`update data_keys set resealed_at = resealed_at - interval '33 days'`);
  expect((await run(other, ['rotate'])).lines.at(-1)).toMatchObject({ data_keys_deleted: 2 });
  expect((await keysOf(other, teams.ours)).map(({ generation }) => generation)).toEqual([2, 3]);
  expect(await tested(other.ada)).toBe('connected');
}, 60_000);

test('of one tenant leaves the others alone, and of none is not done', async () => {
  const world = await connectedWorld();
  done(await run(world, ['rotate', teams.ours]));
  expect(await keysOf(world, teams.ours)).toHaveLength(2);
  expect(await keysOf(world, teams.theirs)).toMatchObject([{ retired_at: null }]);
  notDone(await run(world, ['rotate', crypto.randomUUID()]), /has no data keys/);
});

test('tells what does not open, leaves it, and does the rest', async () => {
  const world = await connectedWorld();
  expect((await connectByOAuth(world.grace, 'github', { account: 'octocat' })).status).toBe(200);
  await world.sql('update connections set tenant_id = $1 where user_id = $2', [teams.theirs, users.grace]);
  await world.sql(
    `update connections set credential = set_byte(credential, 40, get_byte(credential, 40) # 1)
     where tenant_id = $1`,
    [teams.theirs],
  );
  const ran = await run(world, ['rotate']);
  notDone(ran, /^not done: 2 rows do not open/);
  expect(ran.lines).toContainEqual(
    expect.objectContaining({ event: 'unreadable', tenant_id: teams.theirs, provider_id: 'github' }),
  );
  expect(await tested(world.ada)).toBe('connected');
  // The rotation is over all the same: the next one is another.
  expect((await connectByOAuth(world.mallory, 'github', { account: 'hubot' })).status).toBe(200);
  expect((await connectByOAuth(world.grace, 'github', { account: 'octocat' })).status).toBe(200);
  // What stood there before is to be ended, which nobody can: in the end it is given up, aloud.
  await quiet(world);
  expect(
    await world.sql(`select last_error_code like '%envelope does not open' as is_closed from revocations`),
  ).toEqual([{ is_closed: true }, { is_closed: true }]);
  await world.sql('update revocations set give_up_at = now()');
  await fireCron(world);
  expect(world.logs.filter((line) => line.includes('"event":"token_not_discarded"'))).toHaveLength(2);
  expect(await world.sql('select from revocations')).toEqual([]);
  const another = await run(world, ['rotate']);
  done(another);
  expect(another.lines[0]).toEqual({ event: 'rotation_begun', retired: 2, unfinished: 0 });
}, 60_000);

test('a write whose answer was lost is known again after its row was sealed anew', async () => {
  const world = await connectedWorld();
  const alive = () => githubTokens(world.store('github')).filter((token) => token.alive).length;
  await world.sql(`update connections set expires_at = now() where tenant_id = $1`, [teams.theirs]);
  world.neon.faults.failNext(3, { after: true, match: /healthy as/ });
  expect((await world.mallory.post('/api/connectors/github/test')).status).toBe(503);
  const url = await consent(await authorize(world.grace, 'github'), { account: 'hubot' });
  world.neon.faults.failNext(3, { after: true, match: /insert into connections/ });
  expect((await present(world.grace, url)).status).toBe(503);
  const before = alive();

  done(await run(world, ['rotate']));
  await until(() => world.logs.find((line) => line.includes('"outcome":"renewed"')), 30_000);
  expect(alive()).toBe(before);
  expect(await world.sql('select from revocations')).toEqual([]);
  for (const client of [world.mallory, world.grace]) expect(await tested(client)).toBe('connected');
}, 90_000);

test('does not go on without KMS, and makes no second generation when it is there again', async () => {
  const world = await connectedWorld();
  world.kms.faults.disable('reeve-connectors', true);
  notDone(await run(world, ['rotate']), /kms: DisabledException/);
  expect(await tested(world.ada)).toBe('connected');
  world.kms.faults.disable('reeve-connectors', false);
  const ran = await run(world, ['rotate']);
  done(ran);
  expect(ran.lines[0]).toEqual({ event: 'rotation_resumed', retired: 0, unfinished: 2 });
  expect(await keysOf(world, teams.ours)).toHaveLength(2);
});
