import type { Answer, Config, Dialogue, Provider } from '../providers/provider.ts';
import { hold } from './dialogue.ts';
import type { Meter } from './meter.ts';
import { OutboundError, outletOf } from './outbound.ts';
import { Problem } from './problem.ts';

/** The longest wait that a provider is known to mean, in seconds: a monthly allowance that is used up. */
const LONGEST_WAIT = 31 * 86_400;

/** Holds a dialogue with a provider, and turns what keeps an answer from coming into a problem. */
export async function askProvider<Result>(
  provider: Provider,
  config: Config,
  dialogue: Dialogue<Result>,
  meter: Meter,
): Promise<{ result: Result; answer: Answer }> {
  try {
    return await hold(dialogue, outletOf(provider, config, meter));
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
  return rateLimited(provider, retryAfterSeconds(answer.headers.get('retry-after'), Date.now()));
}

/** The problem of too many requests at the provider; a minute to wait where it does not say. */
export function rateLimited(provider: Provider, retryAfter = 60): Problem {
  return new Problem(
    'unavailable',
    `${provider.name} is limiting requests at the moment. Try again a little later.`,
    { retryAfter: Math.max(1, retryAfter), reason: 'provider rate limit' },
  );
}

function unexpected(provider: Provider, reason: string): Problem {
  return new Problem(
    'provider_error',
    `${provider.name} gave an answer that we could not use. Nothing was changed; try again.`,
    { reason },
  );
}

/** Retry-After (RFC 9110 section 10.2.3), in seconds or as a date; undefined where it is missing or odd. */
export function retryAfterSeconds(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const seconds = /^\d{1,9}$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return seconds > 0 && seconds <= LONGEST_WAIT ? Math.ceil(seconds) : undefined;
}
