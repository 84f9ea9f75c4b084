import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { pathOf, send, settledOf, storedOf, toldOf } from '../../support/deliveries.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { openWorld } from '../../support/open-world.ts';
import type { Person } from '../../support/people.ts';
import type { Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { githubInstallations } from '../../world/providers/github.ts';
import { githubAppEnv, happen, withGithub } from './looked-after.ts';

const world = await openWorld({ env: githubAppEnv() });
beforeEach(() => world.reset());

async function connected(account: string): Promise<Target> {
  const { person, id } = await withGithub(world, [], account);
  const secret = world.bindings.GITHUB_APP_WEBHOOK_SECRET ?? '';
  return { world, provider: 'github', id, person, shop: '', secret };
}

const statusOf = async ({ at }: Person) => (await at.get('/api/connectors/list')).body.connections[0].status;

test('what is signed with the App’s secret is not taken at a connection’s address, be it another’s or its own', async () => {
  const [mine, other] = [await connected('octocat'), await connected('hubot')];
  const installation = githubInstallations(world.store('github')).find((each) => each.account === 'octocat');
  const push = () => ({
    event: 'push',
    id: randomUUID(),
    body: JSON.stringify({
      ref: 'refs/heads/main',
      before: '0'.repeat(40),
      after: randomUUID(),
      repository: { id: 1296269, full_name: 'octocat/Hello-World' },
      installation: { id: installation?.id },
    }),
  });
  for (const target of [mine, other]) {
    const reply = await send(target, push(), pathOf(target));
    expect(reply, reply.text).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const bare = { event: 'push', id: randomUUID(), body: '{}' };
    expect((await send(target, bare, pathOf(target))).status).toBe(404);
  }
  expect([await storedOf(mine), await storedOf(other)]).toEqual([[], []]);
  expect((await send(mine, push(), '/api/webhooks/github')).status).toBe(200);
  await until(() => (toldOf(mine).length > 0 ? true : undefined));
  expect(await storedOf(other)).toEqual([]);
});

test('an authorization that is revoked, given and revoked again ends the connection again', async () => {
  const target = await connected('hubot');
  for (let times = 1; times <= 2; times += 1) {
    await happen(world, 'github', 'github_app_authorization', { action: 'revoked', account: 'hubot' });
    await until(async () =>
      (await statusOf(target.person)) === 'reauthorization_required' ? true : undefined,
    );
    expect(await settledOf(target)).toHaveLength(times);
    const again = await connectByOAuth(target.person.at, 'github', { account: 'hubot' });
    expect(again.body).toMatchObject({ id: target.id, status: 'connected' });
  }
});
