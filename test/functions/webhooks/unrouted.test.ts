import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { storedOf, toldOf } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import type { Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { openClock } from '../../world/clock.ts';
import { githubAppEnv, happen, lookedAfter, rowOf, withGithub } from './looked-after.ts';

// What the App is told of a repository that nobody is known to see yet.

const clock = openClock();
const world = await openWorld({ env: githubAppEnv(), now: clock.now });
await clock.rule(world);
beforeEach(() => world.reset());

const MINUTE = 60_000;

/** Somebody who has connected, and at that time saw no repository. */
async function seeingNothing(account: string): Promise<Target> {
  world.gateway.decide(({ path }) =>
    /^\/user\/installations\/\d+\/repositories$/.test(path)
      ? { respond: { status: 200, body: '{"total_count":0,"repositories":[]}' } }
      : undefined,
  );
  const { person, id } = await withGithub(world, [], account);
  await lookedAfter(world, id);
  world.gateway.decide(() => undefined);
  return { world, provider: 'github', id, person, shop: '', secret: '' };
}

describe('an App’s delivery of a repository that is not known yet', () => {
  test('gets 200 and is stored nowhere: the repository was just granted', async () => {
    const target = await seeingNothing('octocat');
    await clock.advance(2 * MINUTE);
    expect(await happen(world, 'github', 'push', { repository: 'octocat/Hello-World' })).toMatchObject([
      { status: 200 },
    ]);
    expect(await storedOf(target)).toEqual([]);
    await until(async () => {
      await fireCron(world, 'unrouted');
      return (await storedOf(target)).length > 0 || undefined;
    });
    await until(() => toldOf(target).length > 0 || undefined);
    expect(await fireCron(world, 'unrouted')).toMatchObject({ stored: 0, nobodys: 0 });
  }, 60_000);

  test('is told whoever connects after it has come', async () => {
    const target = await seeingNothing('hubot');
    expect(await happen(world, 'github', 'push', { repository: 'hubot/scripts' })).toMatchObject([
      { status: 200 },
    ]);
    const { id } = await withGithub(world, [], 'hubot');
    await lookedAfter(world, id);
    expect((await rowOf(world, id)).routes.join()).toContain('repository:');
    await lookedAfter(world, target.id);
    await until(async () => {
      await fireCron(world, 'unrouted');
      return (await storedOf(target)).length > 0 || undefined;
    });
    expect(await storedOf({ ...target, id })).toEqual([]);
    await world.sql('delete from webhooks');
  }, 60_000);

  test('of which nobody comes to be known is dropped after a while, and not kept again', async () => {
    const target = await seeingNothing('hubot');
    world.gateway.decide(({ path }) =>
      /^\/user\/installations\/\d+\/repositories$/.test(path)
        ? { respond: { status: 200, body: '{"total_count":0,"repositories":[]}' } }
        : undefined,
    );
    const push = () => happen(world, 'github', 'push', { repository: 'hubot/scripts' });
    await push();
    expect(await fireCron(world, 'unrouted')).toMatchObject({ stored: 0, nobodys: 0 });
    await clock.advance(13 * MINUTE);
    expect(await fireCron(world, 'unrouted')).toMatchObject({ stored: 0, nobodys: 1 });
    await push();
    await clock.advance(13 * MINUTE);
    expect(await fireCron(world, 'unrouted')).toMatchObject({ stored: 0, nobodys: 0 });
    expect(await storedOf(target)).toEqual([]);
  }, 60_000);
});
