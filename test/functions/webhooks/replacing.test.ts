import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { sql } from '../../support/sql.ts';
import { until } from '../../support/trips.ts';
import {
  endpointsOf,
  happen,
  hooksOf,
  lookedAfter,
  ownAccount,
  ownShop,
  rowOf,
  subscriptionsOf,
  watch,
  withGithub,
  withShop,
  withStripe,
} from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

/** Minutes pass, and the cron is fired, until nothing of a connection is to be ended any more. */
async function cleared(id: string): Promise<void> {
  await until(async () => {
    await sql(world, 'update revocations set next_attempt_at = now() where connection_id = $1', [id]);
    await fireCron(world, 'webhooks');
    const rows = await sql(world, 'select from revocations where connection_id = $1', [id]);
    return rows.length === 0 ? true : undefined;
  });
}

describe('replaced by a connection to another account,', () => {
  test.each(['account', 'mode'])(
    'Stripe’s first endpoint goes, the second is told (another %s)',
    async (what) => {
      const { person, key, id } = await withStripe(world);
      const [old] = endpointsOf(world, id);
      const options = what === 'account' ? ownAccount() : { accountId: key.account.id, mode: 'live' };
      const other = issueKey(world, 'stripe', options);
      const reply = await connect(person.at, 'stripe', other, { replace: true });
      expect([reply.body.id, reply.body.webhooks.status]).toEqual([id, 'active']);
      const livemode = String(what === 'mode');
      const sent = await happen(world, 'stripe', 'invoice.created', {
        account: other.account.id,
        livemode,
        to: id,
      });
      expect(sent).toMatchObject([{ status: 200 }]);
      await cleared(id);
      expect(endpointsOf(world, id).map((each) => each.id)).not.toContain(old?.id);
    },
  );

  test('Shopify’s first subscriptions go with the app, the second ones are told', async () => {
    const { person, shop, id } = await withShop(world);
    const query = { shop: ownShop(), replace: 'true' };
    expect((await connectByOAuth(person.at, 'shopify', { query })).body.id).toBe(id);
    await cleared(id);
    expect(await rowOf(world, id)).toMatchObject({ status: 'active', routes: [`shop:${query.shop}`] });
    expect(subscriptionsOf(world, id).map((each) => each.shop)).toEqual(Array(4).fill(query.shop));
    expect(await happen(world, 'shopify', 'orders/create', { account: query.shop })).toMatchObject([
      { status: 200 },
    ]);
    expect(await happen(world, 'shopify', 'orders/create', { account: shop })).toEqual([]);
  });

  const places: Record<string, string> = { hubot: 'hubot/scripts', octocat: 'octocat/Hello-World' };

  describe.each([
    ['hubot', 'octocat', 'alone'],
    ['octocat', 'hubot', 'while another connection lives on the first grant'],
  ])('GitHub’s from %s to %s, %s:', (first, second, how) => {
    const [before = '', after = ''] = [places[first], places[second]];

    async function replaced() {
      if (how !== 'alone') await withGithub(world, [], first);
      const { person, id } = await withGithub(world, [before], first);
      const [old] = hooksOf(world, id);
      const query = { replace: 'true' };
      const reply = await connectByOAuth(person.at, 'github', { account: second, query });
      expect([reply.status, reply.body.id], reply.text).toEqual([200, id]);
      return { person, id, old };
    }

    test('what the first account had watched is not asked of the second', async () => {
      const { id } = await replaced();
      expect(await lookedAfter(world, id)).toMatchObject({ status: 'none', error: null, watched: [] });
    });

    test('the first account’s hooks go', async () => {
      const { id, old } = await replaced();
      await cleared(id);
      await lookedAfter(world, id);
      expect(hooksOf(world, id).map((hook) => hook.id)).not.toContain(old?.id);
    });

    test('the second account’s stay, and are told', async () => {
      const { person, id } = await replaced();
      expect((await watch(person, [after])).body).toEqual({ repositories: [after], error: null });
      await cleared(id);
      expect(await rowOf(world, id)).toMatchObject({
        status: 'active',
        secret: expect.any(Buffer),
        registered: [{ target: after }],
      });
      const sent = await happen(world, 'github', 'push', { repository: after, to: id });
      expect(sent).toMatchObject([{ status: 200 }]);
    });
  });
});
