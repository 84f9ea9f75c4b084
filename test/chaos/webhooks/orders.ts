import { createHmac } from 'node:crypto';
import type { Delivery } from '../../world/agent.ts';
import { plant } from '../plant.ts';
import type { StagedWorld } from '../stage.ts';

/** A delivery as Shopify sends it, of an order that no other delivery is of. */
export interface Order {
  number: number;
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** What a delivery was answered with, and after how many milliseconds. */
export interface Answer {
  status: number | 'no answer';
  took: number;
}

/** No sender waits longer. */
const PATIENCE_MS = 5_000;

/** Plants connections of Shopify, in one of a few tenants each, and gives the orders of their shops by number. */
export async function openShops(
  world: StagedWorld,
  count: number,
  { tenants = 4 } = {},
): Promise<(number: number) => Order> {
  const pairs = Array.from({ length: count }, (_, at) => ({
    access: `access-${at}`,
    refresh: `refresh-${at}`,
  }));
  const later = { refreshAt: `now() + interval '30 days'`, expiresAt: `now() + interval '31 days'`, tenants };
  const planted = await plant(world, 'shopify', pairs, later);
  const secret = world.bindings.SHOPIFY_CLIENT_SECRET ?? '';
  return (number) => {
    const { id = '' } = planted[number % planted.length] ?? {};
    const body = JSON.stringify({
      id: number,
      admin_graphql_api_id: `gid://shopify/Order/${number}`,
      total_price: '199.00',
      line_items: [{ id: number, title: 'Snowboard', quantity: 1 + (number % 5) }],
    });
    return {
      number,
      path: `/api/webhooks/shopify/${id}`,
      headers: {
        'content-type': 'application/json',
        'x-shopify-topic': 'orders/create',
        'x-shopify-shop-domain': `shop-${id}.myshopify.com`,
        'x-shopify-api-version': '2026-10',
        'x-shopify-webhook-id': `delivery-${number}`,
        'x-shopify-hmac-sha256': createHmac('sha256', secret).update(body).digest('base64'),
      },
      body,
    };
  };
}

/** Sends a delivery once. */
export async function post(url: string, { path, headers, body }: Order): Promise<Answer> {
  const started = performance.now();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body, signal });
    await answer.arrayBuffer();
    return { status: answer.status, took: performance.now() - started };
  } catch {
    return { status: 'no answer', took: performance.now() - started };
  }
}

/** Sends deliveries that must be acknowledged at once, a few at a time. */
export async function postAll(url: string, orders: readonly Order[], atOnce = 10): Promise<void> {
  for (let from = 0; from < orders.length; from += atOnce) {
    const answers = await Promise.all(orders.slice(from, from + atOnce).map((order) => post(url, order)));
    const other = answers.find(({ status }) => status !== 200);
    if (other) throw new Error(`a delivery was answered with ${other.status}`);
  }
}

/** The number of the order that the agent is told of. */
export function orderOf({ body }: Delivery): number {
  return (body as { data: { id: number } }).data.id;
}
