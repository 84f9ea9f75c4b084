import type { Access, Account, Answer, Finding, Provider } from '../../providers/provider.ts';
import type { Meter } from '../meter.ts';
import { OutboundError, send } from '../outbound.ts';
import { Problem } from '../problem.ts';

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
  const answer = await ask(provider, () => send(provider.probe.request(access), meter));
  const finding = provider.probe.read(answer, access) ?? byStatus(answer.status);
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

/** Makes a call to a provider, and turns what keeps an answer from coming into a problem. */
export async function ask(provider: Provider, call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    if (error.failure === 'timeout') {
      throw new Problem(
        'provider_timeout',
        `${provider.name} did not answer in time. Nothing was changed; try again.`,
        {
          reason: error.failure,
        },
      );
    }
    throw unexpected(provider, error.failure);
  }
}

/** The problem an answer stands for that tells nothing about the credential. */
export function providerFailure(provider: Provider, answer: Answer): Problem {
  if (answer.status !== 429) return unexpected(provider, `status ${answer.status}`);
  return new Problem(
    'unavailable',
    `${provider.name} is limiting requests at the moment. Try again a little later.`,
    {
      retryAfter: retryAfterSeconds(answer.headers.get('retry-after'), Date.now()),
      reason: 'provider rate limit',
    },
  );
}

function byStatus(status: number): Finding | undefined {
  if (status === 401) return { finding: 'refused' };
  return status === 403 ? { finding: 'insufficient' } : undefined;
}

function unexpected(provider: Provider, reason: string): Problem {
  return new Problem(
    'provider_error',
    `${provider.name} gave an answer that we could not use. Nothing was changed; try again.`,
    { reason },
  );
}

/** Retry-After (RFC 9110 section 10.2.3), in seconds or as a date; a minute where it is missing or odd. */
function retryAfterSeconds(value: string | null, now: number): number {
  if (value === null) return 60;
  const seconds = /^\d{1,5}$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return seconds > 0 && seconds <= 86_400 ? Math.ceil(seconds) : 60;
}

/** Names come from outside: no control characters, no odd surrogates, and no more than a line. */
function displayName(name: string | null): string | null {
  const clean = (name ?? '')
    .toWellFormed()
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
  return clean === '' ? null : [...clean].slice(0, 200).join('');
}
