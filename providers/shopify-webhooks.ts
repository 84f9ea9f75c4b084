import * as z from 'zod';
import type { Access, Answer, Registered, Registration, Told, WebhookMac, Webhooks } from './provider.ts';
import { ask, isThrottled } from './shopify-api.ts';
import { missedChanges, subjectOf } from './shopify-missed.ts';

/**
 * Topics that every shop is asked for: as the API names them, as deliveries do, and what the agent is told. The header
 * that names a topic is not signed: a body without what that topic has is not taken for it.
 */
const topics = [
  {
    name: 'ORDERS_CREATE',
    topic: 'orders/create',
    type: 'shopify.order.created',
    body: z.object({
      id: z.number(),
      title: z.undefined().optional(),
      inventory_item_id: z.undefined().optional(),
    }),
  },
  {
    name: 'PRODUCTS_UPDATE',
    topic: 'products/update',
    type: 'shopify.product.updated',
    body: z.object({ id: z.number(), title: z.string() }),
  },
  {
    name: 'INVENTORY_LEVELS_UPDATE',
    topic: 'inventory_levels/update',
    type: 'shopify.inventory.changed',
    body: z.object({ inventory_item_id: z.number(), location_id: z.number() }),
  },
  { name: 'APP_UNINSTALLED', topic: 'app/uninstalled' },
] as const;

/** What a delivery means for connections: https://shopify.dev/docs/apps/build/privacy-law-compliance */
const meanings = new Map<string, NonNullable<Told['meaning']>>([
  ['app/uninstalled', 'ended'],
  ['app/scopes_update', 'changed'],
  ['customers/data_request', 'customer_asks'],
  ['customers/redact', 'forget_customer'],
  ['shop/redact', 'forget_account'],
]);

const headers = z.object({
  topic: z.string().regex(/^[a-z0-9_]+\/[a-z0-9_]+$/),
  shop: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}\.myshopify\.(com|io)$/),
  id: z.string().regex(/^[\w.:-]{1,200}$/),
  version: z.string().min(1),
  // Not of a year that a database would not take.
  at: z.iso.datetime({ offset: true }).regex(/^20/).optional().catch(undefined),
});
/** What is asked of a shop's privacy says all in its body, and does not always come with the rest. */
const ofPrivacy = headers.partial({ id: true, version: true });

/** Where a body names its shop, it must be the one that the headers name. */
const body = z.object({ myshopify_domain: z.string().nullish(), shop_domain: z.string().nullish() });
/** What a body has that asks for something to be forgotten or told. */
const privacy = z.object({ shop_id: z.number(), shop_domain: z.string() });

const subscriptions = z.object({
  data: z.object({
    webhookSubscriptions: z.object({
      nodes: z.array(z.object({ id: z.string(), topic: z.string(), uri: z.string() })),
    }),
  }),
});
const change = z.object({
  data: z.object({
    changed: z.object({
      webhookSubscription: z.object({ id: z.string(), topic: z.string() }).nullable(),
      userErrors: z.array(z.object({ message: z.string() })),
    }),
  }),
});

/** https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook-to-ensure-its-coming-from-shopify */
function readMac(header: string): WebhookMac | undefined {
  // 32 bytes in base64, in their one spelling.
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(header)) return undefined;
  return { macs: [Uint8Array.from(atob(header), (character) => character.charCodeAt(0))] };
}

