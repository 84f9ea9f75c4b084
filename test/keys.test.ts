import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { dataKeyIdOf } from '../lib/envelope.ts';
import { keyRotation } from './chaos/key-rotation.ts';
import { authorize, connectByOAuth, consent, present } from './support/flows.ts';
import { type KeysRun, runKeys } from './support/keys-command.ts';
import { openWorld, type TestWorld, teams, users } from './support/open-world.ts';
import { stage } from './support/stage.ts';
import { until } from './support/trips.ts';
import { githubTokens } from './world/providers/github.ts';

/** Runs a command; what it says is held to the same as the logs. */
async function run(world: TestWorld, words: string[], env: Record<string, string> = {}): Promise<KeysRun> {
  const ran = await runKeys(world, words, { env });
  const said = [...ran.lines.map((line) => JSON.stringify(line)), ran.error];
  for (const text of said)
    appendFileSync(path.join(inject('directory'), 'logs.jsonl'), `${JSON.stringify(text)}\n`);
  return ran;
}

const done = (ran: KeysRun) => expect(ran, ran.error).toMatchObject({ code: 0, error: '' });
const notDone = (ran: KeysRun, why: RegExp) =>
  expect(ran).toMatchObject({ code: 1, error: expect.stringMatching(why) });

/** A world in which Ada's and Mallory's teams have connected GitHub, with tokens that are renewed. */
async function connectedWorld(): Promise<TestWorld> {
  const world = await openWorld();
  world.store('github').set('settings.expiring', true);
  expect((await connectByOAuth(world.ada, 'github', { account: 'octocat' })).status).toBe(200);
  expect((await connectByOAuth(world.mallory, 'github', { account: 'hubot' })).status).toBe(200);
  return world;
}

const tested = async (client: TestWorld['ada']) =>
  (await client.post('/api/connectors/github/test')).body.status;
const keysOf = (world: TestWorld, tenant: string) =>
  world.sql('select * from data_keys where tenant_id = $1 order by generation', [tenant]);
const next = 'alias/reeve-connectors-next';

describe('keys:rewrap', () => {
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
});

describe('keys:rotate', () => {
  test('killed and run again goes on where it was, and nobody who works meanwhile notices', async () => {
    for (const { name, must, got, ok } of await keyRotation(stage, { rows: 300, kills: 1 }))
      expect(ok, `${name}: must be ${must}, is ${got}`).toBe(true);
  }, 120_000);

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

    await other.sql(`update data_keys set resealed_at = resealed_at - interval '31 days'`);
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
    const outcome = (what: string) => () => world.logs.find((line) => line.includes(`"outcome":"${what}"`));
    await until(outcome('renewed'), 30_000);
    await until(outcome('kept'), 30_000);
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
});

describe('keys:destroy', () => {
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
        pending_revocations: 0,
      },
    ]);
    expect(await tested(world.ada)).toBe('connected');

    done(await run(world, ['destroy', teams.ours, '--yes']));
    const other = await world.reopen();
    const reply = await other.ada.post('/api/connectors/github/test');
    expect(reply.status).toBe(503);
    expect(other.logs.at(-1)).toMatch(/data key is gone/);
    expect(other.gateway.count('github')).toBe(0);
    expect(await tested(other.mallory)).toBe('connected');
    notDone(await run(other, ['destroy', teams.ours, '--yes']), /destroyed already/);

    expect((await connectByOAuth(other.ada, 'github', { query: { replace: 'true' } })).status).toBe(200);
    expect(await tested(other.ada)).toBe('connected');
  });

  test('needs PostgreSQL alone; what is missing, or asked wrongly, is said', async () => {
    const world = await openWorld();
    const noKms = { AWS_REGION: '', AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', KMS_KEY_ID: '' };
    notDone(await run(world, ['destroy', crypto.randomUUID()], noKms), /has no data keys/);
    notDone(await run(world, ['rotate'], noKms), /settings missing or not valid: AWS_REGION.*KMS_KEY_ID/);
    for (const words of [['turn'], ['destroy', 'ours', '--yes'], ['rotate', '--all']])
      notDone(await run(world, words), /npm run keys:rotate/);
  });
});
