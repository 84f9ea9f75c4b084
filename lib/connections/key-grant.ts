import type { ApiKey, Config, Provider } from '../../providers/provider.ts';
import type { Meter } from '../meter.ts';
import { signAssertion } from '../oauth/assertion.ts';
import { requestTokens } from '../oauth/token-request.ts';
import { Problem } from '../problem.ts';
import { dueAt, expiryOf } from '../refresh/schedule.ts';

export interface KeyTokens {
  credential: string;
  expiresIn: number | undefined;
  scopes: string[] | undefined;
  expiresAt: Date | undefined;
  refreshAt: Date | undefined;
}

/**
 * The access token that a key is exchanged for, or undefined where calls are made with the key itself. `now` in milliseconds since 1970. Throws
 * `invalid_credential`, and what keeps the provider from answering.
 */
export async function tokensOfKey(
  provider: Provider,
  { grant }: ApiKey,
  { key, config, now }: { key: string; config: Config; now: number },
  meter: Meter,
): Promise<KeyTokens | undefined> {
  if (!grant?.applies(config)) return undefined;
  const assertion = grant.assertion ? await signAssertion(grant.assertion(key), now) : '';
  if (assertion === undefined) {
    throw new Problem('invalid_credential', 'The private key in this key cannot be read. Make a new key.');
  }
  const dialogue = grant.request({ key, config, assertion });
  const tokens = await requestTokens(provider, config, dialogue, grant, meter);
  const expiresAt = expiryOf(tokens, true, now);
  return {
    credential: tokens.accessToken,
    expiresIn: tokens.expiresIn,
    scopes: tokens.scopes,
    expiresAt,
    refreshAt: expiresAt && dueAt({ expiresAt, everySeconds: undefined }, now, Math.random()),
  };
}
