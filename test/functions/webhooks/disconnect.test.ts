import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { pathOf, send, something } from '../../support/deliveries.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson, newTeam, type Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, tellers } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { expireStripeKey } from '../../world/providers/stripe.ts';
import {
  endpointsOf,
  happen,
  hooksOf,
  leftOf,
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

const disconnect = async ({ at }: Person, provider: string) =>
  (await at.delete(`/api/connectors/${provider}`)).body.revocation;

const HELLO = 'octocat/Hello-World';

/** Fires the cron until what is pending of a connection has been tried once more; gives whether it still is. */
async function triedAgain(id: string): Promise<boolean> {
  const due = `update revocations set next_attempt_at = now() - interval '1 second', last_error_code = null
    where connection_id = $1`;
  await sql(world, due, [id]);
  await fireCron(world, 'revocation');
  return until(async () => {
    const [row] = await sql(world, 'select last_error_code from revocations where connection_id = $1', [id]);
    if (!row) return false;
    return row.last_error_code === null ? undefined : true;
  });
}

describe('a disconnect takes away', () => {
  test('the endpoint at Stripe, and what is known of it', async () => {
    const { person, id } = await withStripe(world);
    expect(await disconnect(person, 'stripe')).toBe('unsupported');
    expect(endpointsOf(world, id)).toEqual([]);
    expect(await rowOf(world, id)).toMatchObject({ status: 'none', registered: [], secret: null });
    expect(await sql(world, 'select from revocations where connection_id = $1', [id])).toEqual([]);
  });

  test('the hooks on each repository at GitHub', async () => {
    const { person, id } = await withGithub(world, [HELLO, 'octocat/launch-plans']);
    expect(await disconnect(person, 'github')).toBe('revoked');
    expect([hooksOf(world, id), leftOf(world, id)]).toEqual([[], 0]);
    expect(await rowOf(world, id)).toMatchObject({ status: 'none', registered: [], secret: null });
  });

  test('the subscriptions at Shopify, with the app', async () => {
    const { person, id } = await withShop(world);
    expect(await disconnect(person, 'shopify')).toBe('revoked');
    expect(subscriptionsOf(world, id)).toEqual([]);
  });

  test('nothing that the key of Stripe’s can no longer reach, and is not kept waiting by it', async () => {
    const { person, key, id } = await withStripe(world);
    expireStripeKey(world.store('stripe'), key.api_key);
    await disconnect(person, 'stripe');
    expect(await sql(world, 'select from revocations where connection_id = $1', [id])).toEqual([]);
    expect([endpointsOf(world, id).length, leftOf(world, id)]).toEqual([1, 1]);
  });
});

describe('where another connection shares the grant', () => {
  test('Stripe: the endpoint of the one goes, the other’s stays and is told', async () => {
    const { person, key, id } = await withStripe(world);
    const other = await newPerson(world);
    const { body } = await connect(other.at, 'stripe', key);
    await disconnect(person, 'stripe');
    expect([endpointsOf(world, id).length, endpointsOf(world, body.id).length]).toEqual([0, 1]);
    const sent = await happen(world, 'stripe', 'invoice.created', { account: key.account.id });
    expect(sent.map(({ url, status }) => [url.endsWith(body.id), status])).toEqual([[true, 200]]);
  });

  test('Stripe: so it is between two brands of one person', async () => {
    const [team, key] = [await newTeam(world), issueKey(world, 'stripe', ownAccount())];
    const { at } = await newPerson(world, { teams: [team.id] });
    const own = await connect(at, 'stripe', key);
    const ofBrand = await connect(at, 'stripe', key, { brand: team.brand });
    await at.delete('/api/connectors/stripe', { brand: team.brand });
    expect(endpointsOf(world, ofBrand.body.id)).toEqual([]);
    expect(endpointsOf(world, own.body.id)).toHaveLength(1);
  });

  test('GitHub: the hooks of the one go, the other’s stay and are told', async () => {
    const [one, other] = [await withGithub(world, [HELLO]), await withGithub(world, [HELLO])];
    expect(await disconnect(one.person, 'github')).toBe('shared');
    expect(hooksOf(world, one.id)).toEqual([]);
    expect(await happen(world, 'github', 'push', { repository: HELLO, to: other.id })).toMatchObject([
      { status: 200 },
    ]);
    await disconnect(other.person, 'github');
    expect(hooksOf(world, other.id)).toEqual([]);
  });

  test('Shopify: the subscriptions of the one go, the other’s stay and are told', async () => {
    const one = await withShop(world);
    const other = await withShop(world, one.shop);
    expect(await disconnect(one.person, 'shopify')).toBe('shared');
    expect([subscriptionsOf(world, one.id).length, subscriptionsOf(world, other.id).length]).toEqual([0, 4]);
    const sent = await happen(world, 'shopify', 'orders/create', { account: one.shop });
    expect(sent).toMatchObject([{ status: 200 }]);
  });

  test.each([
    { what: 'a disconnect', leave: ({ at }: Person) => at.delete('/api/connectors/shopify') },
    {
      what: 'another shop in its place',
      leave: ({ at }: Person) =>
        connectByOAuth(at, 'shopify', { query: { shop: ownShop(), replace: 'true' } }),
    },
  ])(
    'Shopify: subscriptions that went by $what are said to be left once the tokens have ended',
    async ({ leave }) => {
      const one = await withShop(world);
      // Nobody tells of the second sign-in, which would have the first go on with its tokens.
      await world.queuesDeaf(true);
      await withShop(world, one.shop);
      expect((await leave(one.person)).status).toBe(200);
      await world.queuesDeaf(false);
      const due = (more: string) =>
        sql(
          world,
          `update revocations set ${more} next_attempt_at = now() - interval '1 second'
         where connection_id = $1 and account_id = $2 and refresh_token is not null returning id`,
          [one.id, one.shop],
        );
      const tried = async () => {
        const lines = world.logs.length;
        await fireCron(world, 'revocation');
        // Its job's line comes behind any other of it.
        return until(() =>
          world.logs
            .slice(lines)
            .map((line) => JSON.parse(line) as { job?: string; outcome?: string; connection_id?: string })
            .find(
              ({ job, outcome, connection_id }) =>
                job === 'revocation' && outcome && connection_id === one.id,
            ),
        );
      };
      expect(await due('')).toHaveLength(1);
      expect(await tried()).toMatchObject({ outcome: 'waits' });
      await due(`expires_at = now() - interval '1 hour',`);
      world.gateway.misbehave({
        provider: 'shopify',
        match: 'oauth/access_token',
        respond: {
          status: 400,
          headers: { 'content-type': 'application/json' },
          body: '{"error":"invalid_grant"}',
        },
      });
      await tried();
      expect(leftOf(world, one.id)).toBe(0);
    },
  );
});

test('a disconnect while the endpoint is being made has it taken away in the end', async () => {
  const person = await newPerson(world);
  const key = issueKey(world, 'stripe', ownAccount());
  world.gateway.misbehave({ provider: 'stripe', match: '^POST .*webhook_endpoints', hold: 1_500 });
  const connecting = connect(person.at, 'stripe', key);
  const id = await until(async () => {
    const [row] = await sql(world, 'select id from connections where user_id = $1', [person.id]);
    return row && endpointsOf(world, String(row.id)).length > 0 ? String(row.id) : undefined;
  });
  await disconnect(person, 'stripe');
  await connecting;
  await triedAgain(id);
  expect(endpointsOf(world, id)).toEqual([]);
  expect((await person.at.get('/api/connectors/list')).body.connections).toMatchObject([
    { id, status: 'disconnected', webhooks: { status: 'unsupported' } },
  ]);
});

describe('while the provider fails, the cron tries until it is gone:', () => {
  const down = (provider: string) =>
    world.gateway.misbehave({ provider, match: '^DELETE', respond: { status: 503 } });

  test.each(['stripe', 'github'] as const)('%s', async (provider) => {
    const { person, id } = provider === 'stripe' ? await withStripe(world) : await withGithub(world, [HELLO]);
    const left = () => (provider === 'stripe' ? endpointsOf(world, id) : hooksOf(world, id)).length;
    down(provider);
    await disconnect(person, provider);
    expect(left()).toBe(1);
    expect(await triedAgain(id)).toBe(true);
    expect(left()).toBe(1);
    world.reset();
    expect(await triedAgain(id)).toBe(false);
    expect(left()).toBe(0);
    expect(await rowOf(world, id)).toMatchObject({ registered: [], secret: null });
  });

  test('GitHub, though the person has connected again meanwhile, whose hooks stay', async () => {
    const { person, id } = await withGithub(world, [HELLO]);
    down('github');
    await disconnect(person, 'github');
    world.reset();
    const { body } = await connectByOAuth(person.at, 'github');
    await watch(person, [HELLO]);
    expect(await triedAgain(id)).toBe(false);
    expect([hooksOf(world, id).length, hooksOf(world, body.id).length]).toEqual([0, 1]);
    expect(await happen(world, 'github', 'push', { repository: HELLO, to: body.id })).toMatchObject([
      { status: 200 },
    ]);
  });
});

test.each(tellers)('after a disconnect from %s a delivery to the old address is 404', async (provider) => {
  const target = await openTarget(world, provider, { key: ownAccount() });
  expect((await send(target, something(target))).status).toBe(200);
  await disconnect(target.person, provider);
  const reply = await send(target, something(target));
  expect(reply, pathOf(target)).toMatchObject({ status: 404, body: { code: 'not_found' } });
});
