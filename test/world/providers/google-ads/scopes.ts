export const ADWORDS = 'https://www.googleapis.com/auth/adwords';

const USERINFO = 'https://www.googleapis.com/auth/userinfo';

/** developers.google.com/identity/protocols/oauth2/scopes, with the short names of OpenID Connect. */
const FULL_NAMES = new Map([
  [ADWORDS, ADWORDS],
  ['openid', 'openid'],
  ['email', `${USERINFO}.email`],
  ['profile', `${USERINFO}.profile`],
  [`${USERINFO}.email`, `${USERINFO}.email`],
  [`${USERINFO}.profile`, `${USERINFO}.profile`],
]);

export const isKnown = (scope: string) => FULL_NAMES.has(scope);

/** Scopes in the form in which tokens have them. */
export function fullNames(scopes: readonly string[]): string[] {
  return [...new Set(scopes.map((scope) => FULL_NAMES.get(scope) ?? scope))];
}

/** Who one is belongs to signing in; only the rest has a box to untick (granular-permissions). */
export const isSignIn = (scope: string) => scope !== ADWORDS;

export function has(scopes: readonly string[], scope: string): boolean {
  return scopes.includes(FULL_NAMES.get(scope) ?? scope);
}
