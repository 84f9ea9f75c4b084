import { appWebhook, connectionWebhook } from '../../lib/http/webhook.ts';
import { shopify } from '../../providers/shopify.ts';

/** https://shopify.dev/docs/apps/build/webhooks */
export const shopifyWebhook = connectionWebhook(shopify.id);

/** Compliance topics, which are set for the app: https://shopify.dev/docs/apps/build/privacy-law-compliance */
export const shopifyAppWebhook = appWebhook(shopify.id);
