import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { consentPage, readConsent } from '../consent.ts';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { shopifyAdmin } from './shopify/admin.ts';
import { deliveryBook, deliveryRecords } from './shopify/deliveries.ts';
import { happenings } from './shopify/happenings.ts';
import { page } from './shopify/page.ts';
import { resourceBook } from './shopify/resources.ts';
import { findShop, isShopDomain, type Shop } from './shopify/shops.ts';
import { signQuery } from './shopify/signature.ts';
import { subscriptionBook, subscriptionRecords } from './shopify/subscriptions.ts';
import {
  accessTokens,
  type Grant,
  isAlive,
  normalizeScopes,
  type TokenBook,
  tokenBook,
} from './shopify/tokens.ts';

/** The pages give no lifetime; this is RFC 6749's upper bound. */
const CODE_LIFETIME = 600_000;

const SCOPE = /^(unauthenticated_)?(read|write)_[a-z]+(_[a-z]+)*$/;

/** Parameters beyond these are ignored, as on the real page (PKCE among them). */
const authorizeQuery = z.object({
  redirect_uri: z.string(),
  scope: z.string().min(1),
  state: z.string().min(1),
  'grant_options[]': z.literal('').optional(),
});

const tokenRequest = z.object({
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
  code: z.string().optional(),
  grant_type: z.string().optional(),
  refresh_token: z.string().optional(),
  expiring: z.coerce
    .string()
    .pipe(z.enum(['0', '1']))
    .optional(),
});

interface Code {
  shop: string;
  scopes: string[];
  issuedAt: number;
}

/**
 * Shopify as a non-embedded app meets it: the authorization code grant (shopify.dev
 * authorization-code-grant), offline tokens (offline-access-tokens), the Admin API behind them, and its webhooks
 * (apps/build/webhooks).
 *
 * Settings in the store: those of `shopifyAdmin`; `settings.deadRefreshToken`: `invalid_grant`, as Shopify's
 * libraries read it, or `invalid_request`, as merchants' apps have seen it (HTTP 401, "This request requires an
 * active refresh_token"). For webhooks `settings.previousSecret` (signs them, as in the hour after the client secret
 * was rotated), `settings.failuresToDelete` (8), `settings.tellsUninstall` (also an app that uninstalls itself is
 * told), `settings.topicsDenied` (a topic without its scope is ACCESS_DENIED and no user error),
 * `settings.unapproved` (no protected customer data for the app: neither orders nor their topics) and
 * `settings.itemsFollowLevels` (an inventory item's `updatedAt` moves with its levels).
 *
 * `happen` takes the topic in header form as `event` and the shop's domain as `account`; `triggered_at`,
 * `webhook_id` and `event_id` for the headers; `id` (the order, product or customer; for a compliance topic the
 * customer), `total_price`, `title`, `inventory_item_id`, `location_id`, `available`, and `scopes` for
 * app/scopes_update, which grants them. An update without an id is of the newest. With `retry` the webhook of that id
 * is sent once more, whatever the event. Compliance topics go to /api/webhooks/shopify at the origin of the first
 * redirect URI, as the app's configuration would have it.
 */
export const shopify: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const tokens = tokenBook(context);
  const subscriptions = subscriptionBook(context);
  const deliveries = deliveryBook(context, subscriptions);
  const books = { tokens, subscriptions, deliveries, resources: resourceBook(context) };
  const happening = happenings(context, books);
  const oauth = shopifyOauth(context, tokens);
  const admin = shopifyAdmin(context, books, happening);
  return {
    provider: 'shopify',
    host: isShopDomain,
    fetch(request) {
      const { hostname, pathname } = new URL(request.url);
      if (!findShop(hostname)) return page('Create an Ecommerce Website · Shopify', 'Not found', 404);
      return (/^\/admin\/api(_permissions)?\//.test(pathname) ? admin : oauth).fetch(request);
    },
    happen: happening.happen,
  };
};

/** The webhook subscriptions that stand, oldest first; `topic` as the enum has it. */
export function shopifySubscriptions(
  store: Store,
): Array<{ id: string; shop: string; topic: string; uri: string; failures: number }> {
  return subscriptionRecords(store).map(({ id, shop, topic, uri, failures }) => ({
    ...{ id, shop, topic, uri, failures },
  }));
}

/** The webhooks sent so far, oldest first, each with its attempts. */
export const shopifyDeliveries = deliveryRecords;

/** The access tokens issued so far, oldest first; an expired one counts as dead only when told `now`. */
export function shopifyTokens(
  store: Store,
  now?: number,
): Array<{ token: string; shop: string; alive: boolean }> {
  return accessTokens(store).map((record) => ({
    token: record.token,
    shop: record.shop,
    alive: now === undefined ? !record.revoked : isAlive(record, now),
  }));
}