/** https://shopify.dev/docs/apps/build/webhooks */
export const shopifyWebhooks = {
  maxBytes: 10_000_000,
  // Uninstalling the app takes its subscriptions along.
  endsWithGrant: true,
  signature: { header: 'x-shopify-hmac-sha256', read: readMac },
  // For an hour after the client's secret was changed Shopify may go on with the one before.
  clientSecrets: ({ secret, settings }) => [secret, settings.CLIENT_SECRET_BEFORE],
  read({ headers: given, json }) {
    const topic = given.get('x-shopify-topic');
    const meant = meanings.get(topic ?? '');
    const isPrivacy = meant?.startsWith('forget') || meant === 'customer_asks';
    const asked = isPrivacy ? privacy.safeParse(json).data : undefined;
    const read = (asked ? ofPrivacy : headers).safeParse({
      topic,
      shop: (given.get('x-shopify-shop-domain') ?? asked?.shop_domain)?.toLowerCase(),
      id: given.get('x-shopify-webhook-id') ?? undefined,
      version: given.get('x-shopify-api-version') ?? undefined,
      at: given.get('x-shopify-triggered-at') ?? undefined,
    }).data;
    const named = body.safeParse(json).data;
    if (!read || !named) return undefined;
    const isAnother = [named.myshopify_domain, named.shop_domain].some(
      (shop) => typeof shop === 'string' && shop.toLowerCase() !== read.shop,
    );
    if (isAnother) return undefined;
    const known = topics.find(({ topic }) => topic === read.topic);
    const isTold = known && 'type' in known && known.body.safeParse(json).success;
    const meaning = isPrivacy && !asked ? undefined : meant;
    return {
      topic: read.topic,
      ...(isTold && { type: known.type }),
      ...(read.id !== undefined && { id: read.id }),
      ...subjectOf(read.topic, json),
      ...(read.at !== undefined && { occurredAt: new Date(read.at) }),
      facts: { shop: read.shop },
      account: read.shop,
      route: `shop:${read.shop}`,
      ...(meaning !== undefined && { meaning }),
    };
  },
  *register(access, { url, registered: before }): Generator<ReturnType<typeof ask>, Registration, Answer> {
    const listed = yield list(access, url);
    let registered = standingAt(listed, url);
    if (!registered) return failed(listed);
    const elsewhere = before.filter(({ id }) => !registered?.some((each) => each.id === id));
    let isRaced = false;
    for (const { name } of topics) {
      if (registered.some(({ target }) => target === name)) continue;
      // What stands at a former address moves, and what is gone is made anew.
      const moving = elsewhere.filter(({ target }) => target === name).map(({ id }) => move(access, id, url));
      for (const request of [...moving, make(access, name, url)]) {
        const answer = yield request;
        const changed = change.safeParse(answer.json).data?.data.changed;
        const subscription = changed?.webhookSubscription;
        if (isThrottled(answer)) return { limited: undefined };
        isRaced ||= changed?.userErrors.some(({ message }) => /already been taken/i.test(message)) ?? false;
        if (!subscription) continue;
        registered.push({ id: subscription.id, target: subscription.topic });
        break;
      }
    }
    // Somebody else was at it at the same time.
    if (isRaced) registered = standingAt(yield list(access, url), url) ?? registered;
    // What stands at a former address beside one at ours would be told twice.
    for (const { id } of elsewhere) {
      if (registered.some((each) => each.id === id)) continue;
      const answer = yield remove(access, id);
      if (isThrottled(answer)) return { limited: undefined };
    }
    const routes = [`shop:${access.config.shop}`];
    const missing = topics.filter(({ name }) => !registered.some(({ target }) => target === name));
    if (missing.length === 0) return { registered, routes };
    const names = missing.map(({ topic }) => topic).join(', ');
    return {
      registered,
      routes,
      failed: `Shopify does not tell us of ${names}: the app lacks a permission. Connect Shopify again and allow what it asks for.`,
    };
  },
  missed: missedChanges,
  *unregister(access, { registered }) {
    for (const { id } of registered) {
      const answer = yield remove(access, id);
      // 401: the app is uninstalled, and its subscriptions went with it.
      if (answer.status === 401) return true;
      if (answer.status !== 200 || isThrottled(answer)) return false;
    }
    return true;
  },
} satisfies Webhooks;

function make(access: Access, topic: string, uri: string) {
  const query = `mutation ($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
    changed: webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
      webhookSubscription { id topic } userErrors { message }
    }
  }`;
  return ask(access, query, { topic, subscription: { uri, format: 'JSON' } });
}

function move(access: Access, id: string, uri: string) {
  const query = `mutation ($id: ID!, $subscription: WebhookSubscriptionInput!) {
    changed: webhookSubscriptionUpdate(id: $id, webhookSubscription: $subscription) {
      webhookSubscription { id topic } userErrors { message }
    }
  }`;
  return ask(access, query, { id, subscription: { uri } });
}

function remove(access: Access, id: string) {
  const query =
    'mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { message } } }';
  return ask(access, query, { id });
}

function list(access: Access, url: string) {
  const query =
    'query ($uri: String) { webhookSubscriptions(first: 50, uri: $uri) { nodes { id topic uri } } }';
  return ask(access, query, { uri: url });
}

function standingAt({ status, json }: Answer, url: string): Registered[] | undefined {
  const found = subscriptions.safeParse(json).data;
  if (status !== 200 || !found) return undefined;
  return found.data.webhookSubscriptions.nodes
    .filter((node) => node.uri === url)
    .map(({ id, topic }) => ({ id, target: topic }));
}

function failed(answer: Answer): Registration {
  return isThrottled(answer)
    ? { limited: undefined }
    : { failed: 'Shopify did not take our webhooks. It is tried again.' };
}
