import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  headersOf,
  idsOf,
  pathOf,
  send,
  settledOf,
  something,
  storedOf,
  storedSince,
  stripeEvent,
} from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { openTarget, openTargets, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';

const world = await openWorld();
const targets = await openTargets(world);

describe('Shopify signs for all shops alike, and neither shop nor topic:', () => {
  const target = targets.shopify;

  test('the delivery of another shop is refused, whether it is connected or not', async () => {
    const neighbour = await openTarget(world, 'shopify');
    for (const shop of [
      neighbour.shop,
      'shop-unheard-of.myshopify.com',
      `${target.shop}.example`,
      '',
      '*',
      '%',
    ]) {
      const reply = await send(target, something(target, { headers: { 'x-shopify-shop-domain': shop } }));
      expect(reply.status, shop).toBe(401);
    }
    const delivery = something(neighbour);
    expect((await send(neighbour, delivery, pathOf(target))).status).toBe(401);
    expect((await storedOf(target)).map(({ data }) => data)).not.toContain(delivery.body);
    expect(await storedOf(neighbour)).toEqual([]);
  });

  test('a body that names another shop is refused', async () => {
    for (const name of ['myshopify_domain', 'shop_domain']) {
      const body = JSON.stringify({ id: 1, [name]: 'shop-another.myshopify.com' });
      expect((await send(target, something(target, { body }))).status).toBe(401);
    }
  });

  test('headers that Shopify always sends are not left out', async () => {
    for (const name of [
      'x-shopify-topic',
      'x-shopify-shop-domain',
      'x-shopify-webhook-id',
      'x-shopify-api-version',
    ])
      expect((await send(target, something(target, { headers: { [name]: null } }))).status, name).toBe(401);
    for (const topic of [
      'orders',
      'orders/create/now',
      'Orders/Create',
      "orders/create'--",
      'orders/create, orders/paid',
    ])
      expect((await send(target, something(target, { event: topic }))).status, topic).toBe(401);
  });

  test('a shop in capitals is the same shop', async () => {
    const headers = { 'x-shopify-shop-domain': target.shop.toUpperCase() };
    expect((await send(target, something(target, { headers }))).status).toBe(200);
  });
});

describe('who has used up their tries', () => {
  /** A world with its limits, none of which is above 120 a minute. */
  const limited = openWorld({ rateLimits: true });
  const from = (address: string) => ({ headers: { 'cf-connecting-ip': address } });
  const wrongAt = (target: Target, address: string) =>
    send(target, something(target, { secret: 'whsec_not_the_one', ...from(address) }));

  test('costs a query for each wrong signature, without end, and takes along whom the platform sends for', async () => {
    const world = await limited;
    const [target, neighbour] = [await openTarget(world, 'stripe'), await openTarget(world, 'stripe')];
    const address = '203.0.113.8';
    expect((await send(neighbour, something(neighbour, from(address)))).status).toBe(200);
    const statuses = new Set<number>();
    for (let sent = 0; sent < 260 && !statuses.has(429); sent += 20) {
      const replies = await Promise.all(Array.from({ length: 20 }, () => wrongAt(target, address)));
      for (const { status } of replies) statuses.add(status);
    }
    expect(statuses).toEqual(new Set([401, 429]));
    world.reset();
    const replies = await Promise.all(Array.from({ length: 20 }, () => wrongAt(target, address)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([429]));
    expect(world.neon.count()).toBe(0);
    // The same senders send for everybody.
    expect((await send(neighbour, something(neighbour, from(address)))).status).toBe(200);
    expect((await send(target, something(target, from(address)))).status).toBe(200);
  });

  test('is asked about for each connection that they guess', async () => {
    const world = await limited;
    const target = await openTarget(world, 'stripe');
    const guess = () =>
      send(target, something(target, from('203.0.113.9')), `/api/webhooks/stripe/${randomUUID()}`);
    const statuses = new Set<number>();
    for (let sent = 0; sent < 260 && !statuses.has(429); sent += 20) {
      for (const { status } of await Promise.all(Array.from({ length: 20 }, guess))) statuses.add(status);
    }
    expect(statuses).toEqual(new Set([404, 429]));
    world.reset();
    await Promise.all(Array.from({ length: 20 }, guess));
    expect(world.neon.count()).toBe(0);
    expect((await send(target, something(target, from('203.0.113.10')))).status).toBe(200);
  });
});

describe('GitHub does not sign what the event is called:', () => {
  const target = targets.github;

  test('a body that is not of the event is kept, whatever it is called', async () => {
    const before = await idsOf(target);
    const push = something(target).body;
    const names = ['pull_request', 'deployment_status', 'star'];
    for (const [at, event] of names.entries()) {
      const body = String(push).replace('refs/heads/main', `refs/heads/${at}`);
      expect((await send(target, something(target, { event, body }))).status).toBe(200);
    }
    const other = JSON.stringify({ action: 'created', starred_at: randomUUID() });
    expect((await send(target, something(target, { event: 'push', body: other }))).status).toBe(200);
    const stored = await storedSince(target, before);
    expect(stored.map(({ type, status }) => [type, status])).toEqual(Array(4).fill(['', 'kept']));
  });

  test('headers that GitHub always sends are not left out', async () => {
    for (const name of ['x-github-event', 'x-github-delivery'])
      expect((await send(target, something(target, { headers: { [name]: null } }))).status, name).toBe(401);
  });

  test('the old SHA-1 signature is none', async () => {
    const { 'x-hub-signature-256': _, ...headers } = headersOf(target, something(target));
    const unsigned = { ...headers, 'x-hub-signature': `sha1=${'0'.repeat(40)}`, 'x-hub-signature-256': null };
    expect((await send(target, something(target, { headers: unsigned }))).status).toBe(401);
  });
});

describe('Stripe has two modes, and accounts of accounts:', () => {
  const tried = targets.stripe;

  test('an event of test mode is none of a live connection, nor the other way round', async () => {
    const live = await openTarget(world, 'stripe', {
      key: { mode: 'live', accountId: 'acct_live1', name: 'Live' },
    });
    for (const type of ['invoice.created', 'charge.refunded']) {
      const tested = something(live, { body: stripeEvent(type, { livemode: false }) });
      expect((await send(live, tested)).status).toBe(401);
      const lived = something(tried, { body: stripeEvent(type, { livemode: true }) });
      expect((await send(tried, lived)).status).toBe(401);
      expect((await storedOf(tried)).map(({ data }) => data)).not.toContain(lived.body);
    }
    expect(await storedOf(live)).toEqual([]);
    const own = something(live, { body: stripeEvent('invoice.created', { livemode: true }) });
    expect((await send(live, own)).status).toBe(200);
    expect(await settledOf(live)).toMatchObject([{ type: 'stripe.invoice.created', status: 'delivered' }]);
  });

  test('an event of a connected account, and a thin one, are told to nobody', async () => {
    const before = await idsOf(tried);
    for (const more of [{ account: 'acct_other' }, { object: 'v2.core.event' }, { livemode: undefined }]) {
      const body = stripeEvent('invoice.created', more);
      expect((await send(tried, something(tried, { body }))).status).toBe(200);
    }
    const stored = await until(async () => {
      const rows = await storedSince(tried, before);
      return rows.length === 3 ? rows : undefined;
    });
    expect(stored.map(({ status }) => status)).toEqual(['kept', 'kept', 'kept']);
  });
});
