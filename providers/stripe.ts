import * as z from 'zod';
import { bearer, getJson, type Provider } from './provider.ts';
import { stripeWebhooks } from './stripe-webhooks.ts';

const apiVersion = '2026-10-28.endive';

const account = z.object({
  id: z.string().startsWith('acct_'),
  email: z.string().nullish(),
  business_profile: z.object({ name: z.string().nullish() }).nullish(),
  settings: z.object({ dashboard: z.object({ display_name: z.string().nullish() }).nullish() }).nullish(),
});

const refusal = z.object({ error: z.object({ message: z.string(), code: z.string().optional() }) });

const notUsable: ReadonlyArray<[prefix: string, why: string]> = [
  ['pk_', 'That is a publishable key. Paste a restricted key, which begins with rk_.'],
  ['whsec_', 'That is a webhook signing secret. Paste a restricted key, which begins with rk_.'],
  ['sk_org_', 'That is an organization key. Paste a restricted key of one account, which begins with rk_.'],
];

/** https://docs.stripe.com/keys and https://docs.stripe.com/api/accounts/retrieve */
export const stripe = {
  id: 'stripe',
  name: 'Stripe',
  category: 'payments',
  docs: 'https://docs.stripe.com/api',
  hosts: () => ['api.stripe.com'],
  config: [],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'Restricted key',
      required: true,
      // rkcs_: of a claimable sandbox.
      pattern: '(sk|rk|rkcs)_(live|test)_[A-Za-z0-9]{16,247}',
      help: 'In the Stripe Dashboard under Developers, API keys, choose Create restricted key: Read for Accounts, Balance, Charges, Customers, Events, Invoices, PaymentIntents, Plans, Prices, Products and Subscriptions, Write for Webhook Endpoints.',
    },
    refuse: (key) => notUsable.find(([prefix]) => key.startsWith(prefix))?.[1],
  },
  *probe({ credential }) {
    const answer = yield getJson('https://api.stripe.com/v1/account', {
      ...bearer(credential),
      'stripe-version': apiVersion,
    });
    const body = account.safeParse(answer.json);
    if (answer.status === 200 && body.success) {
      const { id, email, business_profile, settings } = body.data;
      const name = settings?.dashboard?.display_name || business_profile?.name || email || null;
      return { finding: 'works', account: { id, name } };
    }
    const refused = refusal.safeParse(answer.json).data?.error;
    if (!refused) return undefined;
    const { message, code } = refused;
    if (code === 'rate_limit') return { finding: 'limited' };
    if (/from your IP address/i.test(message)) return { finding: 'insufficient', detail: elsewhere };
    if (answer.status === 401) return { finding: 'refused', detail: unknown };
    if (answer.status !== 403) return undefined;
    if (code === 'account_invalid') return { finding: 'refused', detail: unknown };
    // A restricted key that may not read the account is a living key, and the refusal names the account.
    const id = /required permissions.*\b(acct_[A-Za-z0-9]+)/.exec(message)?.[1];
    const missing = message.match(/\brak_[a-z_]+/g) ?? [];
    return id === undefined ? undefined : { finding: 'works', account: { id, name: null }, missing };
  },
  revocation: {
    unsupported:
      'Stripe lets nobody else delete a key: delete it in the Stripe Dashboard under Developers, API keys.',
  },
  tools: ['reeve_revenue'],
  capabilities: [],
  webhookEvents: ['stripe.payment.succeeded', 'stripe.subscription.updated', 'stripe.invoice.created'],
  webhooks: stripeWebhooks,
} satisfies Provider;

const unknown =
  'Stripe does not accept this key: it was deleted, rolled or has expired. Create a new restricted key in the Stripe Dashboard under Developers, API keys.';
const elsewhere =
  'This key is limited to certain IP addresses, and ours are not among them. Remove the limit in the Stripe Dashboard under Developers, API keys, or create a key without one.';
