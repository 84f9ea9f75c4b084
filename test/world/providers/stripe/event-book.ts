import type { SimulatorContext } from '../../simulator.ts';

/** docs.stripe.com/api/events/object. */
export interface StripeEvent {
  id: string;
  object: 'event';
  type: string;
  created: number;
  [member: string]: unknown;
}

export interface EventRecord {
  sequence: number;
  account: string;
  livemode: boolean;
  /** When it came to be here, in milliseconds; a forged event may say otherwise of itself. */
  at: number;
  event: StripeEvent;
  /** What a test wants to be sent, in place of the event. */
  payload?: string;
  /** Ids of the endpoints that have not answered it with 2xx yet. */
  pending: string[];
}

/** docs.stripe.com/api/events: for so long one can be had. */
const KEPT = 30 * 86_400_000;

export type EventBook = ReturnType<typeof eventBook>;

/** What has happened, told or not. */
export function eventBook({ store, now }: SimulatorContext) {
  const isKept = (record: EventRecord) => record.at > now() - KEPT;

  return {
    /** Newest first. */
    of: (account: string, livemode: boolean): EventRecord[] =>
      store
        .list<EventRecord>('event/')
        .filter((record) => record.account === account && record.livemode === livemode && isKept(record))
        .sort((a, b) => b.event.created - a.event.created || b.sequence - a.sequence),

    find(id: string): EventRecord | undefined {
      const record = store.get<EventRecord>(`event/${id}`);
      return record && isKept(record) ? record : undefined;
    },

    save(record: EventRecord): void {
      store.set(`event/${record.event.id}`, record);
    },

    /** An endpoint has taken it. */
    settle(id: string, endpoint: string): void {
      const record = store.get<EventRecord>(`event/${id}`);
      if (!record) return;
      const pending = record.pending.filter((each) => each !== endpoint);
      store.set(`event/${id}`, { ...record, pending });
    },
  };
}
