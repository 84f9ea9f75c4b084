import { type Customer, gid, type InventoryItem, type Order, type Product } from './resources.ts';
import type { Shop } from './shops.ts';
import { toShopTime } from './times.ts';

/** A body before it is written; a `bigint` is an id that a number would not hold. */
export type Payload =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly Payload[]
  | { readonly [key: string]: Payload };

const BIG = '\uE000';

/** JSON whose ids keep all their digits. */
export function writePayload(payload: Payload): string {
  const text = JSON.stringify(payload, (_, value: unknown) =>
    typeof value === 'bigint' ? `${BIG}${value}` : value,
  );
  return text.replaceAll(new RegExp(`"${BIG}(\\d+)"`, 'g'), '$1');
}

/** What `include_fields` leaves of a body: paths such as `variants.id` (apps/build/webhooks/delivery-structure). */
export function pickFields(payload: Payload, paths: readonly string[]): Payload {
  if (payload === null || typeof payload !== 'object') return payload;
  if (isList(payload)) return payload.map((item) => pickFields(item, paths));
  const kept = Object.entries(payload).flatMap(([key, value]): [string, Payload][] => {
    if (paths.includes(key)) return [[key, value]];
    const inner = paths
      .filter((path) => path.startsWith(`${key}.`))
      .map((path) => path.slice(key.length + 1));
    return inner.length > 0 ? [[key, pickFields(value, inner)]] : [];
  });
  return Object.fromEntries(kept);
}

/** The values at a path, for the filter of a subscription. */
export function valuesAt(payload: Payload, path: readonly string[]): string[] {
  if (typeof payload === 'object' && payload !== null && isList(payload)) {
    return payload.flatMap((item) => valuesAt(item, path));
  }
  const [key, ...rest] = path;
  if (key === undefined) return payload === null || typeof payload === 'object' ? [] : [String(payload)];
  if (payload === null || typeof payload !== 'object' || !Object.hasOwn(payload, key)) return [];
  return valuesAt(payload[key] ?? null, rest);
}

function isList(payload: object): payload is readonly Payload[] {
  return Array.isArray(payload);
}

export function customerPayload(shop: Shop, customer: Customer): Payload {
  return {
    id: BigInt(customer.id),
    admin_graphql_api_id: gid('Customer', customer.id),
    email: customer.email,
    created_at: toShopTime(customer.createdAt, shop.ianaTimezone),
    updated_at: toShopTime(customer.updatedAt, shop.ianaTimezone),
    first_name: 'Bob',
    last_name: 'Biller',
    state: 'disabled',
    note: null,
    verified_email: true,
    tax_exempt: false,
    tags: '',
    currency: shop.currencyCode,
    phone: null,
    addresses: [],
  };
}

export function orderPayload(shop: Shop, order: Order, customer: Customer): Payload {
  const at = (time: number) => toShopTime(time, shop.ianaTimezone);
  const lineItem = String(866550311766439020n + BigInt(order.number));
  return {
    id: BigInt(order.id),
    admin_graphql_api_id: gid('Order', order.id),
    app_id: null,
    cancelled_at: order.cancelledAt === null ? null : at(order.cancelledAt),
    closed_at: null,
    confirmed: true,
    contact_email: customer.email,
    created_at: at(order.createdAt),
    currency: shop.currencyCode,
    current_total_price: order.total,
    email: customer.email,
    financial_status: order.financialStatus.toLowerCase(),
    fulfillment_status: null,
    name: `#${order.number}`,
    note: null,
    number: order.number - 1000,
    order_number: order.number,
    processed_at: at(order.createdAt),
    subtotal_price: order.total,
    tags: '',
    taxes_included: false,
    test: false,
    total_price: order.total,
    total_tax: '0.00',
    updated_at: at(order.updatedAt),
    customer: customerPayload(shop, customer),
    line_items: [
      {
        id: BigInt(lineItem),
        admin_graphql_api_id: gid('LineItem', lineItem),
        name: 'Example T-Shirt - Small',
        price: order.total,
        quantity: 1,
        sku: 'example-shirt-s',
        title: 'Example T-Shirt',
        variant_title: 'Small',
      },
    ],
    refunds: [],
    shipping_lines: [],
  };
}

export function productPayload(shop: Shop, product: Product): Payload {
  const at = (time: number) => toShopTime(time, shop.ianaTimezone);
  const variant = String(BigInt(product.id) + 39_000_000_000_000n);
  return {
    id: BigInt(product.id),
    admin_graphql_api_id: gid('Product', product.id),
    body_html: 'An example T-Shirt',
    created_at: at(product.createdAt),
    handle: 'example-t-shirt',
    product_type: 'Shirts',
    published_at: at(product.createdAt),
    template_suffix: null,
    title: product.title,
    updated_at: at(product.updatedAt),
    vendor: 'Acme',
    status: 'active',
    published_scope: 'web',
    tags: 'example, mens, t-shirt',
    variants: [
      {
        id: BigInt(variant),
        admin_graphql_api_id: gid('ProductVariant', variant),
        price: product.price,
        product_id: BigInt(product.id),
        sku: 'example-shirt-s',
        taxable: true,
        title: 'Small',
        updated_at: at(product.updatedAt),
      },
    ],
    options: [],
    images: [],
    image: null,
  };
}

export function levelPayload(shop: Shop, item: InventoryItem, location: string): Payload {
  const level = item.levels[location];
  return {
    inventory_item_id: BigInt(item.id),
    location_id: BigInt(location),
    available: level?.available ?? null,
    updated_at: toShopTime(level?.updatedAt ?? item.updatedAt, shop.ianaTimezone),
    admin_graphql_api_id: levelGid(location, item.id),
  };
}

export const levelGid = (location: string, item: string) =>
  `${gid('InventoryLevel', location)}?inventory_item_id=${item}`;

/** The shop itself: that is what app/uninstalled tells. */
export function shopPayload(shop: Shop): Payload {
  return {
    id: shop.id,
    name: shop.name,
    email: shop.email,
    domain: shop.domain,
    country: 'US',
    customer_email: shop.email,
    currency: shop.currencyCode,
    iana_timezone: shop.ianaTimezone,
    myshopify_domain: shop.domain,
    plan_display_name: 'Basic',
    plan_name: 'basic',
    primary_locale: 'en',
    setup_required: false,
  };
}
