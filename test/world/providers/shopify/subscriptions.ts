import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import type { Shop } from './shops.ts';

/** A webhook subscription of the app in one shop. */
export interface Subscription {
  id: string;
  shop: string;
  /** As the enum has it. */
  topic: string;
  uri: string;
  format: 'JSON';
  filter: string | null;
  includeFields: string[];
  name: string | null;
  createdAt: number;
  updatedAt: number;
  /** Deliveries that failed one after another. */
  failures: number;
}

export type SubscriptionBook = ReturnType<typeof subscriptionBook>;

/** apps/build/webhooks/troubleshooting-webhooks: what is made by the API is deleted after so many failures. */
const FAILURES = 8;

const FIRST_ID = 1_400_000_000_001;

/** Every subscription, oldest first. */
export function subscriptionRecords(store: Store): Subscription[] {
  return store.list<Subscription>('subscription/').sort((a, b) => Number(a.id) - Number(b.id));
}

export function subscriptionBook({ store, now }: SimulatorContext) {
  const save = (record: Subscription) => store.set(`subscription/${record.id}`, record);
  const of = (shop: Shop) => subscriptionRecords(store).filter((record) => record.shop === shop.domain);

  return {
    of,
    /** Those that are told of a topic. */
    listening: (shop: Shop, topic: string) => of(shop).filter((record) => record.topic === topic),
    find: (shop: Shop, id: string) => of(shop).find((record) => record.id === id),
    create(shop: Shop, made: Omit<Subscription, 'id' | 'shop' | 'createdAt' | 'updatedAt' | 'failures'>) {
      const id = store.get<number>('count/subscription') ?? FIRST_ID;
      store.set('count/subscription', id + 1);
      const times = { createdAt: now(), updatedAt: now() };
      const record: Subscription = { ...made, ...times, id: String(id), shop: shop.domain, failures: 0 };
      save(record);
      return record;
    },
    change(record: Subscription): Subscription {
      const changed = { ...record, updatedAt: now() };
      save(changed);
      return changed;
    },
    remove: ({ id }: Subscription) => store.delete(`subscription/${id}`),
    removeAll(shop: Shop): void {
      for (const { id } of of(shop)) store.delete(`subscription/${id}`);
    },
    /** Counts a delivery; one failure too many, and the subscription is gone. */
    count(id: string, isDelivered: boolean): void {
      const record = store.get<Subscription>(`subscription/${id}`);
      if (!record) return;
      const failures = isDelivered ? 0 : record.failures + 1;
      if (failures < (store.get<number>('settings.failuresToDelete') ?? FAILURES))
        save({ ...record, failures });
      else store.delete(`subscription/${id}`);
    },
  };
}
