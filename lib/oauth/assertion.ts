import { createPrivateKey } from 'node:crypto';
import { importPKCS8, SignJWT } from 'jose';
import type { Assertion } from '../../providers/provider.ts';

// The one file that imports jose.

/**
 * Signs a JWT for use as an assertion (RFC 7523 section 3), RS256. `now` in milliseconds since 1970. Undefined where
 * the private key cannot be read.
 */
export async function signAssertion(assertion: Assertion, now: number): Promise<string | undefined> {
  const pem = toPkcs8(assertion.privateKey);
  const key = pem && (await importPKCS8(pem, 'RS256').catch(() => undefined));
  if (!key) return undefined;
  const issuedAt = Math.floor(now / 1000);
  return new SignJWT({ ...assertion.claims })
    .setProtectedHeader({
      alg: 'RS256',
      typ: 'JWT',
      ...(assertion.keyId !== undefined && { kid: assertion.keyId }),
    })
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + assertion.lifetime)
    .sign(key);
}

/** Some hand out keys in PKCS#1, which Web Crypto does not read; in a variable line ends may stand as `\\n`. */
function toPkcs8(privateKey: string): string | undefined {
  const pem = privateKey.replaceAll('\\n', '\n');
  if (!pem.includes('BEGIN RSA PRIVATE KEY')) return pem;
  try {
    return String(createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }));
  } catch {
    return undefined;
  }
}
