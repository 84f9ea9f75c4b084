import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { nextSequence, randomLetters } from './keys.ts';

/** docs.stripe.com/api/webhook_endpoints/object; `secret` is in the answer to the creation alone. */
export interface WebhookEndpoint {
  id: string;
  object: 'webhook_endpoint';
  api_version: string | null;
  application: null;
  created: number;
  description: string | null;
  enabled_events: string[];
  livemode: boolean;
  metadata: Record<string, string>;
  status: 'enabled' | 'disabled';
  url: string;
}

export interface EndpointRecord {
  sequence: number;
  account: string;
  endpoint: WebhookEndpoint;
  /** For the events of connected accounts, of which there are none here. */
  connect?: boolean;
}

/** `*` leaves them out (docs.stripe.com/api/events/types). */
const EXPLICIT = new Set(['issuing_authorization.request', 'reporting.report_type.updated']);

export type EndpointBook = ReturnType<typeof endpointBook>;

/** The endpoints with their secrets; they belong to an account and a mode, not to the key that made them. */
export function endpointBook({ store, now, secret }: SimulatorContext) {
  const newSecret = (slot: string) => {
    const made = secret(`whsec_${randomLetters(32)}`);
    store.set(slot, made);
    return made;
  };

  const of = (account: string, livemode: boolean) =>
    store
      .list<EndpointRecord>('endpoint/')
      .filter((kept) => kept.account === account && kept.endpoint.livemode === livemode)
      .sort((a, b) => b.sequence - a.sequence);

  return {
    /** Newest first. */
    of,

    /** Keeps a new one; gives its secret. */
    add(kept: Omit<EndpointRecord, 'sequence'>): string {
      store.set(`endpoint/${kept.endpoint.id}`, { ...kept, sequence: nextSequence(store) });
      return newSecret(`signing/${kept.endpoint.id}`);
    },

    save(kept: EndpointRecord): void {
      store.set(`endpoint/${kept.endpoint.id}`, kept);
    },

    remove(id: string): void {
      for (const part of ['endpoint', 'signing', 'signing-rolled', 'rolled']) store.delete(`${part}/${id}`);
    },

    /** Who is told of an event, oldest first. */
    registered(account: string, livemode: boolean, name: string): WebhookEndpoint[] {
      return of(account, livemode)
        .filter(({ connect, endpoint: { status, enabled_events: names } }) => {
          if (connect || status === 'disabled') return false;
          return names.includes(name) || (names.includes('*') && !EXPLICIT.has(name));
        })
        .map(({ endpoint }) => endpoint)
        .reverse();
    },

    /** What the endpoint's deliveries are signed with now, the newest first. */
    secrets(id: string): string[] {
      const first = store.get<string>(`signing/${id}`);
      const rolled = store.get<Rolled>(`rolled/${id}`);
      if (first === undefined) return [];
      if (rolled === undefined) return [first];
      const next = store.get<string>(`signing-rolled/${id}`) ?? newSecret(`signing-rolled/${id}`);
      return now() < rolled.until ? [next, first] : [next];
    },
  };
}

interface Rolled {
  /** When the secret before ends, in milliseconds since 1970. */
  until: number;
}

const HOUR = 3_600_000;

/**
 * Rolls an endpoint's secret in the Dashboard: the one before ends at once, or within the 24 hours that may be chosen,
 * in which every delivery bears a signature by each (docs.stripe.com/webhooks#roll-endpoint-secrets). The API neither
 * rolls a secret nor shows one again.
 */
export function rollSecret(store: Store, id: string, { now, hours }: { now: number; hours: number }): void {
  if (store.get(`endpoint/${id}`) === undefined) throw new Error(`no such endpoint: ${id}`);
  if (!(hours >= 0 && hours <= 24)) throw new Error('a secret ends within 24 hours');
  const before = store.get<string>(`signing-rolled/${id}`);
  if (before !== undefined) store.set(`signing/${id}`, before);
  store.delete(`signing-rolled/${id}`);
  store.set(`rolled/${id}`, { until: now + hours * HOUR } satisfies Rolled);
}
