import type { Provider } from '../../providers/provider.ts';
import type { Verified } from './verify.ts';

/** What a connector needs and the credential lacks: as the provider says, or by the scopes that were granted. */
export function missingScopes(
  provider: Provider,
  verified: Pick<Verified, 'scopes' | 'missing'> | undefined,
): string[] {
  if (!verified) return [];
  const { auth } = provider;
  const { scopes, missing } = verified;
  if (auth.type !== 'oauth' || scopes === undefined) return missing;
  const covers = auth.covers ?? ((granted, asked) => granted.includes(asked));
  return [...missing, ...auth.scopes.filter((scope) => !covers(scopes, scope))];
}
