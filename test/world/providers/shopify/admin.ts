import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { execute } from './graphql.ts';
import type { Books, Happenings } from './happenings.ts';
import { identityFields } from './identity.ts';
import { resourceFields } from './resource-fields.ts';
import { findShop, type Shop } from './shops.ts';
import { subscriptionFields } from './subscription-fields.ts';
import type { AccessToken } from './tokens.ts';

type Env = { Variables: { shop: Shop; record: AccessToken } };

const DEAD_TOKEN = '[API] Invalid API key or access token (unrecognized login or wrong password)';
const LASTING_TOKEN =
  '[API] Non-expiring access tokens are no longer accepted for the Admin API. Start using expiring offline tokens: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens#expiring-vs-non-expiring-offline-tokens';

/** Oldest first; a version Shopify no longer has is answered by the oldest one (api/usage/versioning). */
const VERSIONS = ['2025-10', '2026-01', '2026-04', '2026-07', '2026-10', 'unstable'];

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
export function shopifyAdmin(context: SimulatorContext, books: Books, { uninstall }: Happenings): Hono<Env> {
  const { store, client } = context;
  const admin = new Hono<Env>();

  admin.use(async (c, next) => {
    const shop = findShop(new URL(c.req.url).hostname);
    const record = shop && books.tokens.find(shop.domain, c.req.header('x-shopify-access-token') ?? '');
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
    uninstall(c.var.shop);
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
    const { shop, record } = c.var;
    const { data, errors, notes } = execute(body.data, {
      ...identityFields(client, shop, record.scopes, uninstall),
      ...resourceFields(context, books.resources, shop, record.scopes),
      ...subscriptionFields(context, books.subscriptions, shop, record.scopes),
    });
    if (data === undefined) return c.json({ errors });
    const extensions = { ...cost(1998), ...(notes.length > 0 && { search: notes }) };
    return c.json({ data, ...(errors && { errors }), extensions });
  });

  admin.notFound((c) => c.json({ errors: 'Not Found' }, 404));
  return admin;
}

/** JSON, or the bare document as `application/graphql`. */
async function readDocument(c: Context): Promise<unknown> {
  const type = c.req.header('content-type') ?? '';
  if (/^application\/graphql\b/i.test(type)) return { query: await c.req.text() };
  if (!/^application\/json\b/i.test(type)) return undefined;
  return c.req.json<unknown>().catch(() => undefined);
}
