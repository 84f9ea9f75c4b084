import { beforeEach, describe, expect, test } from 'vitest';
import { openWorld } from '../../support/open-world.ts';
import { sql } from '../../support/sql.ts';
import { hooksOf, lookedAfter, rowOf, watch, withGithub } from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

const [HELLO, SPOON, PLANS] = ['octocat/Hello-World', 'octocat/Spoon-Knife', 'octocat/launch-plans'] as const;

const targetsOf = async (id: string) => (await rowOf(world, id)).registered.map(({ target }) => target);

describe('two choices at once', () => {
  test('leave the hooks of the last alone, and both are answered', async () => {
    const { person, id } = await withGithub(world);
    world.gateway.misbehave({ provider: 'github', match: '^POST .*Spoon-Knife/hooks', hold: 1_500 });
    const first = watch(person, [HELLO, SPOON]);
    await expect.poll(() => hooksOf(world, id).length).toBe(2);
    const second = await watch(person, [PLANS]);
    expect((await first).body).toEqual({ repositories: [HELLO, SPOON], error: null });
    expect([second.status, second.body]).toEqual([200, { repositories: [PLANS], error: null }]);
    const hooks = hooksOf(world, id);
    expect(hooks.map(({ repository }) => repository)).toEqual([1300193]);
    expect((await rowOf(world, id)).registered).toEqual([{ id: String(hooks[0]?.id), target: PLANS }]);
  });

  test('are not taken for done while somebody else is at it for long', async () => {
    const { person, id } = await withGithub(world, [HELLO]);
    const lease = `update webhooks set lease_id = gen_random_uuid(), check_at = now() + interval '1 minute'
      where connection_id = $1 returning lease_id, check_at`;
    const [held] = await sql(world, lease, [id]);
    const { status, body } = await watch(person, [SPOON]);
    expect([status, body]).toEqual([
      200,
      { repositories: [SPOON], error: expect.stringMatching(/Another change is under way/) },
    ]);
    expect(await rowOf(world, id)).toMatchObject({ ...held, watched: [SPOON] });
    await lookedAfter(world, id);
    expect(await targetsOf(id)).toEqual([SPOON]);
    expect(hooksOf(world, id)).toHaveLength(1);
  }, 30_000);
});

test('what was made by one who had lost the lease is not forgotten', async () => {
  const { person, id } = await withGithub(world);
  world.gateway.misbehave({ provider: 'github', match: '^POST .*Hello-World/hooks', hold: 1_500 });
  const put = watch(person, [HELLO]);
  await expect.poll(() => hooksOf(world, id).length).toBe(1);
  const another = `update webhooks set lease_id = null, watched = '{}', registered = '[]', status = 'none',
    check_at = now() + interval '1 day' where connection_id = $1`;
  await sql(world, another, [id]);
  await put;
  expect(await targetsOf(id)).toEqual([HELLO]);
  const due = 'select from webhooks where connection_id = $1 and check_at <= now()';
  expect(await sql(world, due, [id])).toHaveLength(1);
  await lookedAfter(world, id);
  expect(hooksOf(world, id)).toEqual([]);
  expect(await targetsOf(id)).toEqual([]);
});
