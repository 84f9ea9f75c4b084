import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { send, settledOf, storedOf, toldOf } from '../../support/deliveries.ts';
import { openWorld, type TestWorld } from '../../support/open-world.ts';
import type { Person } from '../../support/people.ts';
import type { Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { githubInstallations } from '../../world/providers/github.ts';
import { githubAppEnv, happen, lookedAfter, rowOf, typesOf, withGithub } from './looked-after.ts';

const world = await openWorld({ env: githubAppEnv() });
beforeEach(() => world.reset());

const APP = '/api/webhooks/github';

async function connected(account: string, at: TestWorld = world): Promise<Target> {
  const { person, id } = await withGithub(at, [], account);
  return {
    world: at,
    provider: 'github',
    id,
    person,
    shop: '',
    secret: at.bindings.GITHUB_APP_WEBHOOK_SECRET ?? '',
  };
}

const connectionOf = async ({ at }: Person) => (await at.get('/api/connectors/list')).body.connections[0];

/** Waits until a connection lacks just those permissions. */
const lacks = ({ person }: Target, missing: string[]) =>
  until(async () => {
    const connection = await connectionOf(person);
    return JSON.stringify(connection.missing_scopes) === JSON.stringify(missing) ? connection : undefined;
  });

const installationOf = (account: string) =>
  githubInstallations(world.store('github')).findLast((each) => each.account === account && each.installed);

/** What GitHub would say of an installation, rightly signed. */
const tell = (target: Target, event: string, body: object) =>
  send(target, { event, id: randomUUID(), body: JSON.stringify({ nonce: randomUUID(), ...body }) }, APP);

describe('what happens in an installation', () => {
  test('reaches every connection that the installation is for, once each, and nobody else', async () => {
    const [one, two, other] = [
      await connected('octocat'),
      await connected('octocat'),
      await connected('hubot'),
    ];
    const repository = 'octocat/Hello-World';
    expect(await happen(world, 'github', 'push', { repository })).toMatchObject([
      { url: `${world.url}${APP}`, status: 200 },
    ]);
    for (const target of [one, two]) {
      await until(() => (toldOf(target).length > 0 ? true : undefined));
      expect(toldOf(target).map(({ body }) => [body.type, body.user_id])).toEqual([
        ['github.push', target.person.id],
      ]);
      expect(await settledOf(target)).toHaveLength(1);
    }
    expect([await storedOf(other), toldOf(other)]).toEqual([[], []]);
    const ids = [...toldOf(one), ...toldOf(two)].map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
  });

  test('reaches nobody whose connection has ended', async () => {
    const target = await connected('hubot');
    await target.person.at.delete('/api/connectors/github');
    expect(await happen(world, 'github', 'push', { repository: 'hubot/scripts' })).toMatchObject([
      { status: 200 },
    ]);
    expect(await storedOf(target)).toEqual([]);
  });

  test('of an organization reaches its members who are connected, once it is known that they are', async () => {
    const [owner, member] = [await connected('octocat'), await connected('hubot')];
    await happen(world, 'github', 'installation', { action: 'created', account: 'octo-org' });
    const route = `installation:${installationOf('octo-org')?.id}`;
    await settledOf(owner);
    for (const { id } of [owner, member]) expect((await lookedAfter(world, id)).routes).toContain(route);
    await happen(world, 'github', 'push', { repository: 'octo-org/roadmap' });
    for (const target of [owner, member]) await until(() => (toldOf(target).length > 0 ? true : undefined));
    await happen(world, 'github', 'installation', { action: 'deleted', account: 'octo-org' });
  });

  test('in a repository that somebody who sees the installation may not see does not reach them', async () => {
    await happen(world, 'github', 'installation', { action: 'created', account: 'octo-org' });
    const owner = await connected('octocat');
    await settledOf(owner);
    expect((await lookedAfter(world, owner.id)).status).toBe('active');
    world.gateway.decide(({ path }) =>
      /^\/user\/installations\/\d+\/repositories$/.test(path)
        ? { respond: { status: 200, body: '{"total_count":0,"repositories":[]}' } }
        : undefined,
    );
    const member = await connected('hubot');
    world.gateway.decide(() => undefined);
    await happen(world, 'github', 'push', { repository: 'octo-org/roadmap' });
    await until(() => (toldOf(owner).length > 0 ? true : undefined));
    expect([await storedOf(member), toldOf(member)]).toEqual([[], []]);
    await happen(world, 'github', 'installation', { action: 'deleted', account: 'octo-org' });
  });

  test('signed with another secret is 401, and reaches nobody', async () => {
    const target = { ...(await connected('octocat')), secret: 'not-the-app-secret' };
    const installation = { id: installationOf('octocat')?.id };
    expect(await tell(target, 'push', { installation })).toMatchObject({ status: 401 });
    expect(await storedOf(target)).toEqual([]);
  });
});

describe('an installation', () => {
  test.each(['deleted', 'suspend'])(
    'that is %s lacks in the connections that it was for, and is told when it is back',
    async (action) => {
      const [target, other] = [await connected('hubot'), await connected('octocat')];
      await happen(world, 'github', 'installation', { action, account: 'hubot' });
      const lacking = await lacks(target, ['installation']);
      expect(lacking.status).toBe('connected');
      expect((await connectionOf(other.person)).missing_scopes).toEqual([]);
      const row = await lookedAfter(world, target.id);
      expect(row).toMatchObject({ status: 'failed', routes: expect.arrayContaining(['user:480938']) });

      const back = action === 'deleted' ? 'created' : 'unsuspend';
      await happen(world, 'github', 'installation', { action: back, account: 'hubot' });
      await lacks(target, []);
      expect((await lookedAfter(world, target.id)).status).toBe('active');
      expect(await typesOf(world, target.person)).toEqual(['connection.connected']);
    },
  );

  test.each(['deleted', 'suspend'])(
    'that is said to be %s while it stands changes nothing',
    async (action) => {
      const target = await connected('octocat');
      const before = await connectionOf(target.person);
      const installation = { id: installationOf('octocat')?.id };
      expect((await tell(target, 'installation', { action, installation })).status).toBe(200);
      expect(await settledOf(target)).toMatchObject([{ topic: `installation.${action}`, status: 'kept' }]);
      const { updated_at: _, webhooks: __, ...unchanged } = before;
      expect(await connectionOf(target.person)).toMatchObject(unchanged);
      expect((await rowOf(world, target.id)).routes).toContain(`installation:${installation.id}`);
      expect(await typesOf(world, target.person)).toEqual(['connection.connected']);
    },
  );

  test('that opens other repositories is looked at again, and stands', async () => {
    const target = await connected('octocat');
    for (const action of ['removed', 'added'])
      await happen(world, 'github', 'installation_repositories', {
        action,
        repository: 'octocat/launch-plans',
      });
    expect((await settledOf(target)).map(({ topic }) => topic).sort()).toEqual([
      'installation_repositories.added',
      'installation_repositories.removed',
    ]);
    expect(await connectionOf(target.person)).toMatchObject({ status: 'connected', missing_scopes: [] });
  });
});

describe('github_app_authorization revoked', () => {
  test('ends the connections of that user, and of nobody else', async () => {
    const [mine, brother, other] = [
      await connected('hubot'),
      await connected('hubot'),
      await connected('octocat'),
    ];
    await happen(world, 'github', 'github_app_authorization', { action: 'revoked', account: 'hubot' });
    for (const target of [mine, brother]) {
      await until(async () =>
        (await connectionOf(target.person)).status === 'reauthorization_required' ? true : undefined,
      );
      expect(await typesOf(world, target.person)).toEqual([
        'connection.connected',
        'connection.reauthorization_required',
      ]);
    }
    expect((await connectionOf(other.person)).status).toBe('connected');
    expect(await storedOf(other)).toEqual([]);
  });

  test('that is only said changes nothing', async () => {
    const target = await connected('octocat');
    const reply = await tell(target, 'github_app_authorization', {
      action: 'revoked',
      sender: { id: 583231 },
    });
    expect(reply.status).toBe(200);
    await settledOf(target);
    expect((await connectionOf(target.person)).status).toBe('connected');
    expect(await typesOf(world, target.person)).toEqual(['connection.connected']);
  });
});

test('where an OAuth App is set up there is nothing at the App’s address', async () => {
  const usual = await openWorld();
  const target = await connected('octocat', usual);
  const secrets = [world.bindings.GITHUB_APP_WEBHOOK_SECRET, usual.bindings.GITHUB_CLIENT_SECRET, 'secret'];
  for (const secret of secrets) {
    const reply = await tell({ ...target, secret: secret ?? '' }, 'push', { installation: { id: 1 } });
    expect(reply, reply.text).toMatchObject({ status: 404, body: { code: 'not_found' } });
  }
  expect(await storedOf(target)).toEqual([]);
});
