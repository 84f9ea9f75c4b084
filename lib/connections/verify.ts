import type { Access, Account, Answer, Finding, Provider } from '../../providers/provider.ts';
import type { Meter } from '../meter.ts';
import { accountId, grantedScopes, shownDetail, shownName } from '../outside.ts';
import { Problem } from '../problem.ts';
import { askProvider, providerFailure, rateLimited } from '../provider-failure.ts';

export interface Verified {
  account: Account;
  /** Undefined where the provider does not tell. */
  scopes: string[] | undefined;
  missing: string[];
  /** When the credential ends at the latest, and only a person can make another. */
  endsAt: Date | undefined;
}

/**
 * Asks the provider whether a credential works and whose it is, by its probe. Throws a problem:
 * `invalid_credential`, `insufficient_scope`, `provider_error`, `provider_timeout` or `unavailable`.
 */
export async function verify(provider: Provider, access: Access, meter: Meter): Promise<Verified> {
  const { result, answer } = await askProvider(provider, access.config, provider.probe(access), meter);
  const finding = result ?? byStatus(answer);
  switch (finding?.finding) {
    case 'works':
      if (!accountId.safeParse(finding.account.id).success) throw providerFailure(provider, answer);
      return {
        account: { id: finding.account.id, name: shownName(finding.account.name) },
        scopes: finding.scopes && grantedScopes(finding.scopes),
        missing: finding.missing ?? [],
        endsAt: finding.endsAt,
      };
    case 'refused':
      throw new Problem(
        'invalid_credential',
        shownDetail(
          finding.detail ?? `${provider.name} does not accept this credential. Check it, or make a new one.`,
        ),
      );
    case 'insufficient':
      throw new Problem(
        'insufficient_scope',
        shownDetail(
          finding.detail ??
            `${provider.name} accepts this credential, but it lacks a permission that is needed.`,
        ),
      );
    case 'client_refused':
      throw new Problem(
        'provider_error',
        `${provider.name} refuses Reeve’s own app at the moment, whatever the account. Nothing was changed; ask whoever runs Reeve.`,
        { reason: `our client refused, ${finding.reason}` },
      );
    case 'limited':
      throw rateLimited(provider, finding.retryAfter);
    case undefined:
      throw providerFailure(provider, answer);
  }
}

/** A refusal that is no JSON comes from something in front of the API, and says nothing of the credential. */
function byStatus({ status, json }: Answer): Finding | undefined {
  if (json === undefined) return undefined;
  if (status === 401) return { finding: 'refused' };
  return status === 403 ? { finding: 'insufficient' } : undefined;
}
