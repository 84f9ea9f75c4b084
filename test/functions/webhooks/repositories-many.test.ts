import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openWorld } from '../../support/open-world.ts';
import { sql } from '../../support/sql.ts';
import { hooksOf, lookedAfter, rowOf, watch, withGithub } from './looked-after.ts';

const world = await openWorld();
beforeEach(async () => {
  world.reset();
  // What other tests have left shares no grant.
  await sql(world, 'update connections set grant_id = id::text');
});
beforeAll(() => {
  world.store('github').set('settings.moreRepositories', 100);
  world.store('github').set('settings.contentLimit', 10_000);
});
afterAll(() => {
  world.store('github').delete('settings.moreRepositories');
  world.store('github').delete('settings.contentLimit');
});

const [HELLO, SPOON] = ['octocat/Hello-World', 'octocat/Spoon-Knife'] as const;
const notebooks = (many: number) =>
  Array.from({ length: many }, (_, at) => `octocat/notebook-${String(at + 1).padStart(3, '0')}`);
const slow = () => world.gateway.misbehave({ provider: 'github', match: '/hooks', delay: 1_000 });

const knownOf = async (id: string) =>
  (await rowOf(world, id)).registered.filter((each) => each.id !== '').map((each) => each.id);
const standingOf = (id: string) => hooksOf(world, id).map((hook) => String(hook.id));

async function secondsUntilDue(id: string): Promise<number> {
  const select =
    'select extract(epoch from check_at - now()) as seconds from webhooks where connection_id = $1';
  const [row] = await sql(world, select, [id]);
  return Number(row?.seconds);
}

describe('more repositories than there is time for', () => {
  test('are answered in time, known as far as they were made, and done soon without doing any twice', async () => {
    const { person, id } = await withGithub(world);
    slow();
    const began = Date.now();
    const { status, body } = await watch(person, notebooks(20));
    expect(Date.now() - began).toBeLessThan(20_000);
    expect([status, body.error]).toEqual([200, expect.stringMatching(/again/)]);
    const made = standingOf(id);
    expect(made.length).toBeGreaterThan(5);
    expect(made.length).toBeLessThan(20);
    expect((await knownOf(id)).sort()).toEqual(made.sort());
    expect(await secondsUntilDue(id)).toBeLessThan(10);
    world.reset();
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active', error: null, failures: 0 });
    expect(standingOf(id)).toHaveLength(20);
    expect((await knownOf(id)).sort()).toEqual(standingOf(id).sort());
    expect(world.gateway.count('github', /^POST .*\/hooks$/)).toBe(20 - made.length);
    expect(world.gateway.count('github', /^(PATCH|GET) .*\/hooks/)).toBe(0);
    // The look after that checks all of them.
    await lookedAfter(world, id);
    expect(world.gateway.count('github', /^PATCH .*\/hooks/)).toBe(20);
  }, 60_000);

  test('that stand already do not make a new one wait, nor its owner', async () => {
    const { person, id } = await withGithub(world, notebooks(20));
    slow();
    const { body } = await watch(person, [...notebooks(20), HELLO]);
    expect(body.error).toBeNull();
    expect(standingOf(id)).toHaveLength(21);
    expect(await secondsUntilDue(id)).toBeLessThan(10);
    expect(await rowOf(world, id)).toMatchObject({ status: 'active' });
  }, 60_000);

  test('are taken away at a disconnect, a hundred of them', async () => {
    const { person, id } = await withGithub(world, notebooks(100));
    const { body } = await person.at.delete('/api/connectors/github');
    expect(body.revocation).toBe('revoked');
    expect(hooksOf(world, id)).toEqual([]);
  }, 60_000);
});

describe('a hook whose making was not answered', () => {
  const lose = () =>
    world.gateway.misbehave({ provider: 'github', match: '^POST .*Hello-World/hooks', drop: 'after' });

  test('keeps no other from being made and known', async () => {
    const { person, id } = await withGithub(world);
    lose();
    const { status, body } = await watch(person, [HELLO, SPOON]);
    expect([status, body.error]).toEqual([200, expect.stringMatching(/again/)]);
    expect(await knownOf(id)).toHaveLength(1);
    world.reset();
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active' });
    expect((await knownOf(id)).sort()).toEqual(standingOf(id).sort());
    expect(standingOf(id)).toHaveLength(2);
  });

  test('goes with the connection', async () => {
    const { person, id } = await withGithub(world);
    lose();
    await watch(person, [HELLO]);
    expect(hooksOf(world, id)).toHaveLength(1);
    expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('revoked');
    expect(hooksOf(world, id)).toEqual([]);
  });

  test('goes when it is chosen no more, and no hook of another', async () => {
    const [one, other] = [await withGithub(world), await withGithub(world, [HELLO])];
    lose();
    await watch(one.person, [HELLO]);
    world.reset();
    expect((await watch(one.person, [])).body.error).toBeNull();
    expect([hooksOf(world, one.id).length, hooksOf(world, other.id).length]).toEqual([0, 1]);
    expect((await rowOf(world, one.id)).registered).toEqual([]);
  });

  test('goes with the connection where whoever was at it has died', async () => {
    const { person, id } = await withGithub(world);
    await watch(person, [HELLO]);
    const died = `update webhooks set registered = '[{"id":"","target":"octocat/Hello-World"}]',
      lease_id = gen_random_uuid(), check_at = now() - interval '1 second' where connection_id = $1`;
    await sql(world, died, [id]);
    await person.at.delete('/api/connectors/github');
    expect(hooksOf(world, id)).toEqual([]);
  });
});
