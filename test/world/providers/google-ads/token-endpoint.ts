import { createHash } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';
import type { Code } from './consent-screen.ts';
import { checkForm, oauthError, readForm } from './google.ts';
import { type Grants, LIFETIME, type TokenRecord } from './grants.ts';
import type { IdTokens } from './identity.ts';

/** The authorization server's metadata has no lifetime of a code; RFC 6749 allows ten minutes at most. */
const CODE_LIFETIME = 600_000;
const AUTHENTICATION = ['client_id', 'client_secret'];

/** POST /token (identity/protocols/oauth2/web-server, "Exchange authorization code", "Refreshing"). */
export async function answerToken(
  request: Request,
  { store, client, now, secret }: SimulatorContext,
  grants: Grants,
  idTokens: IdTokens,
): Promise<Response> {
  const form = await readForm(request);
  if (form instanceof Response) return form;
  const grantType = form.grant_type;
  if (!grantType) return oauthError(400, 'invalid_request', 'Required parameter is missing: grant_type');
  const rest = Object.fromEntries(Object.entries(form).filter(([name]) => !AUTHENTICATION.includes(name)));

  const refused = authenticate(request, form);
  if (refused) return refused;
  if (store.get<boolean>('settings.suspendedClient')) {
    return oauthError(401, 'disabled_client', 'The OAuth client was disabled.');
  }
  if (store.get<boolean>('settings.deletedClient')) {
    return oauthError(401, 'deleted_client', 'The OAuth client was deleted.');
  }
  if (grantType === 'authorization_code') return exchange();
  if (grantType === 'refresh_token') return refresh();
  return oauthError(400, 'unsupported_grant_type', `Invalid grant_type: ${grantType}`);

  function authenticate(request: Request, form: Record<string, string>): Response | undefined {
    const [, basic] = /^basic (\S+)$/i.exec(request.headers.get('authorization') ?? '') ?? [];
    const inBody = form.client_id !== undefined || form.client_secret !== undefined;
    // RFC 6749 section 2.3: one method a request.
    if (basic !== undefined && inBody) {
      return oauthError(400, 'invalid_request', 'The client authenticated twice.');
    }
    const [id, given] =
      basic === undefined
        ? [form.client_id, form.client_secret]
        : Buffer.from(basic, 'base64').toString().split(':').map(formDecoded);
    if (!id) return oauthError(400, 'invalid_request', 'Could not determine client ID from request.');
    if (id !== client.id) return oauthError(401, 'invalid_client', 'The OAuth client was not found.');
    if (!given) return oauthError(400, 'invalid_request', 'client_secret is missing.');
    if (given !== client.secret) return oauthError(401, 'invalid_client', 'Unauthorized');
    return undefined;
  }

  function exchange(): Response {
    const refused = checkForm(rest, ['grant_type', 'code', 'redirect_uri'], ['code_verifier']);
    if (refused) return refused;
    const { code: text = '', redirect_uri, code_verifier: verifier } = rest;
    if (!/^4\/0A\w+$/.test(text)) return oauthError(400, 'invalid_grant', 'Malformed auth code.');
    const code = store.get<Code>(`code/${text}`);
    store.delete(`code/${text}`);
    if (!code || now() - code.issuedAt >= CODE_LIFETIME) {
      return oauthError(400, 'invalid_grant', 'Bad Request');
    }
    if (redirect_uri !== code.redirectUri) return oauthError(400, 'redirect_uri_mismatch', 'Bad Request');
    const unproven = checkVerifier(verifier, code.challenge);
    if (unproven !== undefined) return oauthError(400, 'invalid_grant', unproven);
    if (verifier !== undefined) secret(verifier);
    const refreshToken = code.withRefreshToken ? grants.issueRefresh(code.email, code.scopes) : undefined;
    return tokenAnswer(grants.issueAccess(code.email, code.scopes), refreshToken, true, code.nonce);
  }

  function refresh(): Response {
    const refused = checkForm(rest, ['grant_type', 'refresh_token']);
    if (refused) return refused;
    const record = grants.useRefresh(rest.refresh_token ?? '');
    if (!record) return oauthError(400, 'invalid_grant', 'Token has been expired or revoked.');
    if (store.get<boolean>('settings.accountDeleted')) {
      return oauthError(400, 'invalid_grant', 'Account has been deleted');
    }
    if (store.get<boolean>('settings.reauthenticate')) {
      const description = 'reauth related error (invalid_rapt)';
      return oauthError(400, 'invalid_grant', description, { error_subtype: 'invalid_rapt' });
    }
    return tokenAnswer(grants.issueAccess(record.email, record.scopes), record, false, null);
  }

  /** A refresh token is said once; later answers tell only when it ends, if it does. */
  function tokenAnswer(
    access: TokenRecord,
    refreshToken: TokenRecord | undefined,
    isFirst: boolean,
    nonce: string | null,
  ): Response {
    const end = refreshToken?.expiresAt ?? null;
    const body = {
      access_token: access.token,
      expires_in: LIFETIME.access,
      ...(refreshToken && isFirst && { refresh_token: refreshToken.token }),
      scope: access.scopes.join(' '),
      token_type: 'Bearer',
      ...(access.scopes.includes('openid') && { id_token: idTokens.issue(access, nonce) }),
      ...(end !== null && { refresh_token_expires_in: Math.floor((end - now()) / 1000) }),
    };
    const headers = { 'cache-control': 'no-cache, no-store, max-age=0, must-revalidate', pragma: 'no-cache' };
    return Response.json(body, { headers });
  }
}

/** RFC 6749 section 2.3.1. */
function formDecoded(text: string): string {
  return new URLSearchParams(`text=${text}`).get('text') ?? '';
}

/** What is wrong with the verifier; one that nobody announced is as wrong as a missing one. */
function checkVerifier(verifier: string | undefined, challenge: Code['challenge']): string | undefined {
  if (challenge === null) {
    return verifier === undefined ? undefined : 'code_verifier or verifier is not needed.';
  }
  if (verifier === undefined) return 'Missing code verifier.';
  const answer =
    challenge.method === 'plain' ? verifier : createHash('sha256').update(verifier).digest('base64url');
  const fits = /^[\w.~-]{43,128}$/.test(verifier) && answer === challenge.value;
  return fits ? undefined : 'Invalid code verifier.';
}

/**
 * POST /revoke (web-server, "Revoking a token"). That page has the token in the query, too; here it must be
 * in the form, since a query is kept in logs.
 */
export async function answerRevoke(request: Request, grants: Grants): Promise<Response> {
  const form = await readForm(request);
  if (form instanceof Response) return form;
  const refused = checkForm(form, ['token']);
  if (refused) return refused;
  const record = grants.living(form.token ?? '');
  if (!record) return oauthError(400, 'invalid_token', 'Token expired or revoked');
  grants.end(record.email);
  return Response.json({});
}
