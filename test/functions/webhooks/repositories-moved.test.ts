import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { openWorld } from '../../support/open-world.ts';
import type { Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { until } from '../../support/trips.ts';
import { happen, hooksOf, leftOf, lookedAfter, rowOf, watch, withGithub } from './looked-after.ts';

const world = await openWorld();
beforeEach(async () => {
  world.reset();
  // What other tests have left shares no grant.
  await sql(world, 'update connections set grant_id = id::text');
});

const [HELLO, SPOON] = ['octocat/Hello-World', 'octocat/Spoon-Knife'] as const;
const SPOON_NUMBER = 1300192;
const OF_SPOON = '/repos/octocat/Spoon-Knife/hooks';

/** As GitHub answers of a repository by its old name. */
const rename = (
  status = 307,
  location = `https://api.github.com/repositories/${SPOON_NUMBER}/hooks/12345678`,
) =>
  world.gateway.misbehave({
    provider: 'github',
    match: OF_SPOON,
    respond: { status, headers: { location } },
  });

const answer = (match: string, status: number, body?: object) =>
  world.gateway.misbehave({
    provider: 'github',
    match,
    respond: { status, ...(body && { body: JSON.stringify(body) }) },
  });

const disconnect = async ({ at }: Person) => (await at.delete('/api/connectors/github')).body.revocation;

const repositoriesOf = (id: string) => hooksOf(world, id).map(({ repository }) => repository);

describe('a repository that was renamed or moved', () => {
  test.each([301, 307, 308])('is told of (%i), and keeps no other from being watched', async (status) => {
    const { person, id } = await withGithub(world);
    rename(status);
    const { status: told, body, text } = await watch(person, [SPOON, HELLO]);
    expect(told, text).toBe(200);
    expect(body.error).toMatch(/chosen again by its new name: octocat\/Spoon-Knife\./);
    expect(repositoriesOf(id)).toEqual([1296269]);
    expect(await happen(world, 'github', 'push', { repository: HELLO, to: id })).toMatchObject([
      { status: 200 },
    ]);
  });

  test('is looked after no more by its old name, and the others are', async () => {
    const { id } = await withGithub(world, [HELLO, SPOON]);
    const [hello] = hooksOf(world, id);
    world.store('github').delete(`hook/${hello?.id}`);
    rename(301);
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'failed', error: /Spoon-Knife/ });
    expect(hooksOf(world, id)).toHaveLength(2);
  });

  test('is left out without harm, and its hook goes where GitHub says that it is', async () => {
    const { person, id } = await withGithub(world, [HELLO, SPOON]);
    const hook = hooksOf(world, id).find(({ repository }) => repository === SPOON_NUMBER);
    const now = `/repositories/${SPOON_NUMBER}/hooks/${hook?.id}`;
    rename(307, `https://api.github.com${now}`);
    answer(`^DELETE api.github.com${now}$`, 204);
    expect((await watch(person, [HELLO])).body).toEqual({ repositories: [HELLO], error: null });
    expect(world.gateway.count('github', new RegExp(`^DELETE api.github.com${now}$`))).toBe(1);
    expect((await rowOf(world, id)).registered.map(({ target }) => target)).toEqual([HELLO]);
  });

  test('is asked for nowhere but at GitHub', async () => {
    const { person, id } = await withGithub(world, [HELLO, SPOON]);
    rename(307, 'https://slack.com/repositories/1300192/hooks/1');
    expect((await watch(person, [HELLO])).body.error).toBeNull();
    expect(world.gateway.calls.filter(({ provider }) => provider !== 'github')).toEqual([]);
    expect((await rowOf(world, id)).registered.map(({ target }) => target)).toEqual([HELLO]);
  });

  test('is adopted by its new name, and not taken away by the old one', async () => {
    const { person, id } = await withGithub(world, [SPOON]);
    const [hook] = hooksOf(world, id);
    // As if the hook that stands were known by another name.
    const [known] = (await rowOf(world, id)).registered;
    const old = JSON.stringify([{ ...known, target: 'octocat/Fork-Knife' }]);
    await sql(world, 'update webhooks set registered = $2, watched = $3 where connection_id = $1', [
      id,
      old,
      ['octocat/Fork-Knife'],
    ]);
    expect((await watch(person, [SPOON])).body).toEqual({ repositories: [SPOON], error: null });
    expect(hooksOf(world, id).map((each) => each.id)).toEqual([hook?.id]);
    expect((await rowOf(world, id)).registered).toEqual([{ id: String(hook?.id), target: SPOON }]);
  });
});

describe('at a disconnect', () => {
  test.each([301, 307, 308, 403, 404, 410, 451])(
    'a repository that answers %i holds back neither the grant nor the other hooks',
    async (status) => {
      const { person, id } = await withGithub(world, [SPOON, HELLO]);
      rename(status);
      expect(await disconnect(person)).toBe('revoked');
      expect(repositoriesOf(id)).toEqual([SPOON_NUMBER]);
      expect(await sql(world, 'select from revocations where connection_id = $1', [id])).toEqual([]);
      // What GitHub does not say to be gone may stand there still: somebody must know.
      expect(leftOf(world, id)).toBe([410, 451].includes(status) ? 0 : 1);
    },
  );

  test('a hook that somebody has taken away there is said to be left by nobody', async () => {
    const { person, id } = await withGithub(world, [SPOON, HELLO]);
    for (const hook of hooksOf(world, id)) world.store('github').delete(`hook/${hook.id}`);
    expect(await disconnect(person)).toBe('revoked');
    expect([hooksOf(world, id), leftOf(world, id)]).toEqual([[], 0]);
  });

  test('a hook that GitHub does not let go is tried again alone, and in the end left for the grant', async () => {
    const { person, id } = await withGithub(world, [SPOON, HELLO]);
    answer(`^DELETE .*${OF_SPOON}`, 503);
    expect(await disconnect(person)).toBe('pending');
    expect([repositoriesOf(id), leftOf(world, id)]).toEqual([[SPOON_NUMBER], 0]);
    expect((await rowOf(world, id)).registered).toMatchObject([{ target: SPOON }]);
    await sql(
      world,
      `update revocations set next_attempt_at = now(), give_up_at = now() + interval '2 hours' where connection_id = $1`,
      [id],
    );
    await fireCron(world, 'revocation');
    await until(async () => {
      const rows = await sql(world, 'select from revocations where connection_id = $1', [id]);
      return rows.length === 0 ? true : undefined;
    });
    const ended = await sql(world, `select from audit_log where connection_id = $1 and action = 'revoked'`, [
      id,
    ]);
    expect(ended).toHaveLength(1);
    expect(leftOf(world, id)).toBe(1);
  });
});

test.each([
  ['403', 403],
  ['301', 301],
])(
  'a repository whose deliveries cannot be seen (%s) keeps none of another from being told again',
  async (_, status) => {
    const { id } = await withGithub(world, [SPOON, HELLO]);
    const since = new Date(Date.now() - 3_600_000);
    await sql(world, 'update webhooks set complete_until = $2 where connection_id = $1', [id, since]);
    answer(`^GET .*${OF_SPOON}/.*deliveries`, status, {
      message: 'Resource protected by organization SAML enforcement.',
    });
    await lookedAfter(world, id);
    const [row] = await sql(world, 'select complete_until from webhooks where connection_id = $1', [id]);
    expect(Date.now() - new Date(String(row?.complete_until)).getTime()).toBeLessThan(200_000);
    expect(world.gateway.count('github', /^GET .*Hello-World\/hooks\/\d+\/deliveries/)).toBe(1);
  },
);
