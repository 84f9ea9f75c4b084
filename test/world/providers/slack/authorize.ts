import type { Context } from 'hono';
import { z } from 'zod';
import { consentPage, readConsent } from '../../consent.ts';
import type { SimulatorContext } from '../../simulator.ts';
import { issueCode } from './oauth.ts';
import { readScopes } from './scopes.ts';
import { SITES, siteKey } from './workspaces.ts';

const authorizeQuery = z.strictObject({
  client_id: z.string(),
  scope: z.string().optional(),
  user_scope: z.string().optional(),
  redirect_uri: z.string().optional(),
  state: z.string().optional(),
  team: z.string().optional(),
  code_challenge: z.string().optional(),
  code_challenge_method: z.string().optional(),
});

/** A bot scope and a user scope can have the same name, so a box for a user scope says that it is one. */
const USER = 'as user: ';

/**
 * The page on which a person approves (docs.slack.dev/authentication/installing-with-oauth). All that is wrong
 * with the request is told there and not to the redirect URI. Scopes can be unticked as if all were optional.
 */
export function authorizePage(context: SimulatorContext, legacy: boolean) {
  const { store, client } = context;
  const wrong = (c: Context, error: string) => c.text(`Something went wrong: ${error}`, 400);

  return async (c: Context): Promise<Response> => {
    const search = new URL(c.req.url).searchParams;
    const query = authorizeQuery.safeParse(Object.fromEntries(search));
    // Stricter than the real page, which ignores what it does not know: a misspelt name should be seen.
    if (!query.success || search.size !== new Set(search.keys()).size) return wrong(c, 'invalid_arguments');
    const { client_id, scope, user_scope, redirect_uri, state = '', team } = query.data;
    if (client_id !== client.id) return wrong(c, 'invalid_client_id');
    const redirectUri = redirect_uri ?? client.redirectUris[0] ?? '';
    if (!client.redirectUris.some((registered) => isWithin(redirectUri, registered))) {
      return wrong(c, `redirect_uri did not match any configured URIs. Passed URI: ${redirectUri}`);
    }
    const bot = readScopes(scope, 'bot');
    const user = readScopes(user_scope, 'user');
    if (!bot || !user) return wrong(c, 'invalid_scope');
    if (bot.length + user.length === 0) return wrong(c, 'no_scopes');

    const inOrganization = store.get<boolean>('settings.orgInstall') === true;
    const sites = SITES.filter((site) => (site.team === null) === inOrganization).sort(
      (a, b) => Number(siteKey(b) === team) - Number(siteKey(a) === team),
    );
    if (c.req.method === 'GET') {
      const accounts = sites.map(({ name }) => name);
      const scopes = [...bot, ...user.map((name) => USER + name)];
      return c.html(consentPage({ provider: 'Slack', accounts, scopes, app: 'Reeve' }));
    }

    const back = (answer: Record<string, string>) => {
      const url = new URL(redirectUri);
      // The state comes back even if none was sent, and is empty then.
      for (const [name, value] of Object.entries({ ...answer, state })) url.searchParams.set(name, value);
      return c.redirect(url.href);
    };
    const consent = await readConsent(c.req.raw);
    if (consent.decision === 'deny') return back({ error: 'access_denied' });
    const site = sites.find(({ name }) => name === consent.account);
    if (!site) return c.text('Unprocessable', 422);
    const code = issueCode(context, {
      site: siteKey(site),
      scopes: {
        bot: bot.filter((name) => consent.scopes.includes(name)),
        user: user.filter((name) => consent.scopes.includes(USER + name)),
      },
      redirectUri,
      named: redirect_uri !== undefined,
      pkce: (query.data.code_challenge ?? query.data.code_challenge_method) !== undefined,
      legacy,
    });
    return back({ code });
  };
}

/**
 * "Must match or be a subdirectory". It must be https too, but that is seen to when it is registered: an
 * address of the local stack is not.
 */
function isWithin(wanted: string, registered: string): boolean {
  if (!URL.canParse(wanted) || wanted.includes('#')) return false;
  const [url, base] = [new URL(wanted), new URL(registered)];
  const below =
    url.pathname === base.pathname || url.pathname.startsWith(`${base.pathname.replace(/\/$/, '')}/`);
  return url.origin === base.origin && url.search === base.search && below;
}
