import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import type { App } from './app.ts';
import type { CodeBook } from './codes.ts';
import { LIFETIME, type TokenBook, type TokenRecord } from './tokens.ts';

const ERRORS_PAGE =
  'https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors';

/** troubleshooting-oauth-app-access-token-request-errors. */
const MESSAGES = {
  bad_refresh_token: 'The refresh token passed is incorrect or expired.',
  bad_verification_code: 'The code passed is incorrect or expired.',
  incorrect_client_credentials: 'The client_id and/or client_secret passed are incorrect.',
  invalid_request: 'The request has a parameter that this endpoint does not take.',
  redirect_uri_mismatch: 'The redirect_uri MUST match the registered callback URL for this application.',
  unsupported_grant_type: 'The grant type is not supported.',
  unverified_user_email: 'The user must have a verified primary email.',
};

const tokenRequest = z.strictObject({
  client_id: z.string(),
  client_secret: z.string().optional(),
  grant_type: z.string().optional(),
  code: z.string().optional(),
  redirect_uri: z.string().optional(),
  code_verifier: z.string().optional(),
  refresh_token: z.string().optional(),
});

/**
 * POST /login/oauth/access_token. A GitHub App's tokens expire unless `settings.expiring` is false, those of
 * an OAuth App where it is true or the person was asked for `offline_access`. Not here: `repository_id`.
 */
export function tokenEndpoint(
  { store, client, secret }: SimulatorContext,
  app: App | null,
  tokens: TokenBook,
  codes: CodeBook,
): Hono {
  const endpoint = new Hono();

  endpoint.post('/login/oauth/access_token', async (c) => {
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

    const code = codes.redeem(request.code ?? '');
    if (!code) return tokenError(c, 'bad_verification_code');
    if (request.redirect_uri !== undefined && request.redirect_uri !== code.redirectUri) {
      return tokenError(c, 'redirect_uri_mismatch');
    }
    if (!proves(request.code_verifier, code.challenge)) return tokenError(c, 'bad_verification_code');
    if (request.code_verifier !== undefined) secret(request.code_verifier);
    if (store.get<boolean>('settings.unverifiedEmail')) return tokenError(c, 'unverified_user_email');
    const isExpiring = store.get<boolean>('settings.expiring') ?? app !== null;
    return tokenAnswer(c, tokens.issue(code.login, code.scopes, code.offline || isExpiring));
  });

  return endpoint;
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

function tokenError(c: Context, error: keyof typeof MESSAGES) {
  return answer(c, {
    error,
    error_description: MESSAGES[error],
    error_uri: `${ERRORS_PAGE}/#${error.replaceAll('_', '-')}`,
  });
}

/** An error is HTTP 200 too, and without `Accept: application/json` the answer is a form. */
function answer(c: Context, fields: Record<string, string | number>) {
  if (c.req.header('accept')?.includes('application/json')) return c.json(fields);
  const form = new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)]));
  return c.body(form.toString(), 200, { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' });
}
