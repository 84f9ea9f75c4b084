import { Hono } from 'hono';
import type { SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { authorizePage } from './slack/authorize.ts';
import { fail, trouble } from './slack/door.ts';
import { webApi } from './slack/methods.ts';
import { oauthAccess } from './slack/oauth.ts';
import { isAlive, type Kind, tokenBook, tokenRecords } from './slack/tokens.ts';
import { siteOf } from './slack/workspaces.ts';

/**
 * Slack as an app with OAuth v2 and without PKCE meets it (docs.slack.dev): installation in a workspace or an
 * organization, tokens, and a few methods of the Web API.
 *
 * Settings in the store: `settings.rotation` (token rotation is on), `settings.orgInstall` (an organization
 * installs the app), `settings.refreshGrace` (seconds that a used refresh token goes on), `settings.retryAfter`
 * (seconds; every call is one too many), `settings.error` (what every method answers, like `internal_error`).
 */
export const slack: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const tokens = tokenBook(context);
  const methods = webApi(context, tokens).set('oauth.v2.access', oauthAccess(context, tokens));

  const app = new Hono();
  app.on(['GET', 'POST'], '/oauth/v2/authorize', authorizePage(context, false));
  app.on(['GET', 'POST'], '/oauth/authorize', authorizePage(context, true));
  app.all('/api/:method', (c) => {
    const name = c.req.param('method');
    const handler = methods.get(name);
    if (!handler) return fail('unknown_method', { req_method: name });
    return trouble(context) ?? handler(c);
  });
  app.notFound((c) => c.html('<!doctype html><title>There has been a glitch | Slack</title>', 404));
  return {
    provider: 'slack',
    host: (hostname) => hostname === 'slack.com',
    fetch: (request) => app.fetch(request),
  };
};

/**
 * The tokens issued so far, oldest first; a refresh token is one of its own. Without `now` only a revoked or
 * used one is dead, with it an expired one too.
 */
export function slackTokens(
  store: Store,
  now?: number,
): Array<{ token: string; kind: Kind | 'refresh'; workspace: string; scopes: string[]; alive: boolean }> {
  return tokenRecords(store).map((record) => ({
    token: record.token,
    kind: record.refresh ? 'refresh' : record.kind,
    workspace: siteOf(record.site)?.name ?? '',
    scopes: record.scopes,
    alive: record.usedAt === null && isAlive(record, now ?? -Infinity),
  }));
}
