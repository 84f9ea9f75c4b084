import type { SimulatorContext } from '../../simulator.ts';
import { compareIds } from './paging.ts';
import type { Shop } from './shops.ts';

/** What a shop has; times are whole seconds, as the API tells them. */
interface Resource {
  id: string;
  createdAt: number;
  updatedAt: number;
}

export interface Order extends Resource {
  number: number;
  total: string;
  financialStatus: 'PAID' | 'PENDING';
  cancelledAt: number | null;
  customer: string;
}

export interface Product extends Resource {
  title: string;
  price: string;
}

/** With its levels by the ids of their locations. */
export interface InventoryItem extends Resource {
  sku: string;
  levels: Record<string, Level>;
}

export interface Level {
  available: number;
  createdAt: number;
  updatedAt: number;
}

export interface Customer extends Resource {
  email: string;
}

interface Kinds {
  order: Order;
  product: Product;
  item: InventoryItem;
  customer: Customer;
}

/** Ids as Shopify's own samples have them: that of an order is more than a number holds. */
const FIRST: Record<keyof Kinds, bigint> = {
  order: 820982911946154508n,
  product: 9554194432293n,
  item: 47219305545893n,
  customer: 8011302502693n,
};

/** The one place where things are in stock, unless told. */
export const LOCATION = '74816585013';

export type ResourceBook = ReturnType<typeof resourceBook>;

/** The orders, products, inventory and customers that shops have; what happens makes them. */
export function resourceBook({ store, now }: SimulatorContext) {
  const save = <K extends keyof Kinds>(kind: K, shop: Shop, record: Kinds[K]): Kinds[K] => {
    store.set(`resource/${kind}/${shop.domain}/${record.id}`, record);
    return record;
  };
  const list = <K extends keyof Kinds>(kind: K, shop: Shop) =>
    store.list<Kinds[K]>(`resource/${kind}/${shop.domain}/`);
  const find = <K extends keyof Kinds>(kind: K, shop: Shop, id: string) =>
    store.get<Kinds[K]>(`resource/${kind}/${shop.domain}/${id}`);
  const latest = <K extends keyof Kinds>(kind: K, shop: Shop) =>
    list(kind, shop)
      .sort((a, b) => a.createdAt - b.createdAt || compareIds(a.id, b.id))
      .at(-1);

  function count(name: string): number {
    const number = store.get<number>(`count/${name}`) ?? 0;
    store.set(`count/${name}`, number + 1);
    return number;
  }

  const second = () => Math.floor(now() / 1000) * 1000;
  const begin = (kind: keyof Kinds, id?: string) => ({
    id: id ?? String(FIRST[kind] + BigInt(count(kind))),
    createdAt: second(),
    updatedAt: second(),
  });

  const blank: { [K in keyof Kinds]: (shop: Shop, id?: string) => Kinds[K] } = {
    order: (shop, id) => ({
      ...begin('order', id),
      number: 1001 + count(`order/${shop.domain}`),
      total: '398.00',
      financialStatus: 'PENDING',
      cancelledAt: null,
      customer: take('customer', shop, undefined).id,
    }),
    product: (_, id) => ({ ...begin('product', id), title: 'Example T-Shirt', price: '19.99' }),
    item: (_, id) => ({ ...begin('item', id), sku: 'example-shirt-s', levels: {} }),
    customer: (_, id) => ({ ...begin('customer', id), email: 'bob@biller.example' }),
  };

  /** The one with this id, or the newest; made where there is none. */
  const take = <K extends keyof Kinds>(kind: K, shop: Shop, id: string | undefined): Kinds[K] =>
    (id === undefined ? latest(kind, shop) : find(kind, shop, id)) ?? save(kind, shop, blank[kind](shop, id));

  return {
    list,
    take,
    second,
    /** A new one; with an id that stands already, in its place. */
    create: <K extends keyof Kinds>(kind: K, shop: Shop, change: Partial<Kinds[K]>): Kinds[K] =>
      save(kind, shop, { ...blank[kind](shop, change.id), ...change }),
    /** Changes what `take` gives. */
    update: <K extends keyof Kinds>(kind: K, shop: Shop, change: Partial<Kinds[K]>): Kinds[K] =>
      save(kind, shop, { ...take(kind, shop, change.id), updatedAt: second(), ...change }),
  };
}

export const gid = (type: string, id: string) => `gid://shopify/${type}/${id}`;

/** The id in a global one of this type. */
export function idOf(type: string, global: string): string | undefined {
  return new RegExp(`^gid://shopify/${type}/(\\d+)$`).exec(global)?.[1];
}
