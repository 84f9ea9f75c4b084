import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { headerCheck, rateLimiter, refuse } from './door.ts';
import { fullRepository, fullUser, repositoriesOf, simpleUser, USERS } from './fixtures.ts';
import type { TokenBook, TokenRecord } from './tokens.ts';

type Env = { Variables: { record: TokenRecord } };

const repositoryQuery = z
  .strictObject({
    visibility: z.enum(['all', 'public', 'private']),
    affiliation: z
      .string()
      .regex(/^(owner|collaborator|organization_member)(,(owner|collaborator|organization_member))*$/),
    type: z.enum(['all', 'owner', 'public', 'private', 'member']),
    sort: z.enum(['created', 'updated', 'pushed', 'full_name']),
    direction: z.enum(['asc', 'desc']),
    per_page: z.coerce.number().int().min(1).max(100),
    page: z.coerce.number().int().min(1),
    since: z.iso.datetime(),
    before: z.iso.datetime(),
  })
  .partial();

const SORT_KEYS = {
  created: 'created_at',
  updated: 'updated_at',
  pushed: 'pushed_at',
  full_name: 'full_name',
} as const;

const tokenBody = z.object({ access_token: z.string().min(1) });

/**
 * api.github.com, after the REST description (2026-03-10) and docs.github.com/rest/using-the-rest-api.
 * `settings.rateLimit` in the store lowers the hourly 5000; `settings.retryAfter` (seconds) answers every
 * call with the secondary limit.
 */
export function githubApi(context: SimulatorContext, tokens: TokenBook): Hono<Env> {
  const { store, client } = context;
  const api = new Hono<Env>();
  const limited = rateLimiter(context);

  api.use(headerCheck(context));

  api.use('/user/*', async (c, next) => {
    const authorization = c.req.header('authorization');
    const [, token] = /^(?:bearer|token) (\S+)$/i.exec(authorization ?? '') ?? [];
    const record = token === undefined ? undefined : tokens.find(token);
    if (!record) {
      const answer = async () => {
        c.res = refuse(401, authorization === undefined ? 'Requires authentication' : 'Bad credentials');
      };
      return limited(c, answer, { name: 'anonymous', limit: 60, who: '192.0.2.1' });
    }
    tokens.touch(record);
    c.set('record', record);
    await limited(c, next, {
      name: `user/${record.login}`,
      limit: store.get<number>('settings.rateLimit') ?? 5000,
      who: `user ID ${owner(record).id}`,
    });
    c.header('x-oauth-scopes', record.scopes.join(', '));
    c.header('x-accepted-oauth-scopes', '');
    c.header('x-oauth-client-id', client.id);
  });

  api.get('/user', (c) => c.json(fullUser(owner(c.var.record), c.var.record.scopes)));

  api.get('/user/repos', (c) => {
    const query = repositoryQuery.safeParse(c.req.query());
    // Ignoring an unknown parameter is what the real service does; here it would hide a misspelt one.
    if (!query.success)
      return refuse(422, 'Validation Failed', '/repos/repos#list-repositories-for-the-authenticated-user');
    const { visibility, affiliation, type, sort = 'full_name', direction } = query.data;
    const { per_page = 30, page = 1, since = '', before = '~' } = query.data;
    if (type !== undefined && (visibility !== undefined || affiliation !== undefined)) {
      return refuse(422, 'If you specify visibility or affiliation, you cannot specify type.');
    }
    const { record } = c.var;
    const seesPrivate = record.scopes.includes('repo');
    const owned = type !== 'member' && (affiliation ?? 'owner').split(',').includes('owner');
    const wanted = visibility ?? type ?? 'all';
    const key = SORT_KEYS[sort];
    const sign = (direction ?? (sort === 'full_name' ? 'asc' : 'desc')) === 'asc' ? 1 : -1;
    const matching = (owned ? repositoriesOf(record.login) : [])
      .map((repository) => fullRepository(repository, owner(record)))
      .filter((repository) => seesPrivate || !repository.private)
      .filter(({ visibility }) =>
        wanted === 'public' || wanted === 'private' ? visibility === wanted : true,
      )
      .filter(({ updated_at }) => updated_at > since && updated_at < before)
      .sort((a, b) => sign * a[key].localeCompare(b[key]));
    const last = Math.ceil(matching.length / per_page);
    const link = (target: number, rel: string) => {
      const url = new URL(c.req.url);
      url.searchParams.set('page', String(target));
      return `<${url}>; rel="${rel}"`;
    };
    const links = [
      ...(page > 1 ? [link(page - 1, 'prev')] : []),
      ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
      ...(page > 1 ? [link(1, 'first')] : []),
    ];
    if (links.length > 0) c.header('link', links.join(', '));
    return c.json(matching.slice((page - 1) * per_page, page * per_page));
  });

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
    return tokens.find(body.data.access_token) ?? refuse(404, 'Not Found', page);
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
      user: simpleUser(owner(record)),
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
    return c.body(null, 204);
  });

  api.notFound(() => refuse(404, 'Not Found'));
  return api;
}

function owner(record: TokenRecord) {
  const user = USERS.find(({ login }) => login === record.login);
  if (!user) throw new Error(`no such user: ${record.login}`);
  return user;
}
