import type { SimulatorFactory } from '../simulator.ts';
import { figma } from './figma.ts';
import { github } from './github.ts';
import { gorgias } from './gorgias.ts';
import { klaviyo } from './klaviyo.ts';
import { posthog } from './posthog.ts';
import { railway } from './railway.ts';
import { shopify } from './shopify.ts';
import { stripe } from './stripe.ts';
import { vercel } from './vercel.ts';
import { zendesk } from './zendesk.ts';

/** The simulators: one line a provider. */
export const simulators: readonly SimulatorFactory[] = [
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
