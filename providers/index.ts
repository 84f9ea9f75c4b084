import { figma } from './figma.ts';
import { github } from './github.ts';
import { gorgias } from './gorgias.ts';
import { klaviyo } from './klaviyo.ts';
import { posthog } from './posthog.ts';
import type { Provider } from './provider.ts';
import { railway } from './railway.ts';
import { shopify } from './shopify.ts';
import { stripe } from './stripe.ts';
import { vercel } from './vercel.ts';
import { zendesk } from './zendesk.ts';

/** The registry: one line a provider, in the catalogue's order. */
export const providers: readonly Provider[] = [
  shopify,
  stripe,
  klaviyo,
  posthog,
  gorgias,
  zendesk,
  github,
  vercel,
  railway,
  figma,
];

const byId = new Map(providers.map((provider) => [provider.id, provider]));

/** The provider of that id, or undefined. */
export function findProvider(id: string): Provider | undefined {
  return byId.get(id);
}
