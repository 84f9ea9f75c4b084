import { Hono } from 'hono';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import { badRequest, notFound, outOfScope, rateLimited, VercelRefusal } from './vercel/errors.ts';
import { projectObject, teamObject, tokenObject, userObject } from './vercel/objects.ts';
import {
  authenticate,
  createToken,
  deleteVercelToken,
  demandAccount,
  demandContext,
  type TeamRecord,
  type TokenRecord,
  teamAt,
} from './vercel/tokens.ts';

export { deleteVercelToken } from './vercel/tokens.ts';

type Env = { Variables: { token: string; record: TokenRecord } };

const SCOPE = ['teamId', 'slug'];
const PAGING = ['limit', 'since', 'until'];
const DEPLOYMENTS = [
  ...['app', 'from', 'to', 'projectId', 'projectIds', 'target', 'users', 'state', 'rollbackCandidate'],
  ...['branch', 'sha', ...PAGING, ...SCOPE],
];
const PROJECT_DOMAINS = [
  ...[
    'production',
    'target',
    'customEnvironmentId',
    'gitBranch',
    'redirects',
    'redirect',
    'verified',
    'order',
  ],
  ...PAGING,
  ...SCOPE,
];
const PROJECTS = [
  ...[
    'from',
    'gitForkProtection',
    'limit',
    'search',
    'repo',
    'repoId',
    'repoUrl',
    'excludeRepos',
    'edgeConfigId',
  ],
  ...[
    'edgeConfigTokenId',
    'deprecated',
    'elasticConcurrencyEnabled',
    'staticIpsEnabled',
    'buildMachineTypes',
  ],
  ...SCOPE,
];

/**
 * Vercel's REST API (vercel.com/docs/rest-api) as the owner of a token meets it: user, teams, the token itself,
 * and the lists behind Reeve's tools, which are empty. Each path carries its own version; another is a 404.
 *
 * Settings in the store: `settings.retryAfter` (seconds; every call is one too many), `settings.limitedUser`
 * (a team's token is shown a limited user; otherwise none).
 *
 * `issueKey` options: `scope` (`account`, `team`, `project`), `format` (`new`, `old`), `withTeam` (`false`: no
 * `team_id` in the config), `teamId`, `name`, `expired` (`true`), `expiresIn` (seconds), `saml` (`true`: the team
 * wants SSO first).
 */
export const vercel: SimulatorFactory = (context) => {
  const api = vercelApi(context);
  return {
    provider: 'vercel',
    host: (hostname) => hostname === 'api.vercel.com',
    fetch: (request) => api.fetch(request),
    issueKey: (options) => createToken(context, options),
  };
};

function vercelApi(context: SimulatorContext) {
  const { store, now } = context;
  const api = new Hono<Env>();

  api.use(async (c, next) => {
    const { token, record } = authenticate(context, c.req.header('authorization'));
    c.set('token', token);
    c.set('record', record);
    const reset = Math.ceil(now() / 60_000) * 60;
    const limit = (remaining: number) => {
      c.header('x-ratelimit-limit', '500');
      c.header('x-ratelimit-remaining', String(remaining));
      c.header('x-ratelimit-reset', String(reset));
    };
    const seconds = store.get<number>('settings.retryAfter');
    if (seconds !== undefined) throw rateLimited(500, reset, seconds);
    await next();
    limit(499);
  });

  api.get('/v2/user', (c) => {
    checkQuery(c.req.url, []);
    demandAccount(c.var.record);
    if (c.var.record.scope === 'team' && !store.get<boolean>('settings.limitedUser')) {
      throw outOfScope('ada', c.var.record.team, false);
    }
    return c.json(userObject(c.var.record));
  });

  api.get('/v2/teams/:teamId', (c) => {
    checkQuery(c.req.url, ['slug']);
    demandAccount(c.var.record);
    return c.json(teamObject(teamAt(store, c.var.record, c.req.param('teamId')), c.var.record));
  });

  api.get('/v5/user/tokens/current', (c) => {
    checkQuery(c.req.url, []);
    demandAccount(c.var.record);
    return c.json(tokenObject(c.var.record));
  });
  api.delete('/v3/user/tokens/current', (c) => {
    checkQuery(c.req.url, []);
    demandAccount(c.var.record);
    deleteVercelToken(store, c.var.token);
    return c.json({ tokenId: c.var.record.id });
  });

  api.get('/v9/projects/:idOrName', (c) => {
    checkQuery(c.req.url, SCOPE);
    const team = demandContext(store, c.var.record, new URL(c.req.url).searchParams);
    return c.json(projectObject(projectOf(team, c.req.param('idOrName'))));
  });
  api.get('/v9/projects/:idOrName/domains', (c) => {
    checkQuery(c.req.url, PROJECT_DOMAINS);
    const team = demandContext(store, c.var.record, new URL(c.req.url).searchParams);
    projectOf(team, c.req.param('idOrName'));
    return c.json({ domains: [], pagination: NO_MORE });
  });

  for (const path of ['/v6/deployments', '/v7/deployments']) list(path, 'deployments', DEPLOYMENTS);
  list('/v5/domains', 'domains', [...PAGING, ...SCOPE]);
  list('/v10/projects', 'projects', PROJECTS);

  function list(path: string, name: string, parameters: string[]) {
    api.get(path, (c) => {
      checkQuery(c.req.url, parameters);
      demandContext(store, c.var.record, new URL(c.req.url).searchParams);
      return c.json({ [name]: [], pagination: NO_MORE });
    });
  }

  api.notFound(() => notFound('The requested API endpoint was not found.').response());
  api.onError((fault) => {
    if (!(fault instanceof VercelRefusal)) throw fault;
    return fault.response();
  });
  return api;
}

const NO_MORE = { count: 0, next: null, prev: null };

function projectOf(team: TeamRecord | undefined, idOrName: string): TeamRecord {
  if (!team || (idOrName !== team.project && idOrName !== 'shop')) throw notFound('Project not found.');
  return team;
}

/** "One of the provided values in the request query is invalid." */
function checkQuery(url: string, known: string[]): void {
  const query = new URL(url).searchParams;
  for (const name of query.keys()) {
    if (!known.includes(name)) {
      throw badRequest(`Invalid request: should NOT have additional property \`${name}\`.`);
    }
  }
  const limit = query.get('limit');
  if (limit !== null && !/^([1-9]\d?|100)$/.test(limit)) {
    throw badRequest('Invalid request: `limit` should be between 1 and 100.');
  }
}
