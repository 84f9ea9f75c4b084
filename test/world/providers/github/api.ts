import { Hono } from 'hono';
import type { SimulatorContext } from '../../simulator.ts';
import { userOf } from './accounts.ts';
import type { App } from './app.ts';
import { appApi } from './app-api.ts';
import { applicationApi } from './application-api.ts';
import { type Books, type CallerEnv, identify, NOT_FOR_APPS, type UserEnv } from './caller.ts';
import { headerCheck, refuse } from './door.ts';
import { hookApi } from './hook-api.ts';
import { ownInstallation, userInstallations } from './installation-api.ts';
import { fullUser } from './profile.ts';
import { repositoryContents, userRepositories } from './repository-api.ts';
import type { Telling } from './telling.ts';

/**
 * api.github.com, after the REST description (2026-03-10) and docs.github.com/rest/using-the-rest-api.
 * `settings.rateLimit` in the store lowers the hourly 5000; `settings.retryAfter` (seconds) answers every
 * call with the secondary limit.
 */
export function githubApi(context: SimulatorContext, app: App | null, books: Books, telling: Telling) {
  const api = new Hono<{ Variables: CallerEnv['Variables'] & UserEnv['Variables'] }>();
  const identified = identify(context, books);

  api.use(headerCheck(context));
  for (const path of ['/user/*', '/repos/*', '/installation/*']) api.use(path, identified);

  api.use('/user/*', async (c, next) => {
    if (c.var.caller.kind !== 'user') return refuse(403, NOT_FOR_APPS);
    await next();
    return undefined;
  });
  api.get('/user', (c) => {
    const { login, scopes } = c.var.record;
    return c.json(fullUser(userOf(login), scopes, books.repositories.of(login)));
  });
  api.route('/', userRepositories(books));
  api.route('/', userInstallations(app, books));
  api.route('/', ownInstallation(books));
  api.route('/', repositoryContents(books));
  api.route('/', hookApi(context, books, telling));
  api.route('/', applicationApi(context, books.tokens, telling.news));
  if (app) api.route('/', appApi(context, app, books, telling));

  api.notFound(() => refuse(404, 'Not Found'));
  return api;
}
