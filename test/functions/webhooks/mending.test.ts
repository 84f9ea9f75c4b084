import { beforeEach, describe, expect, test } from 'vitest';
import { authorize, consent, present } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
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

const forget = (id: string) =>
  sql(world, 'update webhooks set secret = null, data_key_id = null where connection_id = $1', [id]);

const READS = 'subscription_read,invoice_read,customer_read,charge_read,balance_read,event_read';

describe('an endpoint whose secret is lost', () => {
  test('of Stripe’s is replaced by one whose deliveries are taken', async () => {
    const { id, key } = await withStripe(world);
    const [before] = endpointsOf(world, id);
    await forget(id);
    const row = await lookedAfter(world, id);
    expect(row).toMatchObject({ status: 'active', secret: expect.any(Buffer) });
    const after = endpointsOf(world, id);
    expect(after.map((each) => ({ id: each.id }))).toEqual(row.registered);
    expect(after[0]?.id).not.toBe(before?.id);
    const sent = await happen(world, 'stripe', 'invoice.created', { account: key.account.id, to: id });
    expect(sent).toMatchObject([{ status: 200 }]);
  });

  test('of GitHub’s gets another secret, and its deliveries are taken', async () => {
    const repository = 'octocat/Hello-World';
    const { id } = await withGithub(world, [repository]);
    const [before] = hooksOf(world, id);
    await forget(id);
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active', secret: expect.any(Buffer) });
    const [after, ...others] = hooksOf(world, id);
    expect([after?.id, others]).toEqual([before?.id, []]);
    expect(after?.config.secret).not.toBe(before?.config.secret);
    expect(await happen(world, 'github', 'push', { repository, to: id })).toMatchObject([{ status: 200 }]);
  });

  test('of GitHub’s is still taken away where nothing is to be watched any more', async () => {
    const { id, person } = await withGithub(world, ['octocat/Hello-World']);
    await forget(id);
    expect((await watch(person, [])).status).toBe(200);
    expect(hooksOf(world, id)).toEqual([]);
  });
});

describe('what the provider has dropped is made anew at the next look:', () => {
  test('an endpoint of Stripe’s', async () => {
    const { id, key } = await withStripe(world);
    const [before] = endpointsOf(world, id);
    world.store('stripe').delete(`endpoint/${before?.id}`);
    await lookedAfter(world, id);
    expect(endpointsOf(world, id)).toHaveLength(1);
    const sent = await happen(world, 'stripe', 'invoice.created', { account: key.account.id, to: id });
    expect(sent).toMatchObject([{ status: 200 }]);
  });

  test('an endpoint of Stripe’s that was switched off, or told of less', async () => {
    const { id } = await withStripe(world);
    const [before] = endpointsOf(world, id);
    const slot = `endpoint/${before?.id}`;
    const kept = world.store('stripe').get<object>(slot);
    const endpoint = { ...before, status: 'disabled', enabled_events: ['invoice.created'] };
    world.store('stripe').set(slot, { ...kept, endpoint });
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active' });
    const [{ status, enabled_events } = { status: '', enabled_events: [] }] = endpointsOf(world, id);
    expect([status, enabled_events.toSorted()]).toEqual(['enabled', before?.enabled_events.toSorted()]);
  });

  test('a subscription of Shopify’s, and no other', async () => {
    const { id } = await withShop(world);
    const before = subscriptionsOf(world, id);
    const dropped = before.find(({ topic }) => topic === 'ORDERS_CREATE');
    world.store('shopify').delete(`subscription/${dropped?.id}`);
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active' });
    const after = subscriptionsOf(world, id);
    expect(after.map(({ topic }) => topic).sort()).toEqual(before.map(({ topic }) => topic).sort());
    expect(after.filter((each) => before.some((other) => other.id === each.id))).toHaveLength(3);
  });

  test('a hook of GitHub’s, and one that was switched off', async () => {
    const { id } = await withGithub(world, ['octocat/Spoon-Knife', 'octocat/launch-plans']);
    const [gone, off] = hooksOf(world, id);
    world.store('github').delete(`hook/${gone?.id}`);
    world.store('github').set(`hook/${off?.id}`, { ...off, active: false, events: ['push'] });
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active' });
    const events = ['push', 'pull_request', 'deployment_status'];
    const whole = { active: true, events };
    expect(hooksOf(world, id)).toMatchObject([whole, whole]);
    expect((await rowOf(world, id)).registered.map((each) => each.id).sort()).toEqual(
      hooksOf(world, id)
        .map((hook) => String(hook.id))
        .sort(),
    );
  });
});

describe('who gave too little is connected, and told what lacks:', () => {
  test.each([
    ['without any permission for webhooks', READS],
    ['with Read alone', `${READS},webhook_read`],
  ])('a key of Stripe’s %s, until one that has it comes', async (_, permissions) => {
    const account = ownAccount();
    const { person, id, webhooks } = await withStripe(world, { ...account, permissions });
    expect(webhooks).toMatchObject({
      status: 'failed',
      events: [],
      error: expect.stringMatching(/Write for Webhook Endpoints/),
    });
    expect(await rowOf(world, id)).toMatchObject({ status: 'failed', registered: [], secret: null });
    const [connection] = (await person.at.get('/api/connectors/list')).body.connections;
    expect(connection).toMatchObject({ status: 'connected', webhooks });
    const reply = await connect(person.at, 'stripe', issueKey(world, 'stripe', account));
    expect(reply.body).toMatchObject({ id, webhooks: { status: 'active', error: null } });
  });

  test.each([false, true])('a shop whose app may not read orders (told as an error: %s)', async (isError) => {
    const person = await newPerson(world);
    const url = await authorize(person.at, 'shopify', { query: { shop: ownShop() } });
    url.searchParams.set('scope', 'read_products,read_customers,read_inventory,read_reports');
    if (isError) world.store('shopify').set('settings.topicsDenied', true);
    const { body } = await present(person.at, await consent(url));
    world.store('shopify').delete('settings.topicsDenied');
    expect(body).toMatchObject({
      status: 'connected',
      webhooks: { status: 'failed', events: [], error: expect.stringMatching(/orders\/create.*permission/) },
    });
    expect(subscriptionsOf(world, body.id).map(({ topic }) => topic)).not.toContain('ORDERS_CREATE');
    expect(subscriptionsOf(world, body.id)).toHaveLength(3);
  });

  test('a repository of GitHub’s without the right to administer it, beside one with', async () => {
    const { person, id } = await withGithub(world);
    const chosen = ['octo-guild/handbook', 'octocat/Hello-World'];
    const put = await watch(person, chosen);
    expect(put.body).toEqual({ repositories: chosen, error: expect.stringMatching(/octo-guild\/handbook/) });
    expect(put.body.error).not.toContain('octocat/Hello-World');
    expect(hooksOf(world, id)).toHaveLength(1);
    const [connection] = (await person.at.get('/api/connectors/list')).body.connections;
    expect(connection).toMatchObject({
      status: 'connected',
      webhooks: { status: 'failed', error: put.body.error },
    });
  });
});
