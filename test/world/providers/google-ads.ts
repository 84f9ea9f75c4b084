import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { adsApi } from './google-ads/api.ts';
import { consentScreen } from './google-ads/consent-screen.ts';
import { pageNotFound, randomLetters } from './google-ads/google.ts';
import { endGrant, type Grants, grantBook, isAlive, tokenRecords } from './google-ads/grants.ts';
import { answerUserinfo, idTokenSigner } from './google-ads/identity.ts';
import { answerRevoke, answerToken } from './google-ads/token-endpoint.ts';

/**
 * Google Ads for a web application: Google's consent screen and token endpoint
 * (developers.google.com/identity/protocols/oauth2/web-server), userinfo, and the Ads API
 * (developers.google.com/google-ads/api).
 *
 * Settings in the store: `settings.testing` (the consent screen is in Testing: refresh tokens live for seven
 * days), `settings.suspendedClient` (disabled_client), `settings.deletedClient`, `settings.blocked` (an error of Google's page after the
 * person has chosen: `admin_policy_enforced`, `org_internal`), `settings.accountDeleted` and
 * `settings.reauthenticate` (why a refresh fails), `settings.developerToken` (`ignored`, `not_approved`,
 * `prohibited`), `settings.projectAccess` (`test`), `settings.retryDelay` (seconds; every call of the Ads API
 * is one too many), `settings.refusal` (an error, by name, of every call of the Ads API), `settings.serviceDisabled`
 * (that API is switched off in the client's project), `settings.retiredVersions` (`["v25"]`), `settings.pageSize` (rows a page, 10000).
 */
export const googleAds: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const { DEVELOPER_TOKEN } = context.client.settings;
  if (DEVELOPER_TOKEN !== undefined) context.secret(DEVELOPER_TOKEN);
  const grants = grantBook(context);
  const hosts = hostsOf(context, grants);
  return {
    provider: 'google_ads',
    settings: { DEVELOPER_TOKEN: () => randomLetters(22) },
    host: (hostname) => hosts.has(hostname),
    fetch: (request) => hosts.get(new URL(request.url).hostname)?.(request) ?? pageNotFound(request),
  };
};

/**
 * The tokens issued so far, oldest first. Without `now` only a revoked one is dead, with it an expired one too.
 */
export function googleAdsTokens(
  store: Store,
  now?: number,
): Array<{ token: string; kind: 'access' | 'refresh'; email: string; scopes: string[]; alive: boolean }> {
  return tokenRecords(store).map((record) => ({
    token: record.token,
    kind: record.kind,
    email: record.email,
    scopes: record.scopes,
    alive: now === undefined ? !record.revoked : isAlive(record, now),
  }));
}

/** The person removes the application at myaccount.google.com/connections. */
export function endGoogleAdsGrant(store: Store, email: string): void {
  endGrant(store, email);
}

type Answer = (request: Request) => Response | Promise<Response>;

function hostsOf(context: SimulatorContext, grants: Grants): Map<string, Answer> {
  const idTokens = idTokenSigner(context);
  const screen = consentScreen(context, grants);
  screen.notFound((c) => pageNotFound(c.req.raw));
  const api = adsApi(context, grants);
  return new Map<string, Answer>([
    ['accounts.google.com', (request) => screen.fetch(request)],
    ['googleads.googleapis.com', (request) => api.fetch(request)],
    [
      'oauth2.googleapis.com',
      (request) => {
        const { pathname } = new URL(request.url);
        if (request.method === 'POST' && pathname === '/token') {
          return answerToken(request, context, grants, idTokens);
        }
        return request.method === 'POST' && pathname === '/revoke'
          ? answerRevoke(request, grants)
          : pageNotFound(request);
      },
    ],
    [
      'openidconnect.googleapis.com',
      (request) =>
        ['GET', 'POST'].includes(request.method) && new URL(request.url).pathname === '/v1/userinfo'
          ? answerUserinfo(request, grants)
          : pageNotFound(request),
    ],
  ]);
}
