import { beforeEach, describe, expect, test } from 'vitest';
import { send, something } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { loggedTrips } from '../../support/trips.ts';
import {
  endpointsOf,
  happen,
  hooksOf,
  isDue,
  lookedAfter,
  lookedAfterByItself,
  ownAccount,
  rowOf,
  withGithub,
} from './looked-after.ts';

const world = await openWorld();
const limited = await openWorld({ rateLimits: true });
beforeEach(() => {
  world.reset();
  limited.reset();
});

const WRONG = 'whsec_of_a_stranger';
const wrongAt = (target: Target, more: Parameters<typeof something>[1] = {}) =>
  send(target, something(target, { secret: WRONG, ...more }));

const markOf = async ({ world, id }: Target) => {
  const [row] = await sql(
    world,
    'select refused_at, check_at, updated_at from webhooks where connection_id = $1',
    [id],
  );
  return row;
};

/** As if the last refusal had been so long ago. */
const refusedAgo = ({ world, id }: Target, ago: string) =>
  sql(world, 'update webhooks set refused_at = now() - $2::interval where connection_id = $1', [id, ago]);

describe('a stranger’s wrong signatures', () => {
  test.each(['stripe', 'github'] as const)(
    'at %s make webhooks due once in ten minutes, however many come at once, and set off no storm',
    async (provider) => {
      const target = await openTarget(world, provider, { key: ownAccount() });
      const replies = await Promise.all(Array.from({ length: 20 }, () => wrongAt(target)));
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]));
      expect(await isDue(world, target.id)).toBe(true);
      await lookedAfterByItself(world, target.id);
      const before = await markOf(target);
      await refusedAgo(target, '9 minutes');
      expect((await wrongAt(target)).status).toBe(401);
      expect((await markOf(target))?.check_at).toEqual(before?.check_at);
      await refusedAgo(target, '11 minutes');
      expect((await wrongAt(target)).status).toBe(401);
      expect(await isDue(world, target.id)).toBe(true);
    },
  );

  test('make a hundred hooks due no sooner than all of them can be looked at without harm', async () => {
    const target = await openTarget(world, 'github');
    const { registered } = await rowOf(world, target.id);
    const hundred = JSON.stringify(Array.from({ length: 100 }, () => registered[0]));
    const many = `update webhooks set registered = $2, refused_at = now() - $3::interval where connection_id = $1`;
    for (const [ago, due] of [
      ['99 minutes', false],
      ['101 minutes', true],
    ] as const) {
      await sql(world, many, [target.id, hundred, ago]);
      expect((await wrongAt(target)).status).toBe(401);
      expect(await isDue(world, target.id), ago).toBe(due);
    }
  });

  test('cost one statement each, the one that marks as well', async () => {
    const target = await openTarget(world, 'stripe', { key: ownAccount() });
    expect((await send(target, something(target))).status).toBe(200);
    for (const isMarked of [true, false]) {
      const before = await markOf(target);
      const reply = await wrongAt(target);
      expect(await loggedTrips(world, reply)).toEqual({ postgres: 1, kms: 0, kv: 0, provider: 0 });
      expect((await markOf(target))?.refused_at?.toString() !== before?.refused_at?.toString()).toBe(
        isMarked,
      );
    }
  });

  test('at an endpoint that works have it replaced never, time after time', async () => {
    const target = await openTarget(world, 'stripe', { key: ownAccount() });
    const [endpoint] = endpointsOf(world, target.id);
    const { version } = await rowOf(world, target.id);
    for (let times = 0; times < 3; times += 1) {
      await wrongAt(target);
      await lookedAfterByItself(world, target.id);
      await refusedAgo(target, '1 hour');
    }
    expect(endpointsOf(world, target.id)).toEqual([endpoint]);
    expect(await rowOf(world, target.id)).toMatchObject({ status: 'active', error: null, version });
  });

  test('beside an event that came rightly have an endpoint replaced never', async () => {
    const account = ownAccount();
    const target = await openTarget(world, 'stripe', { key: account });
    const [endpoint] = endpointsOf(world, target.id);
    const to = { account: account.accountId, to: target.id };
    expect(await happen(world, 'stripe', 'invoice.created', to)).toMatchObject([{ status: 200 }]);
    await wrongAt(target);
    await lookedAfterByItself(world, target.id);
    await refusedAgo(target, '1 hour');
    await wrongAt(target);
    expect(await happen(world, 'stripe', 'invoice.created', to)).toMatchObject([{ status: 200 }]);
    world.reset();
    await lookedAfterByItself(world, target.id);
    // What has come rightly since answers the question.
    expect(world.gateway.count('stripe', /\/v1\/events/)).toBe(0);
    expect(endpointsOf(world, target.id)).toEqual([endpoint]);
  });

  test('about what happened before the account was connected have an endpoint replaced never', async () => {
    const account = ownAccount();
    const neighbour = await openTarget(world, 'stripe', { key: account });
    const to = { account: account.accountId, to: neighbour.id };
    const payload = JSON.stringify({
      id: 'evt_from_before',
      object: 'event',
      type: 'invoice.created',
      livemode: false,
      created: Math.floor(Date.now() / 1000) - 120,
      data: { object: {} },
    });
    await happen(world, 'stripe', 'invoice.created', { ...to, payload });
    const target = await openTarget(world, 'stripe', { key: account });
    const [endpoint] = endpointsOf(world, target.id);
    await wrongAt(target);
    await lookedAfterByItself(world, target.id);
    expect(endpointsOf(world, target.id)).toEqual([endpoint]);
  });

  test('write nothing where they are over their limit', async () => {
    const target = await openTarget(limited, 'stripe', { key: ownAccount() });
    const headers = { 'cf-connecting-ip': '203.0.113.77' };
    const statuses = new Set<number>();
    for (let sent = 0; sent < 260 && !statuses.has(429); sent += 20) {
      const replies = await Promise.all(Array.from({ length: 20 }, () => wrongAt(target, { headers })));
      for (const { status } of replies) statuses.add(status);
    }
    expect(statuses).toEqual(new Set([401, 429]));
    await refusedAgo(target, '1 hour');
    const before = await markOf(target);
    limited.reset();
    await Promise.all(Array.from({ length: 20 }, () => wrongAt(target, { headers })));
    expect([await markOf(target), limited.neon.count()]).toEqual([before, 0]);
  });

  test('at a connection that has ended, or that Shopify signs for as a whole, make nothing due', async () => {
    const ended = await openTarget(world, 'stripe', { key: ownAccount() });
    await ended.person.at.delete('/api/connectors/stripe');
    const shop = await openTarget(world, 'shopify');
    for (const [target, status] of [
      [ended, 404],
      [shop, 401],
    ] as const) {
      const before = await markOf(target);
      expect((await wrongAt(target)).status).toBe(status);
      expect(await markOf(target)).toEqual(before);
    }
  });
});