function shopifyOauth(context: SimulatorContext, tokens: TokenBook) {
  const { store, client, now, secret } = context;
  const oauth = new Hono<{ Variables: { shop: Shop } }>();

  oauth.use(async (c, next) => {
    const shop = findShop(new URL(c.req.url).hostname);
    if (!shop) return c.notFound();
    c.set('shop', shop);
    return next();
  });

  oauth.on(['GET', 'POST'], '/admin/oauth/authorize', async (c) => {
    const { shop } = c.var;
    const search = new URL(c.req.url).searchParams;
    const refused = (error: string, description: string) =>
      page('Oauth error', `Oauth error ${error}: ${description}`, 400);
    if (search.get('client_id') !== client.id) {
      return refused('invalid_request', 'Could not find Shopify API application with api_key');
    }
    const query = authorizeQuery.safeParse(Object.fromEntries(search));
    if (!query.success) return refused('invalid_request', z.prettifyError(query.error));
    const { redirect_uri, state } = query.data;
    if (!client.redirectUris.includes(redirect_uri)) {
      return refused('invalid_request', 'The redirect_uri is not whitelisted');
    }
    const asked = query.data.scope.split(',').map((scope) => scope.trim());
    if (!asked.every((scope) => SCOPE.test(scope))) {
      return refused('invalid_scope', 'The app requested a scope that does not exist');
    }

    const scopes = normalizeScopes(asked);
    if (c.req.method === 'GET') {
      const options = { provider: 'Shopify: Install app', accounts: [shop.handle], scopes, app: 'Reeve' };
      return c.html(consentPage(options));
    }

    // A merchant installs with every scope or not at all.
    const consent = await readConsent(c.req.raw);
    if (consent.decision === 'deny')
      return page(`${shop.name} · Home · Shopify`, 'The app was not installed.', 200);
    const code = secret(randomBytes(16).toString('hex'));
    const kept: Code = { shop: shop.domain, scopes, issuedAt: now() };
    store.set(`code/${code}`, kept);

    const target = new URL(redirect_uri);
    const host = Buffer.from(`admin.shopify.com/store/${shop.handle}`).toString('base64');
    const timestamp = String(Math.floor(now() / 1000));
    for (const [name, value] of Object.entries({ code, host, shop: shop.domain, state, timestamp })) {
      target.searchParams.set(name, value);
    }
    target.searchParams.set('hmac', signQuery(target.searchParams, client.secret));
    return c.redirect(target.href);
  });

  oauth.post('/admin/oauth/access_token', async (c) => {
    const { shop } = c.var;
    const body = tokenRequest.safeParse(await readParameters(c));
    if (!body.success) return tokenError(c, 400, 'invalid_request', z.prettifyError(body.error));
    const request = body.data;
    // Client authentication is in the body; an Authorization header is not looked at.
    if (request.client_id !== client.id || request.client_secret !== client.secret) {
      return tokenError(c, 400, 'invalid_client', 'The client id or client secret is wrong');
    }

    if (request.grant_type === 'refresh_token') {
      const grant = tokens.refresh(shop.domain, request.refresh_token ?? '');
      if (typeof grant === 'object') return tokenAnswer(c, grant, now());
      if (store.get<string>('settings.deadRefreshToken') === 'invalid_request') {
        return tokenError(c, 401, 'invalid_request', 'This request requires an active refresh_token');
      }
      return grant === 'uninstalled'
        ? tokenError(c, 400, 'invalid_client', 'The app is not installed on this shop')
        : tokenError(c, 400, 'invalid_grant', 'The refresh token is invalid, expired or revoked');
    }
    // The grant has no `grant_type`; the one of RFC 6749 does no harm.
    if (request.grant_type !== undefined && request.grant_type !== 'authorization_code') {
      return tokenError(c, 400, 'unsupported_grant_type', 'The grant type is not supported');
    }

    const code = store.get<Code>(`code/${request.code ?? ''}`);
    if (!code || code.shop !== shop.domain || now() - code.issuedAt >= CODE_LIFETIME) {
      const description = 'The authorization code was not found or was already used';
      return tokenError(c, 400, 'invalid_request', description);
    }
    store.delete(`code/${request.code}`);
    return tokenAnswer(c, tokens.grant(shop.domain, code.scopes, request.expiring === '1'), now());
  });

  oauth.notFound(() => page('404 Not Found · Shopify', 'There is nothing here.', 404));
  return oauth;
}

async function readParameters(c: Context): Promise<unknown> {
  const type = c.req.header('content-type') ?? '';
  if (/^application\/x-www-form-urlencoded\b/i.test(type)) {
    return Object.fromEntries(new URLSearchParams(await c.req.text()));
  }
  return /^application\/json\b/i.test(type) ? c.req.json<unknown>().catch(() => ({})) : {};
}

function tokenAnswer(c: Context, { access, refresh }: Grant, now: number) {
  const seconds = (until: number) => Math.floor((until - now) / 1000);
  const expiry = refresh && {
    expires_in: seconds(access.expiresAt ?? now),
    refresh_token: refresh.token,
    refresh_token_expires_in: seconds(refresh.expiresAt),
  };
  return c.json({ access_token: access.token, scope: access.scopes.join(','), ...expiry });
}

/** JSON for those who ask for it, a page for the others. */
function tokenError(c: Context, status: 400 | 401, error: string, description: string) {
  if (c.req.header('accept')?.includes('application/json')) {
    return c.json({ error, error_description: description }, status);
  }
  return page(`Oauth error ${error}`, `Oauth error ${error}: ${description}`, status);
}
