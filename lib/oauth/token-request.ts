import type { CodeExchange, OAuth2, Provider, Tokens } from '../../providers/provider.ts';
import type { Meter } from '../meter.ts';
import { send } from '../outbound.ts';
import { Problem } from '../problem.ts';
import { askProvider, providerFailure } from '../provider-failure.ts';

/**
 * Exchanges the code for tokens (RFC 6749 section 4.1.3): one request, never repeated, since a code works once.
 * Throws `provider_error`, `provider_timeout` or `unavailable`.
 */
export async function requestTokens(
  provider: Provider,
  auth: OAuth2,
  exchange: CodeExchange,
  meter: Meter,
): Promise<Tokens> {
  const answer = await askProvider(provider, () => send(auth.codeRequest(exchange), meter));
  if (answer.status === 429 || answer.status >= 500) throw providerFailure(provider, answer);
  const result = auth.tokens(answer);
  if ('tokens' in result) return result.tokens;
  throw new Problem(
    'provider_error',
    `${provider.name} did not complete the sign-in. Nothing was changed; start connecting again.`,
    {
      reason:
        'error' in result
          ? `token error ${knownError(result.error)}`
          : `token answer, status ${answer.status}`,
    },
  );
}

/** An error code as RFC 6749 spells them; what else a server may put there does not go to the log. */
function knownError(error: string): string {
  return /^[a-z_]{1,64}$/.test(error) ? error : 'of an odd form';
}