describe('a secret that somebody has changed in the settings of a repository’s hook', () => {
  const [HELLO, PLANS] = ['octocat/Hello-World', 'octocat/launch-plans'] as const;
  const pushed = async (id: string, repository: string) =>
    (await happen(world, 'github', 'push', { repository, to: id })).map(({ status }) => status);

  /** Somebody sets another secret for the hooks of a connection. */
  function changeSecrets(id: string) {
    for (const { id: hook } of hooksOf(world, id)) {
      const slot = `hook/${hook}`;
      const kept = world.store('github').get<{ config: object }>(slot);
      world.store('github').set(slot, { ...kept, config: { ...kept?.config, secret: 'another' } });
    }
  }

  test('has every delivery refused: the first that is has ours set again, and what was refused asked for soon', async () => {
    const { id } = await withGithub(world, [HELLO, PLANS]);
    const before = hooksOf(world, id);
    changeSecrets(id);
    expect(await pushed(id, HELLO)).toEqual([401]);
    await lookedAfterByItself(world, id);
    expect(hooksOf(world, id).map(({ id, config }) => [id, config])).toEqual(
      before.map(({ id, config }) => [id, config]),
    );
    expect([await pushed(id, HELLO), await pushed(id, PLANS)]).toEqual([[200], [200]]);
    const soon = `select from webhooks where connection_id = $1 and check_at between now() + interval '2 minutes' and now() + interval '4 minutes'`;
    expect(await sql(world, soon, [id])).toHaveLength(1);
  });

  test('is set again on all, be a look under way that had come to others of them only', async () => {
    const { id } = await withGithub(world, [HELLO, PLANS]);
    const { registered } = await rowOf(world, id);
    const rest = registered.map((each) => (each.target === PLANS ? { ...each, isUnseen: true } : each));
    await sql(world, 'update webhooks set registered = $2 where connection_id = $1', [
      id,
      JSON.stringify(rest),
    ]);
    changeSecrets(id);
    expect(await pushed(id, HELLO)).toEqual([401]);
    await lookedAfterByItself(world, id);
    expect([await pushed(id, HELLO), await pushed(id, PLANS)]).toEqual([[200], [200]]);
    // And then no more often than before.
    await lookedAfter(world, id);
    expect(await isDue(world, id)).toBe(false);
  });
});
