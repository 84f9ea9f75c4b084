import { createHash } from 'node:crypto';
import type { RegisteredClient } from '../../simulator.ts';
import { gid } from './resources.ts';
import { implied } from './scopes.ts';
import type { Shop } from './shops.ts';

/** The root fields about the shop and the app. */
export function identityFields(
  client: RegisteredClient,
  shop: Shop,
  scopes: readonly string[],
  uninstall: (shop: Shop) => void,
) {
  const number = createHash('sha256').update(client.id).digest().readUInt32BE();
  const app = { id: gid('App', String(number)), apiKey: client.id, title: 'Reeve' };
  return {
    shop: {
      id: gid('Shop', String(shop.id)),
      name: shop.name,
      myshopifyDomain: shop.domain,
      email: shop.email,
      contactEmail: shop.email,
      currencyCode: shop.currencyCode,
      ianaTimezone: shop.ianaTimezone,
      url: `https://${shop.domain}`,
    },
    currentAppInstallation: {
      id: gid('AppInstallation', String(shop.id)),
      // The installation lists what a write scope implies too; the token answer leaves it out.
      accessScopes: scopes.flatMap(implied).map((handle) => ({ handle, description: handle })),
      app,
    },
    appUninstall: () => {
      uninstall(shop);
      return { app, userErrors: [] };
    },
  };
}
