import type { SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { loginDialog } from './meta/dialog.ts';
import { personNamed } from './meta/fixtures.ts';
import { graphApi } from './meta/graph.ts';
import {
  type Ending,
  type Grant,
  grantedTo,
  isAlive,
  keepToken,
  LIFETIME,
  newToken,
  tokenBook,
  tokenRecords,
} from './meta/records.ts';

const OTHER_APP = '771029384756100';

/**
 * Meta Ads as an app meets it: the Login Dialog at www.facebook.com and the Graph API with a little of the
 * Marketing API at graph.facebook.com (developers.facebook.com/documentation/facebook-login and
 * …/ads-commerce/marketing-api).
 *
 * Settings in the store:
 * - `settings.longLivedAtOnce`: a code gives a token of 60 days; `settings.noExpiry`: one without end.
 * - `settings.exchangeExtends`: exchanging a long-lived token gives a new one of 60 days, not the same again.
 * - `settings.deadTokenStatus`: the HTTP status for a token that has died, 400 by default.
 * - `settings.debugOwnAppOnly`: debug_token refuses another app's token instead of naming the app.
 * - `settings.requireProof`: "Require App Secret" is on.
 * - `settings.app`: `deleted` or `blocked`; every call is refused for what has become of the app.
 * - `settings.transient`: that many calls of the Graph API fail with code 2.
 * - `settings.throttle`: `{ code, status?, minutes? }` refuses every call made with a token.
 */
export const meta: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const book = tokenBook(context);
  const dialog = loginDialog(context, book);
  const graph = graphApi(context, book);
  return {
    provider: 'meta',
    host: (hostname) => hostname === 'www.facebook.com' || hostname === 'graph.facebook.com',
    fetch: (request) =>
      (new URL(request.url).hostname === 'graph.facebook.com' ? graph : dialog).fetch(request),
  };
};

export interface MetaToken {
  token: string;
  app: string;
  /** The user id, as the token's app sees it, and the name that the dialog shows. */
  user: string;
  name: string;
  longLived: boolean;
  scopes: string[];
  alive: boolean;
}

/**
 * The tokens issued so far, oldest first. Without `now` only one that was ended is dead, with it an expired
 * one too.
 */
export function metaTokens(store: Store, now?: number): MetaToken[] {
  return tokenRecords(store).map((record) => {
    const person = personNamed(record.person);
    return {
      token: record.token,
      app: record.app,
      user: (record.app === OTHER_APP ? person?.elsewhere : person?.id) ?? '',
      name: record.person,
      longLived: record.longLived,
      scopes: grantedTo(store, record),
      alive: now === undefined ? record.ended === null : isAlive(record, now),
    };
  });
}

/** Ends the living tokens (of one person) as if the password had changed (460), the app been removed (458), … */
export function endMetaTokens(store: Store, ending: Ending, name?: string): void {
  for (const record of tokenRecords(store)) {
    if (record.ended !== null || (name !== undefined && record.person !== name)) continue;
    store.set(`token/${record.token}`, { ...record, ended: ending });
    if (ending === 458) store.delete(`grant/${record.app}/${record.person}`);
  }
}

/** A short-lived token that a person gave to another app: /me takes it all the same. */
export function foreignMetaToken(
  store: Store,
  now: number,
  { name = 'Nora Lind', secret = (value: string) => value } = {},
): string {
  const permissions: Grant['permissions'] = { ads_read: 'granted', public_profile: 'granted' };
  store.set(`grant/${OTHER_APP}/${name}`, { permissions, activeAt: now } satisfies Grant);
  const of = { app: OTHER_APP, person: name, longLived: false, now, seconds: LIFETIME.short };
  return keepToken(store, secret(newToken()), of).token;
}
