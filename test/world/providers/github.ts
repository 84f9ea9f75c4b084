import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { consentPage, readConsent } from '../consent.ts';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import { githubApi } from './github/api.ts';
import { USERS } from './github/fixtures.ts';
import {
  isAlive,
  LIFETIME,
  normalizeScopes,
  randomLetters,
  type TokenBook,
  type TokenRecord,
  tokenBook,
  tokenRecords,
} from './github/tokens.ts';

const AUTHORIZE_ERRORS =
  'https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors';
const TOKEN_ERRORS =
  'https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors';
const CODE_LIFETIME = 600_000;

/** troubleshooting-authorization-request-errors; it is silent on PKCE, so `invalid_request` is a guess. */
const AUTHORIZE_MESSAGES = {
  access_denied: 'The user has denied your application access.',
  application_suspended: 'Your application has been suspended. Contact support@github.com.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
  invalid_request: 'The code challenge must be 43 characters long and its method S256.',
};

/** troubleshooting-oauth-app-access-token-request-errors. */
const TOKEN_MESSAGES = {
  bad_refresh_token: 'The refresh token passed is incorrect or expired.',
  bad_verification_code: 'The code passed is incorrect or expired.',
  incorrect_client_credentials: 'The client_id and/or client_secret passed are incorrect.',
  invalid_request: 'The request has a parameter that this endpoint does not take.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
  unsupported_grant_type: 'The grant type is not supported.',
  unverified_user_email: 'The user must have a verified primary email.',
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

const tokenRequest = z.strictObject({
  client_id: z.string(),
  client_secret: z.string().optional(),
  grant_type: z.string().optional(),
  code: z.string().optional(),
  redirect_uri: z.string().optional(),
  code_verifier: z.string().optional(),
  refresh_token: z.string().optional(),
});

interface Code {
  login: string;
  scopes: string[];
  redirectUri: string;
  challenge: string | null;
  offline: boolean;
  issuedAt: number;
}

/**
 * GitHub as an OAuth App meets it: docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 * and the REST API behind the tokens.
 *
 * Settings in the store: `settings.expiring` (the application has token expiry on), `settings.suspended`,
 * `settings.unverifiedEmail`, `settings.rateLimit`, `settings.retryAfter`.
 */
export const github: SimulatorFactory = (context) => {
  context.secret(context.client.secret);
  const tokens = tokenBook(context);
  const site = githubSite(context, tokens);
  const api = githubApi(context, tokens);
  return {
    provider: 'github',
    host: (hostname) => hostname === 'github.com' || hostname === 'api.github.com',
    fetch: (request) => (new URL(request.url).hostname === 'api.github.com' ? api : site).fetch(request),
  };
};

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

function githubSite({ store, client, now, secret }: SimulatorContext, tokens: TokenBook) {
  const site = new Hono();

  site.on(['GET', 'POST'], '/login/oauth/authorize', async (c) => {
    const search = new URL(c.req.url).searchParams;
    if (search.get('client_id') !== client.id) return c.notFound();
    const query = authorizeQuery.safeParse(Object.fromEntries(search));
    // Stricter than the real page, which ignores what it does not know: a misspelt name should be seen.
    if (!query.success || search.size !== new Set(search.keys()).size) return c.text('Bad request', 400);
    const { redirect_uri, state, code_challenge: challenge, code_challenge_method: method } = query.data;
    const [registered = ''] = client.redirectUris;

    function back(target: string, answer: Record<string, string>) {
      const url = new URL(target);
      for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
      if (state !== undefined) url.searchParams.set('state', state);
      return c.redirect(url.href);
    }
    const refused = (target: string, error: keyof typeof AUTHORIZE_MESSAGES) =>
      back(target, {
        error,
        error_description: AUTHORIZE_MESSAGES[error],
        error_uri: `${AUTHORIZE_ERRORS}/#${error.replaceAll('_', '-')}`,
      });

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
    const asked = (query.data.scope ?? '').split(' ').filter((scope) => scope !== '');
    const scopes = normalizeScopes(asked);
    if (c.req.method === 'GET') {
      const accounts = USERS.map((user) => user.login);
      return c.html(consentPage({ provider: 'GitHub', accounts, scopes, app: 'Reeve' }));
    }

    const consent = await readConsent(c.req.raw);
    if (consent.decision === 'deny') return refused(target, 'access_denied');
    if (!USERS.some((user) => user.login === consent.account)) return c.text('Unprocessable', 422);
    const code = secret(randomLetters(20));
    const kept: Code = {
      login: consent.account,
      // Without a scope the person gives what they gave before.
      scopes:
        asked.length === 0
          ? tokens.granted(consent.account)
          : scopes.filter((scope) => consent.scopes.includes(scope)),
      redirectUri: target,
      challenge: challenge ?? null,
      offline: asked.includes('offline_access'),
      issuedAt: now(),
    };
    store.set(`code/${code}`, kept);
    return back(target, { code });
  });

  site.post('/login/oauth/access_token', async (c) => {
    const body = await readParameters(c);
    const id = body.client_id;
    // Client authentication is in the body; the page knows no Authorization header.
    if (id !== client.id) return c.json({ error: 'Not Found' }, 404);
    const parsed = tokenRequest.safeParse(body);
    if (!parsed.success) return tokenError(c, 'invalid_request');
    const request = parsed.data;
    if (request.client_secret !== client.secret) return tokenError(c, 'incorrect_client_credentials');

    if (request.grant_type === 'refresh_token') {
      const old = tokens.refreshable(request.refresh_token ?? '');
      if (!old) return tokenError(c, 'bad_refresh_token');
      tokens.revoke(old);
      return tokenAnswer(c, tokens.issue(old.login, old.scopes, true));
    }
    if (request.grant_type !== undefined && request.grant_type !== 'authorization_code') {
      return tokenError(c, 'unsupported_grant_type');
    }

    const code = store.get<Code>(`code/${request.code ?? ''}`);
    store.delete(`code/${request.code ?? ''}`);
    if (!code || now() - code.issuedAt >= CODE_LIFETIME) return tokenError(c, 'bad_verification_code');
    if (request.redirect_uri !== undefined && request.redirect_uri !== code.redirectUri) {
      return tokenError(c, 'redirect_uri_mismatch');
    }
    if (!proves(request.code_verifier, code.challenge)) return tokenError(c, 'bad_verification_code');
    if (request.code_verifier !== undefined) secret(request.code_verifier);
    if (store.get<boolean>('settings.unverifiedEmail')) return tokenError(c, 'unverified_user_email');
    const expiring = code.offline || store.get<boolean>('settings.expiring') === true;
    return tokenAnswer(c, tokens.issue(code.login, code.scopes, expiring));
  });

  site.notFound((c) => c.html('<!doctype html><title>Page not found · GitHub</title>', 404));
  return site;
}

/** RFC 7636 section 4.6; a verifier nobody announced is as wrong as a missing one. */
function proves(verifier: string | undefined, challenge: string | null): boolean {
  if (verifier === undefined || challenge === null) return verifier === undefined && challenge === null;
  return (
    /^[\w.~-]{43,128}$/.test(verifier) &&
    createHash('sha256').update(verifier).digest('base64url') === challenge
  );
}

async function readParameters(c: Context): Promise<Record<string, string>> {
  const type = c.req.header('content-type') ?? '';
  if (/^application\/x-www-form-urlencoded\b/i.test(type)) {
    return Object.fromEntries(new URLSearchParams(await c.req.text()));
  }
  if (!/^application\/json\b/i.test(type)) return {};
  const body = z.record(z.string(), z.string()).safeParse(await c.req.json<unknown>().catch(() => undefined));
  return body.success ? body.data : {};
}

function tokenAnswer(c: Context, record: TokenRecord) {
  const expiry =
    record.refresh === null
      ? {}
      : {
          expires_in: LIFETIME.access,
          refresh_token: record.refresh,
          refresh_token_expires_in: LIFETIME.refresh,
        };
  return answer(c, {
    access_token: record.token,
    ...expiry,
    scope: record.scopes.join(','),
    token_type: 'bearer',
  });
}

function tokenError(c: Context, error: keyof typeof TOKEN_MESSAGES) {
  return answer(c, {
    error,
    error_description: TOKEN_MESSAGES[error],
    error_uri: `${TOKEN_ERRORS}/#${error.replaceAll('_', '-')}`,
  });
}

/** An error is HTTP 200 too, and without `Accept: application/json` the answer is a form. */
function answer(c: Context, fields: Record<string, string | number>) {
  if (c.req.header('accept')?.includes('application/json')) return c.json(fields);
  const form = new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)]));
  return c.body(form.toString(), 200, { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' });
}
