import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { simpleUser, userOf } from './accounts.ts';
import type { AppNews } from './app-news.ts';
import { later } from './deliveries.ts';
import { rateLimiter, refuse } from './door.ts';
import type { TokenBook, TokenRecord } from './tokens.ts';

const tokenBody = z.object({ access_token: z.string().min(1) });

/** The endpoints that the application itself calls, with its client's id and secret. */
export function applicationApi(context: SimulatorContext, tokens: TokenBook, news: AppNews | null): Hono {
  const { client } = context;
  const api = new Hono();
  const limited = rateLimiter(context);

  api.use('/applications/*', (c, next) =>
    limited(c, next, { name: 'client', limit: 5000, who: `client ${client.id}` }),
  );

  /** The live token of the body, or the refusal; the application's own bearer token is not accepted here. */
  async function named(c: Context): Promise<TokenRecord | Response> {
    const page = '/apps/oauth-applications';
    const expected = `Basic ${btoa(`${client.id}:${client.secret}`)}`;
    if (c.req.header('authorization') !== expected) return refuse(401, 'Bad credentials', page);
    if (c.req.param('client') !== client.id) return refuse(404, 'Not Found', page);
    if (!/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
      return refuse(415, 'Unsupported Media Type: the body must be application/json', page);
    }
    const json = await c.req.json<unknown>().catch(() => undefined);
    if (json === undefined) return refuse(400, 'Problems parsing JSON', page);
    const body = tokenBody.safeParse(json);
    if (!body.success) {
      const errors = [{ resource: 'OauthAccess', field: 'access_token', code: 'missing_field' }];
      return refuse(422, 'Validation Failed', page, { errors });
    }
    const record = tokens.find(body.data.access_token);
    return record && tokens.isOurs(record) ? record : refuse(404, 'Not Found', page);
  }

  api.post('/applications/:client/token', async (c) => {
    const record = await named(c);
    if (record instanceof Response) return record;
    const url = `https://api.github.com/authorizations/${record.sequence}`;
    return c.json({
      id: record.sequence,
      url,
      app: { client_id: client.id, name: 'Reeve', url: 'https://reeve.example' },
      token: record.token,
      hashed_token: createHash('sha256').update(record.token).digest('hex'),
      token_last_eight: record.token.slice(-8),
      note: null,
      note_url: null,
      fingerprint: null,
      scopes: record.scopes,
      user: simpleUser(userOf(record.login)),
      created_at: new Date(record.issuedAt).toISOString(),
      updated_at: new Date(record.issuedAt).toISOString(),
      expires_at: record.expiresAt === null ? null : new Date(record.expiresAt).toISOString(),
    });
  });

  api.delete('/applications/:client/token', async (c) => {
    const record = await named(c);
    if (record instanceof Response) return record;
    tokens.revoke(record);
    return c.body(null, 204);
  });

  api.delete('/applications/:client/grant', async (c) => {
    const record = await named(c);
    if (record instanceof Response) return record;
    tokens.revokeGrant(record.login);
    // The event is documented for a user who revokes; that this endpoint is silent is not.
    if (news) later(() => news.revoked(record.login));
    return c.body(null, 204);
  });

  return api;
}
