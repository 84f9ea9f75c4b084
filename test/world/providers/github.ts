import { Hono } from 'hono';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { githubApi } from './github/api.ts';
import { type App, appOf } from './github/app.ts';
import { authorizePage } from './github/authorize.ts';
import type { Books } from './github/caller.ts';
import { codeBook } from './github/codes.ts';
import { installPage } from './github/install.ts';
import { installationTokenBook, installationTokenRecords } from './github/installation-tokens.ts';
import {
  installationBook,
  installationRecords,
  isInstalled,
  saveInstallation,
} from './github/installations.ts';
import { tokenEndpoint } from './github/token-endpoint.ts';
import { isAlive, tokenBook, tokenRecords } from './github/tokens.ts';

export { githubAppSettings } from './github/app.ts';

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
 */
export const github: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const app = appOf(context);
  const tokens = tokenBook(context);
  const installations = installationBook(context, app);
  const books = { tokens, installations, installationTokens: installationTokenBook(context, installations) };
  const site = githubSite(context, app, books);
  const api = githubApi(context, app, books);
  return {
    provider: 'github',
    host: (hostname) => hostname === 'github.com' || hostname === 'api.github.com',
    fetch: (request) => (new URL(request.url).hostname === 'api.github.com' ? api : site).fetch(request),
  };
};

function githubSite(context: SimulatorContext, app: App | null, { tokens, installations }: Books) {
  const site = new Hono();
  const codes = codeBook(context);
  site.route('/', authorizePage(context, app, tokens, codes));
  site.route('/', tokenEndpoint(context, app, tokens, codes));
  if (app) site.route('/', installPage(context, app, installations, codes));
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
