import type { Answer, Config, Dialogue, Provider, TokenResult, Tokens } from '../../providers/provider.ts';
import type { Meter } from '../meter.ts';
import { keptOf } from '../outside.ts';
import { Problem } from '../problem.ts';
import { askProvider, providerFailure, rateLimited } from '../provider-failure.ts';

/** What the provider says of errors at its token endpoint. */
interface TokenErrors {
  /** Errors that mean a bad key; none where a code is exchanged, which says nothing of a credential. */
  dead?: readonly string[];
  clientErrors?: readonly string[];
}

/**
 * Tokens did not come as they must, or did and cannot be kept: `brought` lives at the provider, and is to be ended. Where
 * it `isUnheard` there may be some of which nobody knows.
 */
export class TokenProblem extends Problem {
  readonly brought: Tokens | undefined;
  readonly isUnheard: boolean;

  constructor(
    problem: Problem,
    { brought, isUnheard }: { brought?: Tokens | undefined; isUnheard: boolean },
  ) {
    const { code, detail, errors, retryAfter, reason } = problem;
    super(code, detail, { retryAfter, ...(errors && { errors }), ...(reason !== undefined && { reason }) });
    this.brought = brought;
    this.isUnheard = isUnheard;
  }
}

/**
 * Holds the dialogue by which a code or a key becomes tokens. Nothing in it is repeated, since a code works once.
 * Throws a `TokenProblem`, `invalid_credential` for the errors in `dead`, else `provider_error`, `provider_timeout` or
 * `unavailable`.
 */
export async function requestTokens(
  provider: Provider,
  config: Config,
  dialogue: Dialogue<TokenResult>,
  { dead = [], clientErrors = [] }: TokenErrors,
  meter: Meter,
): Promise<Tokens> {
  const { result, answer } = await askProvider(provider, config, dialogue, meter).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error;
    throw new TokenProblem(error, { isUnheard: error.reason !== 'redirect' && error.reason !== 'host' });
  });
  if ('tokens' in result) return keptOf(result.tokens);
  const { brought } = result;
  // What stands before a provider answers for it when that is too late.
  const isUnheard = !brought && (answer.status >= 500 || ('unreadable' in result && answer.status < 300));
  throw new TokenProblem(refusal(provider, result, answer, { dead, clientErrors }), { brought, isUnheard });
}

function refusal(
  provider: Provider,
  result: Exclude<TokenResult, { tokens: Tokens }>,
  answer: Answer,
  { dead, clientErrors }: Required<TokenErrors>,
): Problem {
  if ('limited' in result) return rateLimited(provider, result.limited);
  if ('error' in result && dead.includes(result.error)) {
    return new Problem(
      'invalid_credential',
      result.detail ?? `${provider.name} does not accept this key. Check it, or make a new one.`,
    );
  }
  if (answer.status === 429 || answer.status >= 500) return providerFailure(provider, answer);
  const ours = 'error' in result && clientErrors.includes(result.error);
  const detail = 'error' in result ? result.detail : undefined;
  return new Problem(
    'provider_error',
    detail ??
      `${provider.name} did not complete the sign-in. Nothing was changed; ${ours ? 'ask whoever runs Reeve.' : 'start connecting again.'}`,
    {
      reason:
        'error' in result
          ? `${ours ? 'our client refused, ' : ''}token error ${knownError(result.error)}`
          : `token answer, status ${answer.status}`,
    },
  );
}

/** An error code as RFC 6749 spells them; what else a server may put there does not go to the log. */
function knownError(error: string): string {
  return /^[a-z0-9_]{1,64}$/.test(error) ? error : 'of an odd form';
}
