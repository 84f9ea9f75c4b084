import { type Context, Hono } from 'hono';
import type { App } from './app.ts';
import { type Books, type Caller, type CallerEnv, isAppToken, SUSPENDED, type UserEnv } from './caller.ts';
import { refuse } from './door.ts';
import { type Installation, installationObject, reaches } from './installations.ts';
import { onlyPages, pageOf } from './paging.ts';
import { fullRepository, type Repository } from './repositories.ts';

const PAGE = '/apps/installations';
const OTHER_TOKEN = 'You must authenticate with an access token authorized to a GitHub App';

/** A person's token of the App: which installations and what in them it reaches (rest/apps/installations). */
export function userInstallations(app: App | null, { installations }: Books): Hono<UserEnv> {
  const api = new Hono<UserEnv>();

  api.get('/user/installations', (c) => {
    const { record } = c.var;
    if (!app || !isAppToken(record))
      return refuse(403, `${OTHER_TOKEN} in order to list installations`, PAGE);
    const query = onlyPages.safeParse(c.req.query());
    if (!query.success) return refuse(422, 'Validation Failed', PAGE);
    const found = installations.all().filter((installation) => reaches(record.login, installation));
    const page = pageOf(c, found, query.data).map((installation) => installationObject(app, installation));
    return c.json({ total_count: found.length, installations: page });
  });

  api.get('/user/installations/:id/repositories', (c) => {
    const { record } = c.var;
    // The endpoint above is the one whose whole message is known.
    if (!app || !isAppToken(record)) return refuse(403, OTHER_TOKEN, PAGE);
    const installation = installations.find(Number(c.req.param('id')));
    if (!installation || !reaches(record.login, installation)) return refuse(404, 'Not Found', PAGE);
    if (installation.suspendedAt !== null) return refuse(403, SUSPENDED, PAGE);
    return repositoryList(c, installation.repositories, installations.covered(installation), record.login);
  });

  return api;
}

/** What the App does with an installation's own token. */
export function ownInstallation({ installationTokens }: Books): Hono<CallerEnv> {
  const api = new Hono<CallerEnv>();
  const refuseUser = (purpose: string) =>
    refuse(403, `You must authenticate with an installation access token in order to ${purpose}.`, PAGE);

  api.get('/installation/repositories', (c) => {
    const { caller } = c.var;
    if (!isInstallation(caller)) return refuseUser('list repositories for an installation');
    const { token, installation } = caller;
    return repositoryList(
      c,
      token.repositories ?? installation.repositories,
      installationTokens.opened(token, installation),
      null,
    );
  });

  api.delete('/installation/token', (c) => {
    const { caller } = c.var;
    if (!isInstallation(caller)) return refuseUser('revoke it');
    installationTokens.revoke(caller.token);
    return c.body(null, 204);
  });

  return api;
}

const isInstallation = (caller: Caller) => caller.kind === 'installation';

function repositoryList(
  c: Context,
  selection: Installation['repositories'],
  repositories: Repository[],
  viewer: string | null,
) {
  const query = onlyPages.safeParse(c.req.query());
  if (!query.success) return refuse(422, 'Validation Failed', PAGE);
  return c.json({
    total_count: repositories.length,
    repository_selection: selection === 'all' ? 'all' : 'selected',
    repositories: pageOf(c, repositories, query.data).map((each) => fullRepository(each, viewer)),
  });
}
