import { expect, test } from 'vitest';
import { connectByOAuth } from '../support/flows.ts';
import { connectedWorld, done, notDone, run, tested } from '../support/keyed-world.ts';
import { openWorld, teams, users } from '../support/open-world.ts';

test('shows what it will do, and with --yes makes a team’s secrets unreadable and nobody else’s', async () => {
  const world = await connectedWorld();
  const shown = await run(world, ['destroy', teams.ours]);
  notDone(shown, /--yes/);
  expect(shown.lines).toEqual([
    {
      event: 'would_destroy',
      tenant_id: teams.ours,
      data_keys: 1,
      connections: 1,
      living_elsewhere: 0,
      pending_revocations: 0,
    },
  ]);
  expect(await tested(world.ada)).toBe('connected');

  done(await run(world, ['destroy', teams.ours, '--yes']));
  const other = await world.reopen();
  expect((await other.ada.post('/api/connectors/github/test')).body).toMatchObject({
    status: 'reauthorization_required',
    last_error: { code: 'invalid_credential', message: expect.stringMatching(/keys .* were destroyed/) },
  });
  expect(other.gateway.count('github')).toBe(0);
  expect(await tested(other.mallory)).toBe('connected');
  expect(
    await other.sql(`select tenant_id, user_id, provider from audit_log where action = 'keys_destroyed'`),
  ).toEqual([{ tenant_id: teams.ours, user_id: users.ada, provider: 'github' }]);
  notDone(await run(other, ['destroy', teams.ours, '--yes']), /destroyed already/);

  expect((await connectByOAuth(other.ada, 'github', { query: { replace: 'true' } })).status).toBe(200);
  expect(await tested(other.ada)).toBe('connected');
});

test('a connection whose data key is gone by another hand is not asked about, and the log says why', async () => {
  const world = await connectedWorld();
  await world.sql('delete from data_keys where tenant_id = $1', [teams.ours]);
  const other = await world.reopen();
  const reply = await other.ada.post('/api/connectors/github/test');
  expect(reply.status).toBe(503);
  expect(other.logs.at(-1)).toMatch(/data key is gone/);
  expect(other.gateway.count('github')).toBe(0);
  expect(await tested(other.mallory)).toBe('connected');
});

test('needs PostgreSQL alone; what is missing, or asked wrongly, is said', async () => {
  const world = await openWorld();
  const noKms = { AWS_REGION: '', AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', KMS_KEY_ID: '' };
  notDone(await run(world, ['destroy', crypto.randomUUID()], noKms), /has no data keys/);
  notDone(await run(world, ['rotate'], noKms), /settings missing or not valid: AWS_REGION.*KMS_KEY_ID/);
  for (const words of [['turn'], ['destroy', 'ours', '--yes'], ['rotate', '--all']])
    notDone(await run(world, words), /npm run keys:rotate/);
});
