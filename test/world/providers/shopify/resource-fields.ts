import { GraphQLError } from 'graphql';
import type { SimulatorContext } from '../../simulator.ts';
import { needApproval, needScope } from './access.ts';
import type { Shared } from './graphql.ts';
import { type Getters, type ListArguments, search } from './listing.ts';
import { connection, type PageArguments, type Place } from './paging.ts';
import { levelGid } from './payloads.ts';
import { gid, type InventoryItem, idOf, type Order, type Product, type ResourceBook } from './resources.ts';
import { holds } from './scopes.ts';
import type { Shop } from './shops.ts';
import { toDateTime } from './times.ts';

/** `read_orders` is for the last 60 days (docs/api/usage/access-scopes). */
const RECENT = 60 * 86_400_000;

const TIMES: Getters<{ id: string; createdAt: number; updatedAt: number }> = {
  created_at: (record) => toDateTime(record.createdAt),
  updated_at: (record) => toDateTime(record.updatedAt),
  id: (record) => record.id,
};
const SEARCHED = {
  order: {
    ...TIMES,
    '': (order) => `#${order.number}`,
    financial_status: (order) => order.financialStatus,
    name: (order) => `#${order.number}`,
    processed_at: (order) => toDateTime(order.createdAt),
    test: () => 'false',
  } satisfies Getters<Order>,
  product: {
    ...TIMES,
    '': (product) => product.title,
    status: () => 'ACTIVE',
    title: (product) => product.title,
    vendor: () => 'Acme',
  } satisfies Getters<Product>,
  item: { ...TIMES, '': (item) => item.sku, sku: (item) => item.sku } satisfies Getters<InventoryItem>,
};

const SORTED: Getters<{ id: string; createdAt: number; updatedAt: number }> = {
  CREATED_AT: (record) => record.createdAt,
  PROCESSED_AT: (record) => record.createdAt,
  UPDATED_AT: (record) => record.updatedAt,
  ID: () => 0,
};
const ORDERS_SORTED: Getters<Order> = {
  ...SORTED,
  ORDER_NUMBER: (order) => order.number,
  TOTAL_PRICE: (order) => Number(order.total),
};
const PRODUCTS_SORTED: Getters<Product> = {
  ...SORTED,
  TITLE: (product) => product.title,
  VENDOR: () => 'Acme',
};

/** The root fields about what the shop has (docs/api/admin-graphql/2026-10/queries/orders and so on). */
export function resourceFields(
  { store, now }: SimulatorContext,
  book: ResourceBook,
  shop: Shop,
  scopes: readonly string[],
) {
  const money = (amount: string) => ({ amount, currencyCode: shop.currencyCode });
  const bag = (amount: string) => ({ shopMoney: money(amount), presentmentMoney: money(amount) });
  const times = (record: { createdAt: number; updatedAt: number }) => ({
    createdAt: toDateTime(record.createdAt),
    updatedAt: toDateTime(record.updatedAt),
  });

  const orderNode = (order: Order) => ({
    ...times(order),
    id: gid('Order', order.id),
    legacyResourceId: order.id,
    name: `#${order.number}`,
    number: order.number,
    cancelledAt: order.cancelledAt === null ? null : toDateTime(order.cancelledAt),
    processedAt: toDateTime(order.createdAt),
    currencyCode: shop.currencyCode,
    displayFinancialStatus: order.financialStatus,
    test: false,
    currentTotalPriceSet: bag(order.total),
    totalPriceSet: bag(order.total),
    totalRefundedSet: bag('0.0'),
    customer: () => {
      needScope('customer', scopes, ['read_customers']);
      return { id: gid('Customer', order.customer), legacyResourceId: order.customer };
    },
    lineItems: (given: PageArguments) =>
      connection(
        [String(866550311766439020n + BigInt(order.number))],
        given,
        (id) => ({ value: 0, id }),
        (id) => ({
          id: gid('LineItem', id),
          name: 'Example T-Shirt - Small',
          title: 'Example T-Shirt',
          quantity: 1,
          sku: 'example-shirt-s',
        }),
      ),
  });

  const productNode = (product: Product) => ({
    ...times(product),
    id: gid('Product', product.id),
    legacyResourceId: product.id,
    title: product.title,
    handle: 'example-t-shirt',
    status: 'ACTIVE',
    vendor: 'Acme',
    productType: 'Shirts',
    tags: ['example', 'mens', 't-shirt'],
    totalInventory: 75,
    priceRangeV2: { minVariantPrice: money(product.price), maxVariantPrice: money(product.price) },
  });

  const itemNode = (item: InventoryItem) => ({
    ...times(item),
    id: gid('InventoryItem', item.id),
    legacyResourceId: item.id,
    sku: item.sku,
    tracked: true,
    requiresShipping: true,
    inventoryLevels: (given: PageArguments) => {
      needScope('inventoryLevels', scopes, ['read_inventory']);
      return connection(
        Object.entries(item.levels),
        given,
        ([id]) => ({ value: 0, id }),
        ([location, level]) => ({
          ...times(level),
          id: levelGid(location, item.id),
          location: { id: gid('Location', location), legacyResourceId: location, name: 'Warehouse' },
          quantities: ({ names }: { names: string[] }) =>
            names.filter((name) => name === 'available').map((name) => ({ name, quantity: level.available })),
        }),
      );
    },
  });

  const orders = () => {
    needScope('orders', scopes, ['read_orders']);
    needApproval(store, 'Order');
    const all = book.list('order', shop);
    return holds(scopes, 'read_all_orders')
      ? all
      : all.filter(({ createdAt }) => now() - createdAt <= RECENT);
  };
  const products = () => {
    needScope('products', scopes, ['read_products']);
    return book.list('product', shop);
  };

  return {
    orders: (given: ListArguments, shared: Shared) =>
      connection(
        search('orders', orders(), given, SEARCHED.order, shared),
        given,
        place(ORDERS_SORTED, given.sortKey ?? 'PROCESSED_AT'),
        orderNode,
      ),
    order: ({ id }: { id: string }) => one(orders(), 'Order', id, orderNode),
    products: (given: ListArguments, shared: Shared) =>
      connection(
        search('products', products(), given, SEARCHED.product, shared),
        given,
        place(PRODUCTS_SORTED, given.sortKey ?? 'ID'),
        productNode,
      ),
    product: ({ id }: { id: string }) => one(products(), 'Product', id, productNode),
    inventoryItems(given: ListArguments, shared: Shared) {
      // changelog/inventoryitem-queryable-and-updatable-with-products-scopes
      needScope('inventoryItems', scopes, ['read_inventory', 'read_products']);
      const items = search('inventoryItems', book.list('item', shop), given, SEARCHED.item, shared);
      return connection(items, given, place(SORTED, 'ID'), itemNode);
    },
  };
}

function place<T extends { id: string }>(getters: Getters<T>, key: string): (record: T) => Place {
  return (record) => ({ value: getters[key]?.(record) ?? 0, id: record.id });
}

function one<T extends { id: string }, Node>(all: T[], type: string, id: string, node: (record: T) => Node) {
  const wanted = idOf(type, id);
  if (wanted === undefined) throw new GraphQLError(`Invalid global id '${id}'`);
  const found = all.find((record) => record.id === wanted);
  return found ? node(found) : null;
}
