import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { type App, appObject, PERMISSIONS } from './app.ts';
import { appHookApi } from './app-hook-api.ts';
import { readJwt } from './app-jwt.ts';
import { type Books, SUSPENDED } from './caller.ts';
import { later } from './deliveries.ts';
import { rateLimiter, refuse } from './door.ts';
import { type Installation, installationObject, toIso } from './installations.ts';
import { readBody } from './json-body.ts';
import { pageOf, pageQuery } from './paging.ts';
import { fullRepository } from './repositories.ts';
import type { Telling } from './telling.ts';

const PAGE = '/apps/apps';
const TOKEN_PAGE = `${PAGE}#create-an-installation-access-token-for-an-app`;

const listQuery = z.strictObject({
  ...pageQuery,
  since: z.iso.datetime().default(''),
  outdated: z.string().optional(),
});

const tokenBody = z.strictObject({
  repositories: z.array(z.string()).max(500).optional(),
  repository_ids: z.array(z.number().int()).max(500).optional(),
  permissions: z.record(z.string(), z.enum(['read', 'write', 'admin'])).optional(),
});

/** What the App does as itself, with a JWT (docs.github.com/rest/apps/apps). */
export function appApi(
  context: SimulatorContext,
  app: App,
  { installations, installationTokens }: Books,
  telling: Telling,
): Hono {
  const { store, now, secret } = context;
  const api = new Hono();
  const limited = rateLimiter(context);

  api.use('/app/*', async (c, next) => {
    const jwt = await readJwt(c.req.header('authorization'), app, now());
    if (jwt instanceof Response) {
      const answer = async () => {
        c.res = jwt;
      };
      return limited(c, answer, { name: 'anonymous', limit: 60, who: '192.0.2.1' });
    }
    secret(jwt);
    const limit = store.get<number>('settings.rateLimit') ?? 5000;
    return limited(c, next, { name: 'app', limit, who: `app ID ${app.id}` });
  });

  api.route('/', appHookApi(telling));

  api.get('/app', (c) => c.json(appObject(app, installations.all().length)));

  api.get('/app/installations', (c) => {
    const query = listQuery.safeParse(c.req.query());
    if (!query.success) return refuse(422, 'Validation Failed', PAGE);
    const found = installations
      .all()
      .map((installation) => installationObject(app, installation))
      .filter(({ updated_at }) => updated_at > query.data.since);
    return c.json(pageOf(c, found, query.data));
  });

  /** Answers for the installation that the path names. */
  const forInstallation =
    (answer: (c: Context, installation: Installation) => Response | Promise<Response>) => (c: Context) => {
      const installation = installations.find(Number(c.req.param('id')));
      return installation ? answer(c, installation) : refuse(404, 'Not Found', PAGE);
    };

  api.get(
    '/app/installations/:id',
    forInstallation((c, installation) => c.json(installationObject(app, installation))),
  );

  api.delete(
    '/app/installations/:id',
    forInstallation((c, installation) => {
      const removed = installations.change(installation, { removed: true });
      later(async () => telling.news?.installation(removed, 'deleted'));
      // breaking-changes of 2026-03-10: it became a 202.
      return c.body(null, c.req.header('x-github-api-version') === '2026-03-10' ? 202 : 204);
    }),
  );

  api.put(
    '/app/installations/:id/suspended',
    forInstallation((c, installation) => {
      if (installation.suspendedAt === null) {
        const change = { suspendedAt: now(), suspendedBy: 'app' as const };
        const suspended = installations.change(installation, change);
        later(async () => telling.news?.installation(suspended, 'suspend'));
      }
      return c.body(null, 204);
    }),
  );

  api.delete(
    '/app/installations/:id/suspended',
    forInstallation((c, installation) => {
      // suspending-a-github-app-installation: only who suspended can end it. The status is a guess.
      if (installation.suspendedBy === 'account') return refuse(403, 'Forbidden', PAGE);
      if (installation.suspendedAt !== null) {
        const restored = installations.change(installation, { suspendedAt: null, suspendedBy: null });
        later(async () => telling.news?.installation(restored, 'unsuspend'));
      }
      return c.body(null, 204);
    }),
  );

  api.post(
    '/app/installations/:id/access_tokens',
    forInstallation(async (c, installation) => {
      if (installation.suspendedAt !== null) return refuse(403, SUSPENDED, TOKEN_PAGE);
      const body = await readBody(c, tokenBody, TOKEN_PAGE);
      if (body instanceof Response) return body;
      const { repositories: names = [], repository_ids: ids = [], permissions } = body;

      const open = installations.covered(installation);
      const chosen = open.filter(({ id, name }) => names.includes(name) || ids.includes(id));
      const isEach = names.every((name) => open.some((each) => each.name === name));
      if (!isEach || !ids.every((id) => open.some((each) => each.id === id))) {
        const message =
          'There is at least one repository that does not exist or is not accessible to the parent installation.';
        return refuse(422, message, TOKEN_PAGE);
      }
      const isGranted = ([name, level]: [string, string]) => PERMISSIONS[name] === level;
      if (!Object.entries(permissions ?? {}).every(isGranted)) {
        const message = 'The permissions requested are not granted to this installation.';
        return refuse(422, message, TOKEN_PAGE);
      }

      const record = installationTokens.issue(app, installation, {
        // Whatever is asked for, metadata can be read.
        permissions: permissions ? { ...permissions, metadata: 'read' } : PERMISSIONS,
        repositories: chosen.length > 0 ? chosen.map(({ id }) => id) : null,
      });
      const answer = {
        token: record.token,
        expires_at: toIso(record.expiresAt),
        permissions: record.permissions,
        repository_selection:
          record.repositories === null && installation.repositories === 'all' ? 'all' : 'selected',
        ...(record.repositories && { repositories: chosen.map((each) => fullRepository(each, null)) }),
      };
      return c.json(answer, 201);
    }),
  );

  return api;
}
