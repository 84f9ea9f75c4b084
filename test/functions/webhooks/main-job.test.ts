import { beforeEach, expect, test } from 'vitest';
import { send, something, stripeEvent } from '../../support/deliveries.ts';
import { feedOf } from '../../support/feed.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson, type Person } from '../../support/people.ts';
import { openTarget } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';

const world = await openWorld();
beforeEach(() => world.reset());

const happen = (provider: string, event: string, options: Record<string, string> = {}) =>
  world.gateway.simulator(provider).happen?.({ event, ...options });

/** What the agent is told of a connection, of a type. */
const told = (connectionId: string, type: string) =>
  until(() =>
    world.agent.deliveries.find(({ body }) => {
      const event = body as Record<string, unknown>;
      return event.connection_id === connectionId && event.type === type;
    }),
  );

async function withStripe(
  options: Record<string, string> = {},
): Promise<{ person: Person; id: string; body: Record<string, unknown> }> {
  const person = await newPerson(world);
  const reply = await connect(person.at, 'stripe', issueKey(world, 'stripe', options));
  expect(reply.status, reply.text).toBe(201);
  return { person, id: String(reply.body.id), body: reply.body };
}

test.each([
  ['payment_intent.succeeded', 'stripe.payment.succeeded'],
  ['customer.subscription.updated', 'stripe.subscription.updated'],
  ['invoice.created', 'stripe.invoice.created'],
])('Stripe: %s reaches the agent as %s within a second', async (event, type) => {
  const { person, id, body } = await withStripe();
  expect(body.webhooks).toMatchObject({ status: 'active', error: null });
  const account = (body.account as { id: string }).id;
  const sent = await happen('stripe', event, { account });
  expect(sent?.filter(({ url }) => url.endsWith(id))).toMatchObject([{ status: 200 }]);
  const { id: webhookId, body: delivered } = await told(id, type);
  expect(delivered).toMatchObject({
    id: webhookId,
    provider: 'stripe',
    user_id: person.id,
    account_id: account,
    data: { type: event },
  });
  const feed = await feedOf(person.at, 2);
  expect(feed.body.events.map((each: { type: string }) => each.type)).toEqual(['connection.connected', type]);
});

test('Stripe: an event whose `account` is null is swallowed', async () => {
  const target = await openTarget(world, 'stripe');
  const body = stripeEvent('invoice.created', { account: null });
  expect((await send(target, something(target, { body }))).status).toBe(200);
  expect((await told(target.id, 'stripe.invoice.created')).body).toMatchObject({ data: { account: null } });
});

test.each([
  ['orders/create', 'shopify.order.created'],
  ['products/update', 'shopify.product.updated'],
  ['inventory_levels/update', 'shopify.inventory.changed'],
])('Shopify: %s reaches the agent as %s within a second', async (event, type) => {
  const person = await newPerson(world);
  const shop = `shop-${type.length}9.myshopify.com`;
  const { body } = await connectByOAuth(person.at, 'shopify', { query: { shop } });
  expect(body.webhooks).toMatchObject({ status: 'active', error: null });
  expect(await happen('shopify', event, { account: shop })).toMatchObject([{ status: 200 }]);
  expect((await told(body.id, type)).body).toMatchObject({ provider: 'shopify', account_id: shop });
});

test.each([
  ['push', 'github.push'],
  ['pull_request', 'github.pull_request.opened'],
  ['deployment_status', 'github.deployment.status'],
])('GitHub: %s reaches the agent as %s within a second', async (event, type) => {
  const person = await newPerson(world);
  const { body } = await connectByOAuth(person.at, 'github');
  expect(body.webhooks).toMatchObject({ status: 'unsupported', events: [] });
  const list = await person.at.get('/api/connectors/github/repositories');
  const watchable = list.body.repositories.filter((each: { watchable: boolean }) => each.watchable);
  const [{ full_name: repository }] = watchable;
  const put = await person.at.put('/api/connectors/github/repositories', {
    body: { repositories: [repository] },
  });
  expect([put.status, put.body], put.text).toEqual([200, { repositories: [repository], error: null }]);
  const sent = await happen('github', event, { repository });
  expect(sent?.filter(({ url }) => url.endsWith(body.id))).toMatchObject([{ status: 200 }]);
  expect((await told(body.id, type)).body).toMatchObject({
    provider: 'github',
    data: { repository: { full_name: repository } },
  });
  const listed = await person.at.get('/api/connectors/list');
  expect(listed.body.connections[0].webhooks).toMatchObject({
    status: 'active',
    last_received_at: expect.any(String),
  });
});
