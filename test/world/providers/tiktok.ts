import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { consentPage, readConsent } from '../consent.ts';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { adsHandlers } from './tiktok/ads.ts';
import { LOGINS } from './tiktok/advertisers.ts';
import { answers } from './tiktok/answers.ts';
import { oauthHandlers } from './tiktok/oauth.ts';
import { type TokenBook, tokenBook, tokenRecords } from './tiktok/tokens.ts';

const portalQuery = z.strictObject({
  app_id: z.string(),
  redirect_uri: z.string(),
  state: z.string().optional(),
  // In the links that the developer portal makes.
  rid: z.string().optional(),
});

type Handler = (c: Context) => Response | Promise<Response>;

/**
 * TikTok API for Business v1.3 (business-api.tiktok.com/portal/docs): authorization of an app by advertisers,
 * and reading their campaigns.
 *
 * Settings in the store: `settings.numericIds` (advertiser ids are JSON numbers), `settings.sameToken`
 * (authorising again gives the token one has), `settings.scope` (the permissions of the app, by number),
 * `settings.throttled` (every call is one too many), `settings.appBlocked`, `settings.serverError`.
 */
export const tiktok: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const tokens = tokenBook(context);
  const app = new Hono();
  addPortal(app, context, tokens);
  addApi(app, context, tokens);
  app.notFound((c) => c.html('<!doctype html><title>404 page not found</title>', 404));
  return {
    provider: 'tiktok',
    host: (hostname) => hostname === 'business-api.tiktok.com',
    fetch: (request) => app.fetch(request),
  };
};

/** The tokens issued so far, oldest first. They do not expire, so a dead one is revoked. */
export function tiktokTokens(
  store: Store,
): Array<{ token: string; login: string; advertisers: string[]; alive: boolean }> {
  return tokenRecords(store).map(({ token, login, revoked }) => ({
    token,
    login,
    advertisers: (LOGINS.get(login) ?? []).map(({ id }) => id),
    alive: !revoked,
  }));
}

/** The page on which an advertiser authorises the app; permissions are the app's and not for ticking. */
function addPortal(app: Hono, { client }: SimulatorContext, tokens: TokenBook) {
  app.on(['GET', 'POST'], '/portal/auth', async (c) => {
    const search = new URL(c.req.url).searchParams;
    const query = portalQuery.safeParse(Object.fromEntries(search));
    if (!query.success || search.size !== new Set(search.keys()).size) return c.text('Bad request', 400);
    const { app_id, redirect_uri, state } = query.data;
    // Nothing is sent to an address the app has not registered, not even an error.
    if (app_id !== client.id || !client.redirectUris.includes(redirect_uri)) {
      return c.text('The app or its redirect URL is invalid', 400);
    }
    if (c.req.method === 'GET') {
      const accounts = [...LOGINS.keys()];
      return c.html(consentPage({ provider: 'TikTok for Business', accounts, scopes: [], app: 'Reeve' }));
    }

    const back = (answer: Record<string, string>) => {
      const url = new URL(redirect_uri);
      for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
      if (state !== undefined) url.searchParams.set('state', state);
      return c.redirect(url.href);
    };
    const consent = await readConsent(c.req.raw);
    // What a cancelled authorization sends is not documented; often it sends nothing at all.
    if (consent.decision === 'deny') {
      return back({ error: 'access_denied', error_description: 'The user cancelled the authorization.' });
    }
    if (!LOGINS.has(consent.account)) return c.text('Unprocessable', 422);
    const code = tokens.issueCode(consent.account);
    return back({ auth_code: code, code });
  });
}

/** Every path ends with a slash: without it there is no such page. */
function addApi(app: Hono, context: SimulatorContext, tokens: TokenBook) {
  const { store } = context;
  const answer = answers(context);
  const oauth = oauthHandlers(context, tokens, answer);
  const ads = adsHandlers(context, tokens, answer);

  const trouble = () => {
    if (store.get<boolean>('settings.serverError')) return answer.refuse(50000);
    if (store.get<boolean>('settings.throttled')) return answer.refuse(40100);
    return store.get<boolean>('settings.appBlocked') ? answer.refuse(40113) : undefined;
  };
  const on = (method: 'GET' | 'POST', path: string, handler: Handler) => {
    app.on(method, `/open_api/v1.3${path}`, (c) => trouble() ?? handler(c));
    app.all(`/open_api/v1.3${path}`, (c) => c.text('405 method not allowed', 405));
  };

  on('POST', '/oauth2/access_token/', oauth.accessToken);
  on('GET', '/oauth2/advertiser/get/', oauth.advertisers);
  on('POST', '/oauth2/revoke_token/', oauth.revokeToken);
  on('GET', '/advertiser/info/', ads.info);
  on('GET', '/campaign/get/', ads.campaigns);
  on('GET', '/report/integrated/get/', ads.report);
}
