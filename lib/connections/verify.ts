import type { Access, Account, Answer, Finding, Provider } from '../../providers/provider.ts';
import type { Meter } from '../meter.ts';
import { send } from '../outbound.ts';
import { Problem } from '../problem.ts';
import { askProvider, providerFailure } from '../provider-failure.ts';

export interface Verified {
  account: Account;
  /** Undefined where the provider does not tell. */
  scopes: string[] | undefined;
  missing: string[];
}

/**
 * Asks the provider whether a credential works and whose it is: one request. Throws a problem:
 * `invalid_credential`, `insufficient_scope`, `provider_error`, `provider_timeout` or `unavailable`.
 */
export async function verify(provider: Provider, access: Access, meter: Meter): Promise<Verified> {
  const answer = await askProvider(provider, () => send(provider.probe.request(access), meter));
  const finding = provider.probe.read(answer, access) ?? byStatus(answer);
  switch (finding?.finding) {
    case 'works':
      return {
        account: { id: finding.account.id, name: displayName(finding.account.name) },
        scopes: finding.scopes,
        missing: finding.missing ?? [],
      };
    case 'refused':
      throw new Problem(
        'invalid_credential',
        finding.detail ?? `${provider.name} does not accept this credential. Check it, or make a new one.`,
      );
    case 'insufficient':
      throw new Problem(
        'insufficient_scope',
        finding.detail ??
          `${provider.name} accepts this credential, but it lacks a permission that is needed.`,
      );
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

/** Names come from outside: no control characters, no odd surrogates, and no more than a line. */
function displayName(name: string | null): string | null {
  const clean = (name ?? '')
    .toWellFormed()
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
  return clean === '' ? null : [...clean].slice(0, 200).join('');
}
