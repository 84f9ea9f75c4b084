import { beforeEach, describe, expect, test } from 'vitest';
import { openWorld } from '../../support/open-world.ts';
import type { Fault } from '../../world/gateway.ts';
import {
  endpointsOf,
  happen,
  hooksOf,
  lookedAfter,
  rowOf,
  subscriptionsOf,
  watch,
  withGithub,
  withShop,
  withStripe,
} from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

const troubles: [string, Omit<Fault, 'provider'>][] = [
  ['is down', { respond: { status: 500, body: '{}' } }],
  ['answers a page', { respond: { status: 200, body: '<html></html>' } }],
  ['breaks off', { drop: 'before' }],
  ['does it and breaks off', { drop: 'after' }],
  ['limits requests', { respond: { status: 429, headers: { 'retry-after': '7' }, body: '{}' } }],
];

describe.each(troubles)('while the provider %s', (_, fault) => {
  const FAILED = { status: 'failed', error: expect.stringMatching(/.{20}/) };

  test('Stripe is connected all the same, and the cron makes the endpoint', async () => {
    world.gateway.misbehave({ provider: 'stripe', match: '^POST .*webhook_endpoints', ...fault });
    const { id, key, webhooks } = await withStripe(world);
    expect(webhooks).toMatchObject(FAILED);
    world.reset();
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active', error: null, failures: 0 });
    expect(endpointsOf(world, id)).toHaveLength(1);
    const sent = await happen(world, 'stripe', 'invoice.created', { account: key.account.id, to: id });
    expect(sent).toMatchObject([{ status: 200 }]);
  });

  test('Shopify is connected all the same, and the cron makes the subscriptions', async () => {
    let probes = 0;
    world.gateway.decide(({ path }) => (path.endsWith('graphql.json') && probes++ > 0 ? fault : undefined));
    const { id, webhooks } = await withShop(world);
    expect(webhooks).toMatchObject(FAILED);
    world.reset();
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active', error: null });
    expect(subscriptionsOf(world, id)).toHaveLength(4);
  });

  test('GitHub’s repositories are chosen all the same, and the cron makes the hook', async () => {
    const repository = 'octocat/Spoon-Knife';
    const { person, id } = await withGithub(world);
    world.gateway.misbehave({ provider: 'github', match: '^POST .*hooks', ...fault });
    const put = await watch(person, [repository]);
    expect([put.status, put.body.error], put.text).toEqual([200, FAILED.error]);
    // It is not the owner who lacks anything.
    expect(put.body.error).not.toMatch(/administrators/);
    world.reset();
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active', error: null });
    expect(hooksOf(world, id)).toHaveLength(1);
    expect(await happen(world, 'github', 'push', { repository, to: id })).toMatchObject([{ status: 200 }]);
  });
});

test('what GitHub does not answer for at a look is not forgotten: a disconnect still takes it away', async () => {
  const { person, id } = await withGithub(world, ['octocat/Hello-World']);
  world.gateway.misbehave({ provider: 'github', match: 'hooks', respond: { status: 500 } });
  expect(await lookedAfter(world, id)).toMatchObject({ status: 'failed' });
  world.reset();
  await person.at.delete('/api/connectors/github');
  expect(hooksOf(world, id)).toEqual([]);
});

test('an endpoint that Stripe has made without saying so is taken away by a disconnect, too', async () => {
  world.gateway.misbehave({ provider: 'stripe', match: '^POST .*webhook_endpoints', drop: 'after' });
  const { person, id } = await withStripe(world);
  world.reset();
  expect([(await rowOf(world, id)).status, endpointsOf(world, id).length]).toEqual(['failed', 1]);
  await person.at.delete('/api/connectors/stripe');
  expect(endpointsOf(world, id)).toEqual([]);
});
