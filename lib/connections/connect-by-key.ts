import type { ApiKey, Provider } from '../../providers/provider.ts';
import type { Caller } from '../access.ts';
import { fits, readConfigFields } from '../config-fields.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { keep } from './keep.ts';
import type { ConnectionRow } from './row.ts';
import { missingScopes } from './scopes.ts';
import { readSnapshot } from './snapshot.ts';
import { verify } from './verify.ts';

/**
 * Connects with a pasted key: who asks, the key's grammar, one question to the provider, and only then the
 * sealed row. Two statements, one probe, at most one call to KMS; nothing is stored unless all of it holds.
 */
export async function connectByKey(
  services: Services,
  caller: Caller,
  provider: Provider,
  given: { key: unknown; config: Readonly<Record<string, unknown>>; replace: boolean },
): Promise<{ row: ConnectionRow; replaced: boolean }> {
  if (provider.auth.type === 'oauth') {
    throw new Problem(
      'wrong_auth_method',
      `${provider.name} connects by signing in: GET /api/oauth/${provider.id}/authorize.`,
    );
  }
  const config = readConfigFields(provider, given.config, 'config.');
  const credential = readKey(provider.auth, given.key);
  const snapshot = await readSnapshot(services, caller, provider.id);
  const verified = await verify(provider, { credential, config }, services.meter);
  const missing = missingScopes(provider, verified);
  return keep(
    services,
    caller,
    provider,
    { ...verified, missing, credential, config },
    { snapshot, replace: given.replace },
  );
}

/** The key without the white space that pasting brings. Throws `invalid_credential` where it cannot be one. */
function readKey(auth: ApiKey, given: unknown): string {
  const key = typeof given === 'string' ? given.trim() : '';
  const refusal = auth.refuse?.(key);
  if (refusal === undefined && fits(auth.key, key)) return key;
  throw new Problem(
    'invalid_credential',
    refusal ?? `This does not look like the ${auth.key.label}. ${auth.key.help}`,
  );
}
