import { figma } from './figma.ts';
import { ga4 } from './ga4.ts';
import { github, githubApp } from './github.ts';
import { googleAds } from './google-ads.ts';
import { gorgias } from './gorgias.ts';
import { klaviyo } from './klaviyo.ts';
import { meta } from './meta.ts';
import { posthog } from './posthog.ts';
import type { Provider } from './provider.ts';
import { railway } from './railway.ts';
import { shopify } from './shopify.ts';
import { slack } from './slack.ts';
import { stripe } from './stripe.ts';
import { tiktok } from './tiktok.ts';
import { vercel } from './vercel.ts';
import { zendesk } from './zendesk.ts';

/** The registry: one line a provider, in the catalogue's order. */
export const providers: readonly Provider[] = [
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

/** Definitions that stand in for the usual one of their id where the deployment has the setting `ID_SETTING`. */
export const alternatives: ReadonlyArray<{ setting: string; provider: Provider }> = [
  { setting: 'APP_ID', provider: githubApp },
];
