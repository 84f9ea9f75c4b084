import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import {
  customerPayload,
  levelPayload,
  orderPayload,
  type Payload,
  productPayload,
  shopPayload,
} from './payloads.ts';
import { LOCATION, type Order, type Product, type ResourceBook } from './resources.ts';
import type { Shop } from './shops.ts';
import type { TokenBook } from './tokens.ts';

const digits = z.string().regex(/^\d+$/);

/** How a person bends what happens. */
export const occurrenceOptions = z.object({
  id: digits.optional(),
  title: z.string().optional(),
  total_price: z
    .string()
    .regex(/^\d+\.\d\d$/)
    .optional(),
  available: z.coerce.number().int().optional(),
  inventory_item_id: digits.optional(),
  location_id: digits.default(LOCATION),
  scopes: z.string().optional(),
});

export type OccurrenceOptions = z.infer<typeof occurrenceOptions>;

/** The parts of a body that was given by which its order or product is known again. */
const given = z.object({
  admin_graphql_api_id: z.string().regex(/^gid:\/\/shopify\/(Order|Product)\/\d+$/),
  created_at: z.iso.datetime({ offset: true }).optional(),
  updated_at: z.iso.datetime({ offset: true }).optional(),
  title: z.string().optional(),
  total_price: z.string().optional(),
  order_number: z.int().optional(),
});

type Maker = (shop: Shop, options: OccurrenceOptions) => Payload;

const without = <T extends object>(change: T) =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

/** Lets things happen to what a shop has, and makes the body that tells of it. */
export function occurrences({ store, now }: SimulatorContext, book: ResourceBook, tokens: TokenBook) {
  const tellOrder = (shop: Shop, order: Order) =>
    orderPayload(shop, order, book.take('customer', shop, order.customer));

  const order =
    (how: 'create' | 'update', change: () => Partial<Order> = () => ({})): Maker =>
    (shop, { id, total_price: total }) =>
      tellOrder(shop, book[how]('order', shop, { ...without({ id, total }), ...change() }));
  const product =
    (how: 'create' | 'update'): Maker =>
    (shop, { id, title }) =>
      productPayload(shop, book[how]('product', shop, without({ id, title })));
  const customer =
    (how: 'create' | 'update'): Maker =>
    (shop, { id }) =>
      customerPayload(shop, book[how]('customer', shop, without({ id })));

  const level: Maker = (shop, options) => {
    const location = options.location_id;
    const item = book.take('item', shop, options.inventory_item_id);
    const before = item.levels[location];
    const time = book.second();
    const after = {
      available: options.available ?? (before?.available ?? 76) - 1,
      createdAt: before?.createdAt ?? time,
      updatedAt: time,
    };
    // The pages say of a level that it has a time of its own, and not that the item's moves with it.
    const updatedAt = store.get<boolean>('settings.itemsFollowLevels') ? time : item.updatedAt;
    const levels = { ...item.levels, [location]: after };
    return levelPayload(shop, book.update('item', shop, { id: item.id, updatedAt, levels }), location);
  };

  const scopes: Maker = (shop, options) => {
    const previous = tokens.scopes(shop.domain);
    const current = options.scopes?.split(',').filter(Boolean) ?? previous;
    tokens.regrant(shop.domain, current);
    return { id: shop.id, previous, current, updated_at: new Date(now()).toISOString() };
  };

  /** Whom a request about personal data is about: the newest customer, unless told. */
  const person = (shop: Shop, { id }: OccurrenceOptions) => {
    const about = book.take('customer', shop, id);
    const orders = book.list('order', shop).filter((each) => each.customer === about.id);
    return {
      orders: orders.map((each) => BigInt(each.id)),
      told: {
        shop_id: shop.id,
        shop_domain: shop.domain,
        customer: { id: BigInt(about.id), email: about.email, phone: null },
      },
    };
  };

  const makers: Record<string, Maker> = {
    'orders/create': order('create'),
    'orders/updated': order('update'),
    'orders/paid': order('update', () => ({ financialStatus: 'PAID' })),
    'orders/cancelled': order('update', () => ({ cancelledAt: book.second() })),
    'products/create': product('create'),
    'products/update': product('update'),
    'customers/create': customer('create'),
    'customers/update': customer('update'),
    'inventory_levels/update': level,
    'app/uninstalled': shopPayload,
    'app/scopes_update': scopes,
    'shop/update': shopPayload,
    'customers/data_request': (shop, options) => {
      const { told, orders } = person(shop, options);
      return { ...told, orders_requested: orders, data_request: { id: 9999 } };
    },
    'customers/redact': (shop, options) => {
      const { told, orders } = person(shop, options);
      return { ...told, orders_to_redact: orders };
    },
    'shop/redact': (shop) => ({ shop_id: shop.id, shop_domain: shop.domain }),
  };

  return {
    make(event: string, shop: Shop, options: OccurrenceOptions): Payload {
      const maker = makers[event];
      if (!maker) throw new Error(`${event} happens only with a payload`);
      return maker(shop, options);
    },

    /** Remembers the order or product that a body tells of, where it says which. */
    remember(event: string, shop: Shop, body: string): void {
      const told = given.safeParse(readJson(body)).data;
      if (!told || !/^(orders|products)\/(?!delete$)/.test(event)) return;
      const [type = '', id = ''] = told.admin_graphql_api_id.split('/').slice(-2);
      const at = (time: string | undefined) =>
        time === undefined ? book.second() : Math.floor(Date.parse(time) / 1000) * 1000;
      const times = { id, createdAt: at(told.created_at), updatedAt: at(told.updated_at) };
      const known: Partial<Product> & Partial<Order> = without({
        total: told.total_price,
        title: told.title,
        number: told.order_number,
      });
      if (type === 'Order') book.update('order', shop, { ...known, ...times });
      else book.update('product', shop, { ...known, ...times });
    },
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
