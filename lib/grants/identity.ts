import type { Provider } from '../../providers/provider.ts';
import { hmacSha256, toHex, toUtf8 } from '../bytes.ts';
import type { Services } from '../services.ts';

/**
 * By what a credential is known again without being shown: two rows with the same one hold the same access token or
 * key. A hash under a key of its own, of use to nobody without that.
 */
export async function credentialId(
  { config }: Services,
  providerId: string,
  credential: string,
): Promise<string> {
  return toHex(await hmacSha256(toUtf8(config.GRANT_KEY), `credential ${providerId} ${credential}`));
}

/**
 * The identity of the grant that a token of a sign-in is of: the account's, which has given our app access, or the
 * token's own where each token ends for itself. Undefined while it is not known whose account it is.
 */
export async function grantOfToken(
  services: Services,
  { id, auth }: Provider,
  { accessToken, account }: { accessToken: string; account: string | undefined },
): Promise<string | undefined> {
  if (auth.type === 'oauth' && auth.grant.of === 'token') return credentialId(services, id, accessToken);
  return account;
}

/** Whether a grant is the very credential that its connection makes calls with, and has its id. */
export function isKnownByCredential({ auth }: Provider): boolean {
  return auth.type === 'oauth' ? auth.grant.of === 'token' : auth.grant === undefined;
}

/** The identity of the grant that a pasted key is: the key's own. */
export function grantOfKey(services: Services, providerId: string, key: string): Promise<string> {
  return credentialId(services, providerId, key);
}
