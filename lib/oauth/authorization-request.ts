import { CodeChallengeMethod, generateState, OAuth2Client } from 'arctic';
import type { Config, OAuth2, OAuthClient } from '../../providers/provider.ts';

// arctic ended in July 2026; this is the one file that imports it.

/** 32 random bytes in base64url (RFC 6749 section 10.12). */
export const newState = generateState;

/** The authorization request (RFC 6749 section 4.1.1, RFC 7636 section 4.3) as a URL for the browser. */
export function authorizationUrl(
  auth: OAuth2,
  client: OAuthClient,
  flow: { state: string; codeVerifier: string; redirectUri: string; config: Config },
): URL {
  const arctic = new OAuth2Client(client.id, null, flow.redirectUri);
  const endpoint = auth.authorizationEndpoint(flow.config);
  const url = auth.pkce
    ? arctic.createAuthorizationURLWithPKCE(
        endpoint,
        flow.state,
        CodeChallengeMethod.S256,
        flow.codeVerifier,
        auth.scopes,
      )
    : arctic.createAuthorizationURL(endpoint, flow.state, auth.scopes);
  if (auth.scopes.length === 0) url.searchParams.delete('scope');
  else url.searchParams.set('scope', auth.scopes.join(auth.scopeSeparator));
  const standard = Object.fromEntries(url.searchParams);
  url.search = new URLSearchParams(auth.authorizationParameters?.(standard) ?? standard).toString();
  return url;
}
