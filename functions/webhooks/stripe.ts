import { connectionWebhook } from '../../lib/http/webhook.ts';
import { stripe } from '../../providers/stripe.ts';

/** https://docs.stripe.com/webhooks */
export const stripeWebhook = connectionWebhook(stripe.id);
