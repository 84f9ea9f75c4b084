import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Delivered, Happening, SimulatorContext } from '../../simulator.ts';
import type { DeliveryBook } from './deliveries.ts';
import { occurrenceOptions, occurrences } from './occurrences.ts';
import { type Payload, pickFields, valuesAt, writePayload } from './payloads.ts';
import type { ResourceBook } from './resources.ts';
import { parseSearch } from './search.ts';
import { findShop, type Shop } from './shops.ts';
import type { Subscription, SubscriptionBook } from './subscriptions.ts';
import type { TokenBook } from './tokens.ts';
import { COMPLIANCE, TOPICS } from './topics.ts';

const happening = occurrenceOptions.extend({
  event: z.enum([...TOPICS.map(({ name }) => name), ...COMPLIANCE]),
  account: z.string().default('north-store.myshopify.com'),
  payload: z.string().optional(),
  triggered_at: z.string().optional(),
  webhook_id: z.string().optional(),
  event_id: z.string().optional(),
  retry: z.string().optional(),
});

type Asked = z.infer<typeof happening>;

export interface Books {
  tokens: TokenBook;
  subscriptions: SubscriptionBook;
  deliveries: DeliveryBook;
  resources: ResourceBook;
}

export type Happenings = ReturnType<typeof happenings>;

/** What happens in shops, and who is told of it. */
export function happenings(context: SimulatorContext, books: Books) {
  const { client, now } = context;
  const { tokens, subscriptions, deliveries } = books;
  const occur = occurrences(context, books.resources, tokens);

  async function happen(told: Happening): Promise<Delivered[]> {
    const asked = happening.strict().parse(told);
    if (asked.retry !== undefined) return deliveries.retry(asked.retry);
    const shop = findShop(asked.account);
    if (!shop) throw new Error(`there is no shop at ${asked.account}`);
    if (COMPLIANCE.some((event) => event === asked.event)) return comply(shop, asked);
    const topic = asked.event.toUpperCase().replace('/', '_');
    const listening = asked.event === 'app/uninstalled' ? leave(shop) : subscriptions.listening(shop, topic);
    return tell(shop, asked, listening);
  }

  function tell(shop: Shop, asked: Asked, listening: Subscription[]): Promise<Delivered[]> {
    const made = asked.payload === undefined ? occur.make(asked.event, shop, asked) : undefined;
    if (asked.payload !== undefined) occur.remember(asked.event, shop, asked.payload);
    const event = eventOf(shop, asked);
    return Promise.all(
      listening
        .filter(({ filter }) => made === undefined || filter === null || isWanted(made, filter))
        .map(({ id, uri, name, includeFields }) =>
          deliveries.send({
            ...event,
            webhookId: asked.webhook_id ?? randomUUID(),
            url: uri,
            subscription: id,
            name,
            body: asked.payload ?? bodyOf(made ?? null, includeFields),
          }),
        ),
    );
  }

  function comply(shop: Shop, asked: Asked): Promise<Delivered[]> {
    const body = asked.payload ?? writePayload(occur.make(asked.event, shop, asked));
    const event = eventOf(shop, asked);
    return Promise.all(
      client.redirectUris.slice(0, 1).map((redirectUri) =>
        deliveries.send({
          ...event,
          webhookId: asked.webhook_id ?? randomUUID(),
          url: new URL('/api/webhooks/shopify', redirectUri).href,
          subscription: null,
          name: null,
          body,
        }),
      ),
    );
  }

  const eventOf = (shop: Shop, asked: Asked) => ({
    topic: asked.event,
    shop: shop.domain,
    eventId: asked.event_id ?? randomUUID(),
    // Nine digits of a second, as deliveries have been seen to have.
    triggeredAt: asked.triggered_at ?? new Date(now()).toISOString().replace('Z', '000000Z'),
  });

  /** The app leaves the shop, tokens and subscriptions with it; who listened is still to be told. */
  function leave(shop: Shop): Subscription[] {
    const listening = subscriptions.listening(shop, 'APP_UNINSTALLED');
    tokens.uninstall(shop.domain);
    subscriptions.removeAll(shop);
    return listening;
  }

  return {
    happen,
    /** For an app that uninstalls itself: the webhook comes after the answer. */
    uninstall(shop: Shop): void {
      const listening = leave(shop);
      if (!context.store.get<boolean>('settings.tellsUninstall')) return;
      const asked = happening.parse({ event: 'app/uninstalled', account: shop.domain });
      // The world may have ended in the meantime.
      tell(shop, asked, listening).catch(() => undefined);
    },
  };
}

function isWanted(payload: Payload, filter: string): boolean {
  const search = parseSearch(filter);
  return search?.matches((field) => valuesAt(payload, field.split('.'))) ?? false;
}

function bodyOf(payload: Payload, includeFields: readonly string[]): string {
  return writePayload(includeFields.length > 0 ? pickFields(payload, includeFields) : payload);
}
