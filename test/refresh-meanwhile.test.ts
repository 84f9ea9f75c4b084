import { beforeEach, expect, test } from 'vitest';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { ownShop } from './functions/webhooks/looked-after.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { githubTokens } from './world/providers/github.ts';

const world = await openWorld();
world.store('github').set('settings.expiring', true);
beforeEach(async () => {
  world.reset();
  await quiet(world);
});

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const [row] = await world.sql('select * from connections where id = $1', [id]);
  return row ?? {};
}

/** GitHub's living tokens since so many stood there. */
const livingSince = (before: number) =>
  githubTokens(world.store('github'))
    .slice(before)
    .filter(({ alive }) => alive).length;

/** A connection at GitHub whose token ends in a moment. */
async function withEndingToken({ at }: Person): Promise<string> {
  const reply = await connectByOAuth(at, 'github', { account: 'hubot' });
  await quiet(world);
  world.gateway.reset();
  await world.sql(
    `update connections set expires_at = now() + interval '2 minutes', refresh_at = now() - interval '1 second'
     where id = $1`,
    [reply.body.id],
  );
  return String(reply.body.id);
}

test('what is disconnected while its refresh is under way is not said to be revoked before it is', async () => {
  const person = await newPerson(world);
  const before = githubTokens(world.store('github')).length;
  await withEndingToken(person);
  world.gateway.misbehave({ provider: 'github', match: 'access_token', times: 1, hold: 1_500 });
  await fireCron(world, 'refresh');
  await until(() => world.gateway.count('github', /access_token/) === 1 || undefined);
  expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('pending');
  await until(
    async () =>
      (await world.sql('select from revocations where unheard_since is not null')).length === 0 || undefined,
  );
  await until(async () => {
    await world.sql('update revocations set next_attempt_at = now()');
    await fireCron(world);
    return livingSince(before) === 0 || undefined;
  }, 15_000);
});

test('tokens of which a lost answer told nothing are not said to be revoked: that is loud', async () => {
  const person = await newPerson(world);
  const id = await withEndingToken(person);
  await world.sql('update connections set refresh_at = null where id = $1', [id]);
  world.gateway.misbehave({ provider: 'github', match: 'access_token', times: 1, drop: 'after' });
  const logs = world.logs.length;
  expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('pending');
  await until(async () => {
    await world.sql('update revocations set next_attempt_at = now()');
    await fireCron(world);
    return (await world.sql('select from revocations')).length === 0 || undefined;
  }, 15_000);
  expect(
    world.logs.slice(logs).filter((line) => line.includes('"event":"token_not_discarded"')),
  ).toHaveLength(1);
  const written = await world.sql('select action from audit_log where connection_id = $1 order by id', [id]);
  expect(written.map(({ action }) => action)).not.toContain('revoked');
});

test('a stranger’s failed sign-in while one of a shop is refreshed costs neither of its connections its life', async () => {
  const shop = ownShop();
  const [one, other, stranger] = [await newPerson(world), await newPerson(world), await newPerson(world)];
  const connected = async ({ at }: Person) =>
    String((await connectByOAuth(at, 'shopify', { query: { shop } })).body.id);
  const [first, second] = [await connected(one), await connected(other)];
  await quiet(world);
  const dueNow = (id: string) =>
    world.sql(`update connections set refresh_at = now() - interval '1 second' where id = $1`, [id]);
  const turn = async (id: string) => {
    const before = await rowOf(id);
    await dueNow(id);
    await fireCron(world, 'refresh');
    await until(async () => {
      const row = await rowOf(id);
      const isOther = ['version', 'failures', 'status'].some((name) => row[name] !== before[name]);
      return (isOther && row.lease_id === null) || undefined;
    });
  };
  // Somebody is at the first meanwhile.
  await world.sql(
    `update connections set lease_id = gen_random_uuid(), lease_until = now() + interval '1 hour' where id = $1`,
    [first],
  );
  world.gateway.misbehave({ provider: 'shopify', match: 'oauth/access_token', times: 1, hold: 1_500 });
  await dueNow(second);
  await fireCron(world, 'refresh');
  await until(() => world.gateway.count('shopify', /oauth\/access_token/) > 2 || undefined);
  world.gateway.misbehave({
    provider: 'shopify',
    match: 'graphql',
    times: 1,
    respond: { status: 500, body: '{}' },
  });
  const failed = await connectByOAuth(stranger.at, 'shopify', { query: { shop } });
  expect(failed.body.code).toBe('provider_error');
  await quiet(world);
  await world.sql('update connections set lease_id = null, lease_until = null where id = $1', [first]);
  await turn(first);
  await turn(second);
  for (const id of [first, second]) expect(await rowOf(id)).toMatchObject({ status: 'connected' });
});
