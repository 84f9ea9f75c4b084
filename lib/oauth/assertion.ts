import { importPKCS8, SignJWT } from 'jose';
import type { Assertion } from '../../providers/provider.ts';

// The one file that imports jose.

/**
 * Signs a JWT for use as an assertion (RFC 7523 section 3), RS256. `now` in milliseconds since 1970. Undefined where
 * the private key cannot be read.
 */
export async function signAssertion(assertion: Assertion, now: number): Promise<string | undefined> {
  const key = await importPKCS8(assertion.privateKey, 'RS256').catch(() => undefined);
  if (!key) return undefined;
  const issuedAt = Math.floor(now / 1000);
  return new SignJWT({ ...assertion.claims })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: assertion.keyId })
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + assertion.lifetime)
    .sign(key);
}
