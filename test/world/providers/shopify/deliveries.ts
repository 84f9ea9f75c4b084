import type { Delivered, SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { signShopify } from './signature.ts';
import type { SubscriptionBook } from './subscriptions.ts';

/** One webhook to one address, and how each attempt at it went. */
export interface Delivery {
  sequence: number;
  webhookId: string;
  eventId: string;
  triggeredAt: string;
  /** As the header has it. */
  topic: string;
  shop: string;
  url: string;
  /** Of the subscription; null for the address in the app's configuration. */
  subscription: string | null;
  name: string | null;
  body: string;
  attempts: { at: number; status: Delivered['status'] }[];
}

/** apps/build/webhooks/verify-deliveries: the whole answer must be there in five seconds. */
const TIMEOUT = 5000;

/** The version set on the app: what a subscription was made with does not matter. */
export const WEBHOOK_VERSION = '2026-10';

/** Every delivery, oldest first. */
export function deliveryRecords(store: Store): Delivery[] {
  return store.list<Delivery>('delivery/').sort((a, b) => a.sequence - b.sequence);
}

export type DeliveryBook = ReturnType<typeof deliveryBook>;

export function deliveryBook(context: SimulatorContext, subscriptions: SubscriptionBook) {
  const { store, client, now } = context;

  async function attempt(delivery: Delivery): Promise<Delivered> {
    const status = await post(delivery);
    delivery.attempts.push({ at: now(), status });
    store.set(`delivery/${delivery.sequence}`, delivery);
    if (delivery.subscription !== null) {
      subscriptions.count(delivery.subscription, status !== 'no answer' && status >= 200 && status < 300);
    }
    return { url: delivery.url, id: delivery.webhookId, status };
  }

  async function post({ url, body, ...delivery }: Delivery): Promise<Delivered['status']> {
    const secret = store.get<string>('settings.previousSecret') ?? client.secret;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'User-Agent': 'Shopify-Captain-Hook',
          'X-Shopify-Topic': delivery.topic,
          'X-Shopify-Hmac-Sha256': signShopify(body, secret),
          'X-Shopify-Shop-Domain': delivery.shop,
          'X-Shopify-API-Version': WEBHOOK_VERSION,
          'X-Shopify-Webhook-Id': delivery.webhookId,
          'X-Shopify-Triggered-At': delivery.triggeredAt,
          'X-Shopify-Event-Id': delivery.eventId,
          ...(delivery.name !== null && { 'X-Shopify-Name': delivery.name }),
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 'no answer';
    }
  }

  return {
    send(delivery: Omit<Delivery, 'sequence' | 'attempts'>): Promise<Delivered> {
      const sequence = (store.get<number>('count/delivery') ?? 0) + 1;
      store.set('count/delivery', sequence);
      return attempt({ ...delivery, sequence, attempts: [] });
    },
    /** Sends once more what had this webhook id, as the retries do: the original body to the original address. */
    retry: (webhookId: string): Promise<Delivered[]> =>
      Promise.all(
        deliveryRecords(store)
          .filter((delivery) => delivery.webhookId === webhookId)
          .map(attempt),
      ),
  };
}
