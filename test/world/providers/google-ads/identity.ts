import { createHash, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';
import { bearerToken, randomLetters } from './google.ts';
import { type Grants, LIFETIME, type TokenRecord } from './grants.ts';
import { person } from './people.ts';
import { has } from './scopes.ts';

/** Takes long to make, and is of use to nobody: its certificate is published nowhere. */
let key: KeyObject | undefined;

/** Signs id tokens (identity/openid-connect/openid-connect). */
export type IdTokens = ReturnType<typeof idTokenSigner>;

export function idTokenSigner({ client, now, secret }: SimulatorContext) {
  const keyId = randomLetters(40);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

  return {
    issue(access: TokenRecord, nonce: string | null): string {
      key ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
      const iat = Math.floor(now() / 1000);
      const digest = createHash('sha256').update(access.token).digest();
      const claims = {
        iss: 'https://accounts.google.com',
        azp: client.id,
        aud: client.id,
        ...claimsOf(access),
        at_hash: digest.subarray(0, 16).toString('base64url'),
        ...(nonce !== null && { nonce }),
        iat,
        exp: iat + LIFETIME.access + 1,
      };
      const unsigned = `${encode({ alg: 'RS256', kid: keyId, typ: 'JWT' })}.${encode(claims)}`;
      return secret(`${unsigned}.${createSign('RSA-SHA256').update(unsigned).sign(key, 'base64url')}`);
    },
  };
}

function claimsOf({ email, scopes }: TokenRecord) {
  const who = person(email);
  return {
    sub: who?.sub,
    ...(has(scopes, 'email') && { email, email_verified: true }),
    ...(has(scopes, 'profile') && { name: who?.name, given_name: who?.name.split(' ')[0] }),
  };
}

/** openidconnect.googleapis.com/v1/userinfo; errors as in RFC 6750. */
export function answerUserinfo(request: Request, grants: Grants): Response {
  const record = grants.livingAccess(bearerToken(request) ?? '');
  if (!record) return refusal(401, 'invalid_request', 'Invalid Credentials');
  if (!has(record.scopes, 'openid')) {
    return refusal(403, 'insufficient_scope', 'The token does not hold the scope openid.');
  }
  return Response.json(claimsOf(record));
}

function refusal(status: number, error: string, description: string): Response {
  const realm = 'Bearer realm="https://accounts.google.com/"';
  return Response.json(
    { error, error_description: description },
    {
      status,
      headers: { 'www-authenticate': `${realm}, error="${error}", error_description="${description}"` },
    },
  );
}
