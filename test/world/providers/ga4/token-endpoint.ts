import { verify } from 'node:crypto';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { checkForm, oauthError, readForm } from '../google-ads/google.ts';
import { SCOPES } from './scopes.ts';
import { accountOf, keysOf } from './service-accounts.ts';
import { issueToken, LIFETIME } from './tokens.ts';

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const AUDIENCE = 'https://oauth2.googleapis.com/token';
const LONGEST = 3600;
const SKEW = 300;

/** Google's own libraries send neither `typ` nor `kid`; what is sent must be right. */
const headerSchema = z.strictObject({
  alg: z.string(),
  typ: z.literal('JWT').optional(),
  kid: z.string().optional(),
});
/** The service takes dates as text, too, and claims it does not know; no page says so. */
const claimsSchema = z.strictObject({
  iss: z.string(),
  scope: z.string().default(''),
  aud: z.unknown(),
  iat: z.int().optional(),
  exp: z.int().optional(),
  sub: z.string().optional(),
});

/**
 * POST /token for a service account (identity/protocols/oauth2/service-account, "HTTP/REST"); the order of the
 * checks is the one seen at the service: shape, account, signature, dates, scope, audience.
 */
export async function answerToken(request: Request, context: SimulatorContext): Promise<Response> {
  const { store, now, secret } = context;
  const form = await readForm(request);
  if (form instanceof Response) return form;
  const refused = checkForm(form, ['grant_type', 'assertion']);
  if (refused) return refused;
  const assertion = secret(form.assertion ?? '');
  const badGrant = (description: string) => oauthError(400, 'invalid_grant', description);

  const [header, claims] = assertion.split('.').map(decode);
  const head = headerSchema.safeParse(header);
  const body = claimsSchema.safeParse(claims);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion) || !head.success || !body.success) {
    return oauthError(400, 'invalid_request', 'Bad Request');
  }
  const { iss, scope, aud, iat, exp, sub } = body.data;
  const account = accountOf(store, iss);
  if (!account || account.isDeleted) return badGrant('Invalid grant: account not found');
  const key = head.data.alg === 'RS256' ? signedBy(assertion, iss, head.data.kid) : undefined;
  if (!key) return badGrant('Invalid JWT Signature.');
  // "Error codes" there; the status is that of a disabled client of another kind.
  if (key.isDisabled) return oauthError(401, 'disabled_client', 'The OAuth client was disabled.');
  if (iat === undefined) return badGrant('Invalid JWT: iat (issued at) is not set.');
  if (exp === undefined) return badGrant('Invalid JWT: exp (expiration time) is not set.');
  const time = Math.floor(now() / 1000);
  if (iat > time + SKEW || exp < time - SKEW || exp <= iat || exp > iat + LONGEST) {
    return badGrant(
      'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your ' +
        'iat and exp values in the JWT claim.',
    );
  }
  const scopes = scope.split(' ').filter((name) => name !== '');
  // For a scope it does not know the service answers with an id token alone; no page says so.
  if (scopes.length === 0 || !scopes.every((name) => SCOPES.includes(name))) {
    return oauthError(400, 'invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
  }
  if (aud !== AUDIENCE) return badGrant('Invalid JWT: Failed audience check.');
  if (sub !== undefined) {
    // Nobody here has been given the authority of a domain.
    const description =
      'Client is unauthorized to retrieve access tokens using this method, or client not authorized for any ' +
      'of the scopes requested.';
    return oauthError(401, 'unauthorized_client', description);
  }
  const { token } = issueToken(context, iss, scopes);
  return Response.json(
    { access_token: token, expires_in: LIFETIME, token_type: 'Bearer' },
    { headers: { 'cache-control': 'no-cache, no-store, max-age=0, must-revalidate' } },
  );

  function signedBy(assertion: string, email: string, keyId: string | undefined) {
    const end = assertion.lastIndexOf('.');
    const signature = Buffer.from(assertion.slice(end + 1), 'base64url');
    return keysOf(store, email)
      .filter(({ id }) => keyId === undefined || keyId === id)
      .find(({ publicKey }) =>
        verify('RSA-SHA256', Buffer.from(assertion.slice(0, end)), publicKey, signature),
      );
  }
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return undefined;
  }
}
