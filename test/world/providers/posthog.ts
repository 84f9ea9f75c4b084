import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import {
  invalid,
  keyObject,
  notFound,
  PostHogRefusal,
  projectObject,
  throttled,
  userObject,
} from './posthog/answers.ts';
import {
  authenticate,
  createKey,
  deletePostHogKey,
  demandProject,
  demandScope,
  HOSTS,
  type KeyRecord,
} from './posthog/keys.ts';

export { deletePostHogKey } from './posthog/keys.ts';

type Env = { Variables: { key: KeyRecord } };

const page = {
  limit: z.coerce.number().int().min(1).optional(),
  offset: z.coerce.number().int().min(0).optional(),
};
const lists = {
  feature_flags: z.strictObject({
    ...page,
    active: z.enum(['true', 'false', 'STALE']).optional(),
    search: z.string().optional(),
    type: z.string().optional(),
  }),
  session_recordings: z.strictObject(page),
};
const queryBody = z.object({
  query: z.object({
    kind: z.enum(['HogQLQuery', 'FunnelsQuery', 'TrendsQuery', 'WebOverviewQuery', 'EventsQuery']),
  }),
  refresh: z.string().optional(),
});
const leak = z.object({ token: z.string().min(1).max(200) });

/**
 * PostHog's private API (posthog.com/docs/api) in both regions of its cloud and on an installation of one's own,
 * posthog.acme.example: projects, the key about itself, and what is behind Reeve's tools, which is empty.
 *
 * Settings in the store: `settings.rateLimit` (calls a minute and key, 480).
 *
 * `issueKey` options: `host`, `format` (`phx`, `legacy`), `scopes` (with commas, `*` for all), `scopedTeams`
 * (project ids with commas), `projectId`, `name`, `expired` (`true`), `organizationForbids` (`true`).
 */
export const posthog: SimulatorFactory = (context) => {
  const api = posthogApi(context);
  return {
    provider: 'posthog',
    host: (hostname) => HOSTS.some((host) => host === hostname),
    fetch: (request) => api.fetch(request),
    issueKey: (options) => createKey(context, options),
  };
};

function posthogApi(context: SimulatorContext) {
  const { store } = context;
  const api = new Hono<Env>();

  // The key itself is what is reported, so nobody needs to say who they are (posthog/api/leaked_key.py).
  api.on('POST', ['/api/revoke_leaked_key', '/api/revoke_leaked_key/'], async (c) => {
    const given = leak.safeParse(await readJson(c));
    if (!given.success) throw invalid('required', 'This field is required.', 'token');
    const { token } = given.data;
    const here = store.get<KeyRecord>(`key/${token}`)?.host === new URL(c.req.url).hostname;
    const found = here && deletePostHogKey(store, token);
    return c.json({ found, type: found ? 'personal_api_key' : null });
  });

  // Django's APPEND_SLASH.
  api.use('/api/*', async (c, next) => {
    if (c.req.path.endsWith('/')) return next();
    if (c.req.method !== 'GET') throw notFound();
    const url = new URL(c.req.url);
    return c.redirect(`${url.pathname}/${url.search}`, 301);
  });

  api.use('/api/*', async (c, next) => {
    const key = authenticate(store, new URL(c.req.url).hostname, c.req.header('authorization'));
    c.set('key', key);
    countCall(context, key);
    await next();
    return undefined;
  });

  api.get('/api/personal_api_keys/@current/', (c) => c.json(keyObject(c.var.key)));
  api.all('/api/personal_api_keys/*', () => {
    throw new PostHogRefusal(
      403,
      'authentication_error',
      'permission_denied',
      'This action does not support Personal API Key access',
    );
  });

  api.get('/api/users/@me/', (c) => {
    demandScope(c.var.key, 'user:read');
    return c.json(userObject(demandProject(store, { ...c.var.key, scopes: [] }, '@current', '')));
  });

  api.get('/api/projects/:id/', (c) => {
    checkQuery(z.strictObject({}), c);
    return c.json(projectObject(projectOf(c, 'project:read')));
  });

  for (const [name, schema] of Object.entries(lists)) {
    api.get(`/api/projects/:id/${name}/`, (c) => {
      projectOf(c, `${name.slice(0, -1)}:read`);
      checkQuery(schema, c);
      return c.json({ count: 0, next: null, previous: null, results: [] });
    });
  }

  api.post('/api/projects/:id/query/', async (c) => {
    projectOf(c, 'query:read');
    const given = queryBody.safeParse(await readJson(c));
    if (!given.success) throw invalid('invalid_input', 'This query is not valid.', 'query');
    return c.json({
      results: [],
      columns: [],
      types: [],
      hasMore: false,
      is_cached: false,
      query_status: null,
    });
  });

  const projectOf = (c: Context<Env>, scope: string) =>
    demandProject(store, c.var.key, c.req.param('id') ?? '', scope);

  api.notFound(() => notFound().response());
  api.onError((fault) => {
    if (!(fault instanceof PostHogRefusal)) throw fault;
    return fault.response();
  });
  return api;
}

async function readJson(c: Context): Promise<unknown> {
  const type = c.req.header('content-type') ?? '';
  if (!/^application\/json\b/i.test(type)) {
    const detail = `Unsupported media type "${type}" in request.`;
    throw new PostHogRefusal(415, 'invalid_request', 'unsupported_media_type', detail);
  }
  try {
    return JSON.parse(await c.req.text());
  } catch {
    throw invalid('parse_error', 'JSON parse error');
  }
}

/** The real service leaves unknown parameters alone; here they are refused, since they would do nothing. */
function checkQuery(schema: z.ZodType, c: Context): void {
  const issue = schema.safeParse(Object.fromEntries(new URL(c.req.url).searchParams)).error?.issues[0];
  if (!issue) return;
  const name = issue.code === 'unrecognized_keys' ? issue.keys[0] : issue.path[0];
  throw invalid('invalid_input', 'This parameter is not valid here.', String(name));
}

/** By the minute and key, 480 on every private endpoint (posthog/rate_limit.py). */
function countCall({ store, now }: SimulatorContext, { id }: KeyRecord): void {
  const minute = Math.floor(now() / 60_000);
  const kept = store.get<{ minute: number; used: number }>(`rate/${id}`);
  const used = (kept?.minute === minute ? kept.used : 0) + 1;
  store.set(`rate/${id}`, { minute, used });
  if (used > (store.get<number>('settings.rateLimit') ?? 480)) {
    throw throttled(Math.ceil(((minute + 1) * 60_000 - now()) / 1000));
  }
}
