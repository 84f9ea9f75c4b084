import * as z from 'zod';
import {
  type Answer,
  type Config,
  type Finding,
  type OAuthClient,
  type Provider,
  postJson,
  readTokenResponse,
  type TokenResult,
} from './provider.ts';
import { ask } from './shopify-api.ts';
import { shopifyWebhooks } from './shopify-webhooks.ts';

const probe = z.object({
  data: z.object({
    shop: z.object({ id: z.string().min(1), name: z.string(), myshopifyDomain: z.string().min(1) }),
    currentAppInstallation: z.object({ accessScopes: z.array(z.object({ handle: z.string() })) }),
  }),
});

const refusal = z.object({
  /** A sentence, or what GraphQL lists at 200. */
  errors: z.union([z.string(), z.array(z.object({ extensions: z.object({ code: z.string() }).optional() }))]),
  extensions: z
    .object({
      cost: z.object({
        requestedQueryCost: z.number(),
        throttleStatus: z.object({ currentlyAvailable: z.number(), restoreRate: z.number().positive() }),
      }),
    })
    .optional()
    .catch(undefined),
});

/** How a refresh token is refused that is used up, or whose app was removed. */
const inactive = z.object({
  error: z.literal('invalid_request'),
  error_description: z.string().regex(/active refresh_token/),
});

/** What keeps a living token from its shop: https://shopify.dev/docs/api/usage/response-codes */
const closed = new Map([
  [402, 'Shopify has frozen this shop. Its owner can pay what is due in the Shopify admin.'],
  [403, 'Shopify does not let apps into this shop at the moment. Its owner must ask Shopify Support.'],
  [423, 'Shopify has locked this shop. Its owner must ask Shopify Support.'],
]);
const ended =
  'Shopify does not accept this sign-in any more: the app was removed from the shop. Connect Shopify again.';

/** https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant */
export const shopify = {
  id: 'shopify',
  name: 'Shopify',
  category: 'commerce',
  docs: 'https://shopify.dev/docs/api/admin-graphql',
  hosts: () => ['*.myshopify.com'],
  config: [
    {
      name: 'shop',
      label: 'Shop',
      required: true,
      pattern: '[a-z0-9][a-z0-9\\-]{0,62}\\.myshopify\\.com',
      help: 'The shop’s own address at Shopify, such as your-shop.myshopify.com: in the Shopify admin under Settings, Domains.',
      // Host names know no case; one shop must not become two.
      normalize: (value) => value.toLowerCase(),
    },
  ],
  auth: {
    type: 'oauth',
    authorizationEndpoint: ({ shop }) => `https://${shop}/admin/oauth/authorize`,
    scopes: ['read_orders', 'read_products', 'read_customers', 'read_inventory', 'read_reports'],
    scopeSeparator: ',',
    pkce: false,
    callbackSignature: {
      parameter: 'hmac',
      message: signedQuery,
      timestamp: { parameter: 'timestamp', tolerance: 90 },
      bound: ['shop'],
    },
    // One pair of tokens an app and shop: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens
    grant: { of: 'account', anotherSignIn: 'replaces', account: shopOf },
    *exchange({ client, code, config }) {
      // Tokens that do not expire stop working for public apps on 2027-01-01.
      const result = tokens(yield tokenRequest(config, client, { code, expiring: '1' }));
      const account = shopOf(config);
      if ('tokens' in result) return { tokens: { ...result.tokens, account } };
      return result.brought ? { ...result, brought: { ...result.brought, account } } : result;
    },
    refresh: {
      *request({ client, token, config }) {
        const grant = { grant_type: 'refresh_token', refresh_token: token };
        const answer = yield tokenRequest(config, client, grant);
        return inactive.safeParse(answer.json).success ? { error: 'invalid_grant' } : tokens(answer, true);
      },
      // https://shopify.dev/changelog/more-resilient-refreshes-for-expiring-offline-access-tokens
      reuse: 'until_successor_used',
      isAccounts: true,
      dead: ['invalid_grant'],
    },
    clientErrors: ['invalid_client'],
    // A write scope swallows the read scope beside it.
    covers: (granted, asked) =>
      granted.includes(asked) || granted.includes(asked.replace(/^read_/, 'write_')),
  },
  *probe({ credential, config }) {
    const query = '{ shop { id name myshopifyDomain } currentAppInstallation { accessScopes { handle } } }';
    const answer = yield ask({ credential, config }, query);
    const body = probe.safeParse(answer.json);
    if (answer.status !== 200 || !body.success) return refused(answer);
    const { shop, currentAppInstallation } = body.data.data;
    // The shop's own word must be the host that was asked.
    if (shop.myshopifyDomain !== config.shop) return undefined;
    return {
      finding: 'works',
      account: { id: shop.myshopifyDomain, name: shop.name },
      scopes: currentAppInstallation.accessScopes.map((scope) => scope.handle),
    };
  },
  // Access tokens of the Admin API end when the app is uninstalled, and in no other way:
  // https://shopify.dev/docs/apps/build/authentication-authorization/app-installation/uninstall-app-api-request
  revocation: {
    grant: {
      request: ({ credential, config }) => ({
        method: 'DELETE',
        url: `https://${config.shop}/admin/api_permissions/current.json`,
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          'x-shopify-access-token': credential,
        },
      }),
      ended: ({ status }) => status === 200 || status === 401,
    },
  },
  tools: ['reeve_shopify'],
  capabilities: [],
  webhookEvents: ['shopify.order.created', 'shopify.product.updated', 'shopify.inventory.changed'],
  webhooks: shopifyWebhooks,
} satisfies Provider;

