import type { SimulatorFactory } from '../simulator.ts';
import { figma } from './figma.ts';
import { ga4 } from './ga4.ts';
import { github } from './github.ts';
import { googleAds } from './google-ads.ts';
import { gorgias } from './gorgias.ts';
import { klaviyo } from './klaviyo.ts';
import { meta } from './meta.ts';
import { posthog } from './posthog.ts';
import { railway } from './railway.ts';
import { shopify } from './shopify.ts';
import { slack } from './slack.ts';
import { stripe } from './stripe.ts';
import { tiktok } from './tiktok.ts';
import { vercel } from './vercel.ts';
import { zendesk } from './zendesk.ts';

/** The simulators: one line a provider. */
export const simulators: readonly SimulatorFactory[] = [
  shopify,
  stripe,
  meta,
  googleAds,
  tiktok,
  klaviyo,
  posthog,
  ga4,
  gorgias,
  zendesk,
  slack,
  github,
  vercel,
  railway,
  figma,
];
