/** By the scope that must be granted for them (docs/api/webhooks); `''` is no scope at all. */
const BY_SCOPE: Record<string, string[]> = {
  '': ['app/scopes_update', 'app/uninstalled', 'shop/update'],
  read_customers: ['customers/create', 'customers/delete', 'customers/update'],
  read_inventory: [
    ...['inventory_items/create', 'inventory_items/delete', 'inventory_items/update'],
    ...['inventory_levels/connect', 'inventory_levels/disconnect', 'inventory_levels/update'],
  ],
  read_orders: [
    ...['orders/cancelled', 'orders/create', 'orders/delete', 'orders/edited', 'orders/fulfilled'],
    ...['orders/paid', 'orders/partially_fulfilled', 'orders/updated', 'refunds/create'],
  ],
  read_products: ['products/create', 'products/delete', 'products/update'],
};

export interface Topic {
  /** As `X-Shopify-Topic` has it. */
  name: string;
  /** As the enum `WebhookSubscriptionTopic` has it. */
  value: string;
  scope: string | null;
  /** Whether Shopify must have approved the app for protected customer data. */
  isProtected: boolean;
}

/** The topics that the simulator knows; the real enum has more. Compliance topics are in neither. */
export const TOPICS: readonly Topic[] = Object.entries(BY_SCOPE).flatMap(([scope, names]) =>
  names.map((name) => ({
    name,
    value: name.toUpperCase().replace('/', '_'),
    scope: scope || null,
    isProtected: scope === 'read_orders' || scope === 'read_customers',
  })),
);

/** They go to the address in the app's configuration (apps/build/privacy-law-compliance). */
export const COMPLIANCE = ['customers/data_request', 'customers/redact', 'shop/redact'] as const;