function tokenRequest({ shop }: Config, client: OAuthClient, grant: Record<string, string>) {
  return postJson(`https://${shop}/admin/oauth/access_token`, {
    client_id: client.id,
    client_secret: client.secret,
    ...grant,
  });
}

/** An hour is what expiring tokens live; an answer that forgets to say so must not live for ever. */
function tokens(answer: Answer, isRenewed = false): TokenResult {
  const result = readTokenResponse(answer);
  if (!('tokens' in result) || !(isRenewed || result.tokens.refreshToken)) return result;
  return { tokens: { ...result.tokens, expiresIn: result.tokens.expiresIn ?? 3600 } };
}

function refused({ status, json }: Answer): Finding | undefined {
  const { data } = refusal.safeParse(json);
  if (!data) return undefined;
  const { errors, extensions } = data;
  // A token without an end is of a time when Shopify still took them.
  const isLasting = status === 403 && typeof errors === 'string' && /non-expiring/i.test(errors);
  if (status === 401 || isLasting) return { finding: 'refused', detail: ended };
  const why = closed.get(status);
  if (why !== undefined) return { finding: 'insufficient', detail: why };
  const codes = Array.isArray(errors) ? errors.map((error) => error.extensions?.code) : [];
  if (!codes.includes('THROTTLED')) {
    return codes.includes('ACCESS_DENIED') ? { finding: 'insufficient' } : undefined;
  }
  if (!extensions) return { finding: 'limited' };
  const { requestedQueryCost, throttleStatus } = extensions.cost;
  const lacking = requestedQueryCost - throttleStatus.currentlyAvailable;
  return { finding: 'limited', retryAfter: Math.max(1, Math.ceil(lacking / throttleStatus.restoreRate)) };
}

/** Every parameter but the signature, sorted, form-encoded with %20 for a space. */
function signedQuery(query: URLSearchParams): string {
  const signed = new URLSearchParams(query);
  signed.delete('hmac');
  signed.delete('signature');
  signed.sort();
  return signed.toString().replaceAll('+', '%20');
}

function shopOf({ shop = '' }: Config): string {
  return shop;
}
