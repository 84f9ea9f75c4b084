import { expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson } from '../../support/people.ts';
import { until } from '../../support/trips.ts';

const world = await openWorld();

test('a delivery that PostgreSQL does not take waits in KV, is acknowledged within four seconds, and reaches the agent', async () => {
  const person = await newPerson(world);
  const query = { shop: 'shop-8001.myshopify.com' };
  const { body } = await connectByOAuth(person.at, 'shopify', { query });
  const { happen } = world.gateway.simulator('shopify');
  world.neon.faults.decide((sql) => (sql.includes('store_delivery') ? { after: false } : undefined));
  const began = Date.now();
  const sent = await happen?.({ event: 'orders/create', account: query.shop });
  expect(sent).toMatchObject([{ status: 200 }]);
  expect(Date.now() - began).toBeLessThan(4_000);
  expect(await world.sql(`select from events where topic = 'orders/create'`)).toEqual([]);
  world.neon.faults.decide(() => undefined);
  await fireCron(world, 'deliveries');
  const told = await until(
    () =>
      world.agent.deliveries.find(
        (each) => (each.body as { connection_id: string; type: string }).type === 'shopify.order.created',
      ),
    25_000,
  );
  expect(told.body).toMatchObject({ connection_id: body.id });
}, 60_000);

test('where KV takes nothing either, the sender is told to come again', async () => {
  const person = await newPerson(world);
  const query = { shop: 'shop-8002.myshopify.com' };
  await connectByOAuth(person.at, 'shopify', { query });
  const { happen } = world.gateway.simulator('shopify');
  world.neon.faults.decide((sql) => (sql.includes('store_delivery') ? { after: false } : undefined));
  await world.kvDown(true);
  const sent = await happen?.({ event: 'orders/create', account: query.shop });
  expect(sent).toMatchObject([{ status: 503 }]);
  await world.kvDown(false);
  world.neon.faults.decide(() => undefined);
  const retried = await happen?.({ event: 'orders/create', retry: sent?.[0]?.id ?? '' });
  expect(retried).toMatchObject([{ status: 200 }]);
});
