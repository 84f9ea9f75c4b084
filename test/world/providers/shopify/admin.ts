import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { execute, type Schema } from './graphql.ts';
import { findShop, type Shop } from './shops.ts';
import type { AccessToken, TokenBook } from './tokens.ts';

type Env = { Variables: { shop: Shop; record: AccessToken } };

const DEAD_TOKEN = '[API] Invalid API key or access token (unrecognized login or wrong password)';
const LASTING_TOKEN =
  '[API] Non-expiring access tokens are no longer accepted for the Admin API. Start using expiring offline tokens: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens#expiring-vs-non-expiring-offline-tokens';

/** Oldest first; a version Shopify no longer has is answered by the oldest one (api/usage/versioning). */
const VERSIONS = ['2025-10', '2026-01', '2026-04', '2026-07', '2026-10', 'unstable'];

/** The part of the 2026-10 schema behind identity and uninstalling. */
const SCHEMA: Schema = {
  QueryRoot: { shop: 'Shop', currentAppInstallation: 'AppInstallation' },
  Shop: {
    ...{ id: null, name: null, myshopifyDomain: null, email: null, contactEmail: null },
    ...{ currencyCode: null, ianaTimezone: null, url: null },
  },
  AppInstallation: { id: null, accessScopes: 'AccessScope', app: 'App' },
  AccessScope: { handle: null, description: null },
  App: { id: null, apiKey: null, title: null },
  Mutation: { appUninstall: 'AppUninstallPayload' },
  AppUninstallPayload: { app: 'App', userErrors: 'AppUninstallAppUninstallError' },
  AppUninstallAppUninstallError: { code: null, field: null, message: null },
};

const requestBody = z.object({
  query: z.string(),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().nullish(),
});

/**
 * The Admin API of every shop (shopify.dev/docs/api/admin-graphql, uninstall-app-api-request). In the store
 * `settings.publicApp` refuses lasting tokens as for public apps, `settings.throttled` answers THROTTLED,
 * `settings.closed` is the status of a shop that is frozen (402), forbidden (403) or locked (423): api/usage/response-codes.
 */
export function shopifyAdmin({ store, client }: SimulatorContext, tokens: TokenBook): Hono<Env> {
  const admin = new Hono<Env>();

  admin.use(async (c, next) => {
    const shop = findShop(new URL(c.req.url).hostname);
    const record = shop && tokens.find(shop.domain, c.req.header('x-shopify-access-token') ?? '');
    if (!record) return c.json({ errors: DEAD_TOKEN }, 401);
    if (record.expiresAt === null && store.get<boolean>('settings.publicApp')) {
      return c.json({ errors: LASTING_TOKEN }, 403);
    }
    const closed = store.get<402 | 403 | 423>('settings.closed');
    if (closed !== undefined) return c.json({ errors: 'Unavailable Shop' }, closed);
    c.set('shop', shop);
    c.set('record', record);
    return next();
  });

  admin.delete('/admin/api_permissions/current.json', (c) => {
    tokens.uninstall(c.var.shop.domain);
    return c.json({});
  });

  admin.post('/admin/api/:version{\\d{4}-\\d{2}|unstable}/graphql.json', async (c) => {
    const asked = c.req.param('version');
    c.header('x-shopify-api-version', VERSIONS.includes(asked) ? asked : (VERSIONS[0] ?? asked));
    const body = requestBody.safeParse(await readDocument(c));
    if (!body.success) return c.json({ errors: { query: 'Required parameter missing or invalid' } }, 400);
    const cost = (available: number) => ({
      cost: {
        requestedQueryCost: 2,
        throttleStatus: { maximumAvailable: 2000, currentlyAvailable: available, restoreRate: 100 },
      },
    });
    if (store.get<boolean>('settings.throttled')) {
      const extensions = { code: 'THROTTLED', documentation: 'https://shopify.dev/api/usage/rate-limits' };
      return c.json({ errors: [{ message: 'Throttled', extensions }], extensions: cost(0) });
    }
    const result = execute(SCHEMA, roots(c.var.shop, c.var.record), body.data.query);
    return c.json('errors' in result ? result : { ...result, extensions: cost(1998) });
  });

  function roots(shop: Shop, record: AccessToken) {
    const number = createHash('sha256').update(client.id).digest().readUInt32BE();
    const app = { id: `gid://shopify/App/${number}`, apiKey: client.id, title: 'Reeve' };
    const query = {
      shop: {
        id: `gid://shopify/Shop/${shop.id}`,
        name: shop.name,
        myshopifyDomain: shop.domain,
        email: shop.email,
        contactEmail: shop.email,
        currencyCode: shop.currencyCode,
        ianaTimezone: shop.ianaTimezone,
        url: `https://${shop.domain}`,
      },
      currentAppInstallation: {
        id: `gid://shopify/AppInstallation/${shop.id}`,
        // The installation lists what a write scope implies too; the token answer leaves it out.
        accessScopes: record.scopes.flatMap(implied).map((handle) => ({ handle, description: handle })),
        app,
      },
    };
    const appUninstall = () => {
      tokens.uninstall(shop.domain);
      return { app, userErrors: [] };
    };
    return { query, mutation: { appUninstall } };
  }

  admin.notFound((c) => c.json({ errors: 'Not Found' }, 404));
  return admin;
}

function implied(scope: string): string[] {
  return /^(unauthenticated_)?write_/.test(scope) ? [scope, scope.replace('write_', 'read_')] : [scope];
}

/** JSON, or the bare document as `application/graphql`. */
async function readDocument(c: Context): Promise<unknown> {
  const type = c.req.header('content-type') ?? '';
  if (/^application\/graphql\b/i.test(type)) return { query: await c.req.text() };
  if (!/^application\/json\b/i.test(type)) return undefined;
  return c.req.json<unknown>().catch(() => undefined);
}
