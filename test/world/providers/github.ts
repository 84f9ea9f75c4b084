import { Hono } from 'hono';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { githubApi } from './github/api.ts';
import { type App, appOf } from './github/app.ts';
import { authorizePage } from './github/authorize.ts';
import type { Books } from './github/caller.ts';
import { codeBook } from './github/codes.ts';
import { deliveryRecords } from './github/deliveries.ts';
import { happenings } from './github/happen.ts';
import { installPage } from './github/install.ts';
import { installationTokenBook, installationTokenRecords } from './github/installation-tokens.ts';
import {
  installationBook,
  installationRecords,
  isInstalled,
  saveInstallation,
} from './github/installations.ts';
import { repositoryBook } from './github/repositories.ts';
import { type Telling, tellingOf } from './github/telling.ts';
import { tokenEndpoint } from './github/token-endpoint.ts';
import { isAlive, tokenBook, tokenRecords } from './github/tokens.ts';

export { githubAppSettings } from './github/app.ts';
export { signGithub } from './github/signature.ts';

/**
 * GitHub as an OAuth App meets it: docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 * and the REST API behind the tokens. With an `APP_ID` among the client's settings, as a GitHub App meets it:
 * docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app; `APP_PRIVATE_KEY` is its PEM,
 * `APP_SLUG` (reeve-local) its name in URLs, `APP_WEBHOOK_SECRET` its webhook's secret.
 *
 * Settings in the store: `settings.expiring` (user tokens expire; an App's do unless it is false),
 * `settings.suspended` (the application), `settings.suspendedUsers` (logins), `settings.unverifiedEmail`,
 * `settings.rateLimit`, `settings.retryAfter`. For an App, which the users have on their own accounts from the start:
 * `settings.notInstalled` (true, or the logins that have not) and `settings.redirectOnUpdate` (who finds it
 * installed comes back with `setup_action=update`; otherwise the browser stays at GitHub).
 *
 * Octocat administers three repositories, with `settings.moreRepositories` (a number) so many more, and may read
 * octo-guild/handbook; `settings.archived` names those (owner/name) that are read-only. Of hooks:
 * `settings.contentLimit` (how many a minute a user can make, instead of 80), `settings.hookTimeout` (how many
 * milliseconds a receiver has, instead of 10 000), `settings.appEvents` (what the App's webhook is subscribed to,
 * instead of deployment_status, pull_request, push and workflow_run).
 *
 * `happen` takes an event by its name in `X-GitHub-Event`: the `repository` (owner/name; otherwise the first of
 * `account`, which is octocat), the `action` (otherwise the usual one), the `delivery` (its GUID), and for what
 * they concern `ref` (push), `state` (deployment_status) and `conclusion` (workflow_run). `installation`,
 * `installation_repositories` and `github_app_authorization` do to an App what they mean, and tell it; they do
 * nothing to an OAuth App. What is done on the pages and through the API tells it too, behind the answer; the
 * helpers below do not. A ping, and a delivery that is asked for again, is sent behind the answer as well.
 */
export const github: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const app = appOf(context);
  const tokens = tokenBook(context);
  const repositories = repositoryBook(context.store);
  const installations = installationBook(context, app, repositories);
  const installationTokens = installationTokenBook(context, installations);
  const books = { repositories, tokens, installations, installationTokens };
  const telling = tellingOf(context, app, books);
  const site = githubSite(context, app, books, telling);
  const api = githubApi(context, app, books, telling);
  return {
    provider: 'github',
    host: (hostname) => hostname === 'github.com' || hostname === 'api.github.com',
    fetch: (request) => (new URL(request.url).hostname === 'api.github.com' ? api : site).fetch(request),
    happen: happenings(context, app, books, telling),
  };
};

function githubSite(context: SimulatorContext, app: App | null, books: Books, telling: Telling) {
  const { tokens } = books;
  const site = new Hono();
  const codes = codeBook(context);
  site.route('/', authorizePage(context, app, tokens, codes));
  site.route('/', tokenEndpoint(context, app, tokens, codes));
  if (app) site.route('/', installPage(context, app, books, codes, telling));
  site.notFound((c) => c.html('<!doctype html><title>Page not found · GitHub</title>', 404));
  return site;
}

/**
 * The tokens issued so far, oldest first. Without `now` only a revoked or rotated token is dead, with it an
 * expired one too.
 */
export function githubTokens(
  store: Store,
  now?: number,
): Array<{ token: string; login: string; alive: boolean; scopes: string[] }> {
  return tokenRecords(store).map((record) => ({
    token: record.token,
    login: record.login,
    alive: now === undefined ? !record.revoked : isAlive(record, now),
    scopes: record.scopes,
  }));
}

/** What hooks have been sent so far, oldest first: the App's has the URL that ends in /api/webhooks/github. */
export function githubDeliveries(
  store: Store,
): Array<{ id: number; guid: string; url: string; event: string; action: string | null; status: string }> {
  return deliveryRecords({ store }).map(({ id, guid, url, event, action, status }) => ({
    id,
    guid,
    url,
    event,
    action,
    status,
  }));
}

/** The installations of the App so far, oldest first. */
export function githubInstallations(
  store: Store,
): Array<{ id: number; account: string; installed: boolean; suspended: boolean }> {
  return installationRecords(store).map((record) => ({
    id: record.id,
    account: record.account,
    installed: isInstalled(store, record),
    suspended: record.suspendedAt !== null,
  }));
}

/** What the owner of the account does in its settings: suspends, uninstalls, chooses the repositories. */
export function changeGithubInstallation(
  store: Store,
  id: number,
  change: { suspended?: boolean; installed?: false; repositories?: number[] | 'all' },
  now = Date.now(),
): void {
  const record = installationRecords(store).find((each) => each.id === id);
  if (!record) throw new Error(`no such installation: ${id}`);
  const { suspended = record.suspendedAt !== null, installed, repositories = record.repositories } = change;
  saveInstallation(store, {
    ...record,
    repositories,
    suspendedAt: suspended ? (record.suspendedAt ?? now) : null,
    suspendedBy: suspended ? (record.suspendedBy ?? 'account') : null,
    removed: record.removed || installed === false,
    updatedAt: now,
  });
}

/** The installation access tokens issued so far, oldest first; dead only if revoked or, with `now`, expired. */
export function githubInstallationTokens(
  store: Store,
  now?: number,
): Array<{ token: string; installation: number; alive: boolean }> {
  return installationTokenRecords(store).map((record) => ({
    token: record.token,
    installation: record.installation,
    alive: !record.revoked && (now === undefined || now < record.expiresAt),
  }));
}
