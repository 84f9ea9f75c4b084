import { compactVerify, decodeJwt } from 'jose';
import type { App } from './app.ts';
import { refuse } from './door.ts';

const UNREADABLE = 'A JSON web token could not be decoded';
const EXPIRED =
  "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires";
const TOO_FAR = "'Expiration time' claim ('exp') is too far in the future";
const ISSUED =
  "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
const LONGEST = 600;

/**
 * Why a call is not the App's (generating-a-json-web-token-jwt-for-a-github-app), or the JWT that proves that
 * it is. The page tolerates no clock that is ahead, hence its advice to set `iat` a minute back. Its messages
 * are those that octokit/auth-app.js and its issues quote; the status for an unknown issuer, 404, is too.
 */
export async function readJwt(
  authorization: string | undefined,
  app: App,
  now: number,
): Promise<string | Response> {
  // `token` in place of `Bearer` is for other tokens.
  const [, jwt = ''] = /^bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '') ?? [];
  const claims = decode(jwt);
  if (claims?.iss === undefined) return refuse(401, UNREADABLE);
  if (![String(app.id), app.clientId].includes(String(claims.iss)))
    return refuse(404, 'Integration not found');
  if (!app.publicKey) return refuse(401, 'Integration must generate a public key');
  try {
    await compactVerify(jwt, app.publicKey, { algorithms: ['RS256'] });
  } catch {
    return refuse(401, UNREADABLE);
  }
  const seconds = Math.floor(now / 1000);
  const { exp, iat } = claims;
  if (!isWhole(exp) || exp <= seconds) return refuse(401, EXPIRED);
  if (exp > seconds + LONGEST) return refuse(401, TOO_FAR);
  if (!isWhole(iat) || iat > seconds) return refuse(401, ISSUED);
  return jwt;
}

function decode(jwt: string): { iss?: unknown; exp?: unknown; iat?: unknown } | undefined {
  try {
    return decodeJwt(jwt);
  } catch {
    return undefined;
  }
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value);
}
