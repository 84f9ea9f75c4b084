import type { Config, Provider, TokenResult, Tokens } from '../../providers/provider.ts';
import { findClient } from '../catalog.ts';
import { hold } from '../dialogue.ts';
import { signAssertion } from '../oauth/assertion.ts';
import { OutboundError, outletOf } from '../outbound.ts';
import { keptOf } from '../outside.ts';
import { retryAfterSeconds } from '../provider-failure.ts';
import type { Services } from '../services.ts';

/**
 * What came of asking for another access token. The list is closed: each is told to the row, the provider's state
 * and the caller in its own way.
 */
export type Outcome =
  | { outcome: 'renewed'; tokens: Tokens }
  /** The provider says that the grant, or the key, has ended. Only a person can make another. */
  | { outcome: 'dead'; reason: string }
  /** The provider refuses our own client, or we have none: no fault of the connection's. */
  | { outcome: 'client_refused'; reason: string }
  | { outcome: 'rate_limited'; seconds: number }
  /** The provider says that it cannot at the moment. */
  | { outcome: 'down'; reason: string }
  /** No answer came to a request that may have been carried out. */
  | { outcome: 'unknown'; reason: string }
  /** `brought` are tokens that came all the same, and cannot be kept; a refusal, in whatever words, has brought none. */
  | { outcome: 'unreadable'; reason: string; brought?: Tokens; isRefusal?: boolean };

const USUAL_WAIT = 60;

/**
 * Whether there is anything to renew a connection with: a refresh token or a key, or the access token itself where
 * that is what the provider exchanges.
 */
export function isRenewable({ auth }: Provider, hasRefreshToken: boolean): boolean {
  if (auth.type !== 'oauth') return auth.grant !== undefined && hasRefreshToken;
  return auth.refresh !== undefined && (hasRefreshToken || auth.refresh.everySeconds !== undefined);
}

/**
 * Asks for another access token: the provider's refresh dialogue, or the key's grant. `now` in milliseconds since
 * 1970, for what is signed. Never throws for the outside.
 */
export async function askForTokens(
  services: Services,
  provider: Provider,
  { token, config, now }: { token: string; config: Config; now: number },
): Promise<Outcome> {
  const client = findClient(services.env, provider);
  if (!client) return { outcome: 'client_refused', reason: 'provider_not_configured' };
  const { auth } = provider;
  const renewal = auth.type === 'oauth' ? auth.refresh : auth.grant;
  if (!renewal) return { outcome: 'unreadable', reason: 'not renewable', isRefusal: true };
  const clientErrors = auth.type === 'oauth' ? auth.clientErrors : [];
  try {
    const { result, answer } = await hold(
      await dialogueOf(provider, client, { token, config, now }),
      outletOf(provider, config, services.meter),
    );
    return read(result, answer, { dead: renewal.dead, clientErrors });
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    const isUnknown = error.failure === 'timeout' || error.failure === 'network';
    return {
      outcome: isUnknown ? 'unknown' : 'unreadable',
      reason: error.failure,
      isRefusal: error.failure === 'redirect' || error.failure === 'host',
    };
  }
}

async function dialogueOf(
  { auth }: Provider,
  client: NonNullable<ReturnType<typeof findClient>>,
  { token, config, now }: { token: string; config: Config; now: number },
) {
  if (auth.type === 'oauth') {
    if (!auth.refresh) throw new Error('not renewable');
    return auth.refresh.request({ client, token, config });
  }
  if (!auth.grant) throw new Error('not renewable');
  const assertion = auth.grant.assertion
    ? ((await signAssertion(auth.grant.assertion(token), now)) ?? '')
    : '';
  return auth.grant.request({ key: token, config, assertion });
}

function read(
  result: TokenResult,
  { status, headers }: { status: number; headers: Headers },
  errors: { dead: readonly string[]; clientErrors: readonly string[] },
): Outcome {
  if ('tokens' in result) return { outcome: 'renewed', tokens: keptOf(result.tokens) };
  if ('limited' in result) return { outcome: 'rate_limited', seconds: result.limited ?? USUAL_WAIT };
  const error = 'error' in result ? result.error : undefined;
  if (error !== undefined && errors.dead.includes(error)) return { outcome: 'dead', reason: error };
  if (error !== undefined && errors.clientErrors.includes(error)) {
    return { outcome: 'client_refused', reason: error };
  }
  if (status === 429) {
    const seconds = retryAfterSeconds(headers.get('retry-after'), Date.now()) ?? USUAL_WAIT;
    return { outcome: 'rate_limited', seconds };
  }
  if (status >= 500) return { outcome: 'down', reason: `status ${status}` };
  const known = error !== undefined && /^[a-z0-9_]{1,64}$/.test(error);
  const reason = known ? `token error ${error}` : `status ${status}`;
  const isRefusal = error !== undefined || status >= 400;
  return { outcome: 'unreadable', reason, isRefusal, ...(result.brought && { brought: result.brought }) };
}

/** Whether tokens may have come of a refresh that came to nothing here, and nobody has them. */
export function mayBeUnheard(failure: Outcome | { outcome: 'unopenable' | 'fault' }): boolean {
  if (failure.outcome === 'unreadable') return !failure.isRefusal && failure.brought === undefined;
  // What stands before a provider answers for it when that is too late.
  return failure.outcome === 'unknown' || failure.outcome === 'down';
}
