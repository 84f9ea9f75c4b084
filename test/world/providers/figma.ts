import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { z } from 'zod';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import { componentRow, FILES, fileContent, fileMeta, fileVersions } from './figma/documents.ts';
import { countCall, createToken, findToken, TEAMS, type TokenRecord } from './figma/tokens.ts';

type Env = { Variables: { record: TokenRecord } };

const number = z.string().regex(/^\d+$/).optional();
const boolean = z.enum(['true', 'false']).optional();

/** Of each path: the scope it needs, its tier, and its query (@figma/rest-api-spec 0.43.0, rate-limits). */
interface Rule {
  scope: string;
  tier: 1 | 2 | 3;
  query?: z.ZodType;
}

/**
 * Figma's REST API (developers.figma.com/docs/rest-api): the caller, files, published components and team
 * folders of two teams.
 *
 * Setting in the store: `settings.retryAfter` (seconds; every call is one too many).
 *
 * `issueKey` options: `kind` (`personal`, `plan`), `seat` (`full`, `view`), `scopes` (with commas), `expired`
 * (`true`), `team` (`acme`, `globex`), `handle` (another user).
 */
export const figma: SimulatorFactory = (context) => {
  const api = figmaApi(context);
  return {
    provider: 'figma',
    host: (hostname) => hostname === 'api.figma.com',
    fetch: (request) => api.fetch(request),
    issueKey: (options) => createToken(context, options),
  };
};

/** The older shape of an error. */
function refusal(status: number, err: string): Response {
  return Response.json({ status, err }, { status });
}

/** The newer one (…ErrorResponseWithErrorBoolean). */
function badRequest(message: string): Response {
  return Response.json({ status: 400, error: true, message }, { status: 400 });
}

function tooMany(record: TokenRecord, seconds: number): Response {
  const headers = {
    'retry-after': String(seconds),
    'x-figma-plan-tier': 'pro',
    'x-figma-rate-limit-type': record.seat === 'view' ? 'low' : 'high',
    'x-figma-upgrade-link': 'https://www.figma.com/files?api_paywall=true',
  };
  return Response.json({ status: 429, err: 'Rate limit exceeded' }, { status: 429, headers });
}

function figmaApi(context: SimulatorContext) {
  const api = new Hono<Env>();

  api.use(async (c, next) => {
    // `Authorization: Bearer` is for OAuth tokens, which nobody makes here.
    const record = findToken(context, c.req.header('x-figma-token'));
    if (!record) return refusal(403, 'Invalid token');
    c.set('record', record);
    return next();
  });

  const rule =
    ({ scope, tier, query = z.strictObject({}) }: Rule): MiddlewareHandler<Env> =>
    async (c, next) => {
      const { record } = c.var;
      const seconds = countCall(context, record, tier);
      if (seconds !== undefined) return tooMany(record, seconds);
      if (!record.scopes.includes(scope)) {
        const granted = record.scopes.join(', ');
        return refusal(403, `Invalid scope(s): ${granted}. This endpoint requires the ${scope} scope`);
      }
      const parsed = query.safeParse(c.req.query());
      if (!parsed.success) return badRequest(z.prettifyError(parsed.error));
      return next();
    };

  api.get('/v1/me', rule({ scope: 'current_user:read', tier: 3 }), (c) => {
    const { kind, user } = c.var.record;
    // A plan's token has no user; the words of this refusal are not documented.
    if (kind === 'plan') return refusal(403, 'Forbidden');
    const email = `${user.handle.toLowerCase().replace(/\W+/g, '.')}@acme.example`;
    return c.json({ ...user, email, img_url: 'https://s3-alpha.figma.com/profile/1' });
  });

  const fileQuery = z.strictObject({
    version: z.string().optional(),
    ids: z.string().optional(),
    depth: number,
    geometry: z.literal('paths').optional(),
    plugin_data: z.string().optional(),
    branch_data: boolean,
  });
  const file = (c: Context<Env>) => {
    const found = FILES.get(c.req.param('key') ?? '');
    return found?.team === c.var.record.team ? found : undefined;
  };
  const notFound = () => refusal(404, 'Not found');

  api.get('/v1/files/:key', rule({ scope: 'file_content:read', tier: 1, query: fileQuery }), (c) => {
    const found = file(c);
    return found ? c.json(fileContent(found)) : notFound();
  });
  api.get('/v1/files/:key/meta', rule({ scope: 'file_metadata:read', tier: 2 }), (c) => {
    const found = file(c);
    return found ? c.json(fileMeta(c.req.param('key'), found)) : notFound();
  });
  const versionsQuery = z.strictObject({ page_size: number, before: number, after: number });
  api.get(
    '/v1/files/:key/versions',
    rule({ scope: 'file_versions:read', tier: 2, query: versionsQuery }),
    (c) => (file(c) ? c.json(fileVersions(c.req.param('key'))) : notFound()),
  );
  api.get('/v1/files/:key/components', rule({ scope: 'library_content:read', tier: 3 }), (c) =>
    file(c)
      ? c.json({ status: 200, error: false, meta: { components: [componentRow(c.req.param('key'))] } })
      : notFound(),
  );

  const own = (c: Context<Env>) =>
    c.req.param('team') === c.var.record.team ? TEAMS.get(c.var.record.team) : undefined;
  const componentsQuery = z.strictObject({ page_size: number, after: number, before: number });
  api.get(
    '/v1/teams/:team/components',
    rule({ scope: 'team_library_content:read', tier: 3, query: componentsQuery }),
    (c) => {
      if (!own(c)) return notFound();
      const keys = [...FILES].filter(([, { team }]) => team === c.var.record.team);
      const components = keys.map(([key]) => componentRow(key));
      return c.json({ status: 200, error: false, meta: { components, cursor: { before: 1, after: 1 } } });
    },
  );
  api.get('/v2/teams/:team/folders', rule({ scope: 'folders:read', tier: 2 }), (c) => {
    if (!/^\d+$/.test(c.req.param('team'))) return badRequest('Invalid team id');
    const team = own(c);
    if (!team) return notFound();
    const folders = [{ id: team.folder, name: `${team.name} folder`, parent_folder_id: null }];
    return c.json({ name: team.name, folders });
  });
  const folderQuery = z.strictObject({ branch_data: boolean });
  api.get('/v2/folders/:folder/files', rule({ scope: 'folders:read', tier: 2, query: folderQuery }), (c) => {
    const files = [...FILES].filter(
      ([, { folder, team }]) => folder === c.req.param('folder') && team === c.var.record.team,
    );
    const [first] = files;
    if (!first) return notFound();
    const rows = files.map(([key, { name }]) => ({ key, name, last_modified: '2026-11-20T10:00:00Z' }));
    return c.json({ name: first[1].folderName, files: rows });
  });

  api.notFound(() => notFound());
  return api;
}
