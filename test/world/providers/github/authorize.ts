import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { consentPage, readConsent } from '../../consent.ts';
import type { SimulatorContext } from '../../simulator.ts';
import { USERS } from './accounts.ts';
import type { App } from './app.ts';
import type { CodeBook } from './codes.ts';
import { normalizeScopes, type TokenBook } from './tokens.ts';

const ERRORS_PAGE =
  'https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors';

/** troubleshooting-authorization-request-errors; it is silent on PKCE, so `invalid_request` is a guess. */
const MESSAGES = {
  access_denied: 'The user has denied your application access.',
  application_suspended: 'Your application has been suspended. Contact support@github.com.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
  invalid_request: 'The code challenge must be 43 characters long and its method S256.',
};

const authorizeQuery = z.strictObject({
  client_id: z.string(),
  redirect_uri: z.string().optional(),
  scope: z.string().optional(),
  state: z.string().optional(),
  code_challenge: z.string().optional(),
  code_challenge_method: z.string().optional(),
  login: z.string().optional(),
  allow_signup: z.enum(['true', 'false']).optional(),
  prompt: z.literal('select_account').optional(),
  // In no table of GitHub's, but every OAuth library sends it and nothing comes of it.
  response_type: z.literal('code').optional(),
});

/** apps/github-authentication-discovery-endpoints; since April 2026 each authorization response names it (RFC 9207). */
const ISSUER = 'https://github.com/login/oauth';

/** Sends the browser back with the answer, the issuer and, where there was one, the state. */
export function sendBack(
  c: Context,
  target: string,
  answer: Record<string, string>,
  state: string | undefined,
): Response {
  const url = new URL(target);
  for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
  if (state !== undefined) url.searchParams.set('state', state);
  if ('code' in answer || 'error' in answer) url.searchParams.set('iss', ISSUER);
  return c.redirect(url.href);
}

/** The page on which a person authorizes the application; a GitHub App has no use for `scope`. */
export function authorizePage(
  { store, client }: SimulatorContext,
  app: App | null,
  tokens: TokenBook,
  codes: CodeBook,
): Hono {
  const page = new Hono();

  page.on(['GET', 'POST'], '/login/oauth/authorize', async (c) => {
    const search = new URL(c.req.url).searchParams;
    if (search.get('client_id') !== client.id) return c.notFound();
    const query = authorizeQuery.safeParse(Object.fromEntries(search));
    // Stricter than the real page, which ignores what it does not know: a misspelt name should be seen.
    if (!query.success || search.size !== new Set(search.keys()).size) return c.text('Bad request', 400);
    const { redirect_uri, state, code_challenge: challenge, code_challenge_method: method } = query.data;
    const [registered = ''] = client.redirectUris;

    const refused = (target: string, error: keyof typeof MESSAGES) => {
      const error_uri = `${ERRORS_PAGE}/#${error.replaceAll('_', '-')}`;
      return sendBack(c, target, { error, error_description: MESSAGES[error], error_uri }, state);
    };

    if (store.get<boolean>('settings.suspended')) return refused(registered, 'application_suspended');
    if (redirect_uri !== undefined && !client.redirectUris.includes(redirect_uri)) {
      return refused(registered, 'redirect_uri_mismatch');
    }
    const target = redirect_uri ?? registered;
    const unproven = challenge === undefined && method === undefined;
    if (!unproven && !(method === 'S256' && /^[\w-]{43}$/.test(challenge ?? ''))) {
      return refused(target, 'invalid_request');
    }

    // `offline_access` asks for a kind of token, not for a permission the person could refuse.
    const asked = app ? [] : (query.data.scope ?? '').split(' ').filter((scope) => scope !== '');
    const scopes = normalizeScopes(asked);
    if (c.req.method === 'GET') {
      const accounts = USERS.map((user) => user.login);
      return c.html(consentPage({ provider: 'GitHub', accounts, scopes, app: 'Reeve' }));
    }

    const consent = await readConsent(c.req.raw);
    if (consent.decision === 'deny') return refused(target, 'access_denied');
    if (!USERS.some((user) => user.login === consent.account)) return c.text('Unprocessable', 422);
    const code = codes.issue({
      login: consent.account,
      // Without a scope the person gives what they gave before.
      scopes:
        asked.length === 0
          ? tokens.granted(consent.account)
          : scopes.filter((scope) => consent.scopes.includes(scope)),
      redirectUri: target,
      challenge: challenge ?? null,
      offline: asked.includes('offline_access'),
    });
    return sendBack(c, target, { code }, state);
  });

  return page;
}
