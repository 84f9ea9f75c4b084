import type { Context } from 'hono';
import { z } from 'zod';
import { type Delivery, type DeliveryBook, later } from './deliveries.ts';
import { refuse } from './door.ts';
import type { Hook } from './hooks.ts';
import { toIso } from './installations.ts';
import { pageQuery } from './paging.ts';

const listQuery = z.strictObject({
  per_page: pageQuery.per_page,
  cursor: z.string().optional(),
  status: z.enum(['success', 'failure']).optional(),
});

/** What was delivered to a hook, newest first, by cursor (rest/repos/webhooks, rest/apps/webhooks). */
export function listDeliveries(c: Context, deliveries: DeliveryBook, hook: Hook, page: string): Response {
  const query = listQuery.safeParse(c.req.query());
  if (!query.success) return refuse(422, 'Validation Failed', page);
  const { per_page, cursor, status } = query.data;
  const all = deliveries
    .of(hook)
    .filter(({ statusCode }) => status === undefined || statusCode < 400 === (status === 'success'));
  const [, first] = /^v1_(\d+)$/.exec(cursor ?? '') ?? [];
  if (cursor !== undefined && first === undefined) return refuse(400, 'Invalid cursor.', page);
  const found = first === undefined ? 0 : all.findIndex(({ id }) => id <= Number(first));
  const start = found === -1 ? all.length : found;

  const link = (at: number, rel: string) => {
    const url = new URL(c.req.url);
    url.searchParams.set('cursor', `v1_${all[at]?.id ?? 0}`);
    return `<${url}>; rel="${rel}"`;
  };
  const links = [
    ...(start > 0 ? [link(Math.max(0, start - per_page), 'prev')] : []),
    ...(start + per_page < all.length ? [link(start + per_page, 'next')] : []),
  ];
  if (links.length > 0) c.header('link', links.join(', '));
  return c.json(all.slice(start, start + per_page).map(deliveryItem));
}

export function showDelivery(c: Context, deliveries: DeliveryBook, hook: Hook, page: string): Response {
  const delivery = deliveries.find(hook, Number(c.req.param('delivery')));
  return delivery ? c.json(deliveryObject(delivery)) : refuse(404, 'Not Found', page);
}

/** Delivers once more what was delivered before: a delivery of its own, with the GUID of the first. */
export function redeliver(c: Context, deliveries: DeliveryBook, hook: Hook, page: string): Response {
  const delivery = deliveries.find(hook, Number(c.req.param('delivery')));
  if (!delivery) return refuse(404, 'Not Found', page);
  later(() => deliveries.redeliver(hook, delivery));
  return c.json({}, 202);
}

/** The schema `hook-delivery-item` of the REST description. */
function deliveryItem(delivery: Delivery) {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: toIso(delivery.deliveredAt),
    redelivery: delivery.redelivery,
    duration: delivery.duration,
    status: delivery.status,
    status_code: delivery.statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: delivery.installation,
    repository_id: delivery.repository,
    throttled_at: null,
  };
}

/** The schema `hook-delivery` of the REST description. */
function deliveryObject(delivery: Delivery) {
  return {
    ...deliveryItem(delivery),
    url: delivery.url,
    request: { headers: delivery.headers, payload: payloadOf(delivery) },
    response: delivery.response ?? { headers: null, payload: null },
  };
}

function payloadOf({ body, contentType }: Delivery): unknown {
  const json = contentType === 'application/json' ? body : (new URLSearchParams(body).get('payload') ?? '');
  try {
    return JSON.parse(json);
  } catch {
    // A body that a test made up.
    return null;
  }
}
