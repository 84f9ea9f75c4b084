import { github } from './github.ts';
import type { Provider } from './provider.ts';
import { shopify } from './shopify.ts';
import { stripe } from './stripe.ts';
import { zendesk } from './zendesk.ts';

/** The registry: one line a provider, in the catalogue's order. */
export const providers: readonly Provider[] = [shopify, stripe, zendesk, github];

const byId = new Map(providers.map((provider) => [provider.id, provider]));

/** The provider of that id, or undefined. */
export function findProvider(id: string): Provider | undefined {
  return byId.get(id);
}
