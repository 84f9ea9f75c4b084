import { randomBytes } from 'node:crypto';
import type { Delivered, SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import type { EndpointBook, WebhookEndpoint } from './endpoint-book.ts';
import { nextSequence } from './keys.ts';
import { signatureOf } from './signature.ts';

/** One attempt to tell an endpoint of an event. */
export interface Delivery extends Delivered {
  sequence: number;
  endpoint: string;
  at: number;
}

/** Stripe names no deadline; no test wants to wait longer. */
const PATIENCE = 10_000;

/** The deliveries so far, oldest first. */
export function deliveryRecords(store: Store): Delivery[] {
  return store.list<Delivery>('delivery/').sort((a, b) => a.sequence - b.sequence);
}

/** Sends bodies to endpoints; headers as in deliveries that receivers have published. */
export function courier({ store, now }: SimulatorContext, endpoints: EndpointBook) {
  function signature(endpoint: WebhookEndpoint, body: string): string {
    const timestamp = Math.floor(now() / 1000);
    const signatures = endpoints.secrets(endpoint.id).map((each) => signatureOf(body, each, timestamp));
    // Test mode adds one of a scheme that no receiver may trust (docs.stripe.com/webhooks/signature).
    const fake = endpoint.livemode ? [] : [`v0=${randomBytes(32).toString('hex')}`];
    return [`t=${timestamp}`, ...signatures.map((each) => `v1=${each}`), ...fake].join(',');
  }

  async function post(endpoint: WebhookEndpoint, body: string): Promise<Delivered['status']> {
    try {
      const response = await fetch(endpoint.url, {
        method: 'POST',
        headers: {
          accept: '*/*; q=0.5, application/xml',
          'cache-control': 'no-cache',
          'content-type': 'application/json; charset=utf-8',
          'stripe-signature': signature(endpoint, body),
          'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(PATIENCE),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 'no answer';
    }
  }

  /** Stripe gives a delivery no id of its own: it has the event's, at each attempt. */
  return async (endpoint: WebhookEndpoint, id: string, body: string): Promise<Delivered> => {
    const at = now();
    const delivered: Delivered = { id, url: endpoint.url, status: await post(endpoint, body) };
    const delivery: Delivery = { ...delivered, sequence: nextSequence(store), endpoint: endpoint.id, at };
    store.set(`delivery/${delivery.sequence}`, delivery);
    return delivered;
  };
}
