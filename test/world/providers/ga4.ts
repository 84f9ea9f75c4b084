import type { SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { adminApi } from './ga4/admin-api.ts';
import { dataApi } from './ga4/data-api.ts';
import { accountOf, changeAccount, changeKey, createKey, keyPairs } from './ga4/service-accounts.ts';
import { answerToken, JWT_BEARER } from './ga4/token-endpoint.ts';
import { tokenRecords } from './ga4/tokens.ts';
import { pageNotFound } from './google-ads/google.ts';

const DATA = 'analyticsdata.googleapis.com';
const ADMIN = 'analyticsadmin.googleapis.com';
const OAUTH = 'oauth2.googleapis.com';

/**
 * Google Analytics 4 as a service account meets it: Google's token endpoint with a signed assertion
 * (developers.google.com/identity/protocols/oauth2/service-account), the Data API and the Admin API
 * (developers.google.com/analytics/devguides). Of oauth2.googleapis.com it claims only the assertions.
 *
 * Setting in the store: `settings.tokensPerHour` (of a property, 40000; 0 refuses every call of the Data API).
 *
 * `issueKey` options: `property` (an id), `access` (`none`: not added to the property), `data_api` and
 * `admin_api` (`off`: not switched on in the project).
 */
export const ga4: SimulatorFactory = (context) => {
  const nextPair = keyPairs();
  const data = dataApi(context);
  const admin = adminApi(context);
  return {
    provider: 'ga4',
    host: (hostname) => [DATA, ADMIN, OAUTH].includes(hostname),
    claims: async (request) =>
      new URL(request.url).hostname !== OAUTH || (isTokenRequest(request) && (await hasAssertion(request))),
    fetch: (request) => {
      const { hostname } = new URL(request.url);
      if (hostname === DATA) return data.fetch(request);
      if (hostname === ADMIN) return admin.fetch(request);
      return isTokenRequest(request) ? answerToken(request, context) : pageNotFound(request);
    },
    issueKey: (options) => createKey(context, nextPair, options),
  };
};

function isTokenRequest(request: Request): boolean {
  return request.method === 'POST' && new URL(request.url).pathname === '/token';
}

async function hasAssertion(request: Request): Promise<boolean> {
  return new URLSearchParams(await request.text()).get('grant_type') === JWT_BEARER;
}

/** The access tokens issued so far, oldest first; without `now` only one of a deleted account is dead. */
export function ga4Tokens(
  store: Store,
  now?: number,
): Array<{ token: string; email: string; scopes: string[]; alive: boolean }> {
  return tokenRecords(store).map(({ token, email, scopes, expiresAt }) => ({
    token,
    email,
    scopes,
    alive: accountOf(store, email)?.isDeleted === false && (now === undefined || now < expiresAt),
  }));
}

/** Deletes the key in IAM; `apiKey` is the key file. */
export function deleteGa4Key(store: Store, apiKey: string): void {
  changeKey(store, apiKey, { isDeleted: true });
}

/** Disables the key in IAM, as its owner does or Google where it was found in public. */
export function disableGa4Key(store: Store, apiKey: string): void {
  changeKey(store, apiKey, { isDisabled: true });
}

/** Deletes the service account with all its keys. */
export function deleteGa4Account(store: Store, apiKey: string): void {
  changeAccount(store, apiKey, { isDeleted: true });
}

/** Removes the service account from its properties. */
export function removeGa4Access(store: Store, apiKey: string): void {
  changeAccount(store, apiKey, { properties: [] });
}
