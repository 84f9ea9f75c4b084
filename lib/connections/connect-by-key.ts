import type { ApiKey, Config, Provider } from '../../providers/provider.ts';
import type { Caller } from '../access.ts';
import { requireClient } from '../catalog.ts';
import { fits, readConfigFields } from '../config-fields.ts';
import { databaseNow } from '../database-clock.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { withWebhooks } from '../webhooks/registration.ts';
import { keyGrantId } from './grant-id.ts';
import { keep, UnknownOutcome } from './keep.ts';
import { tokensOfKey } from './key-grant.ts';
import { discardToken } from './revoke.ts';
import type { ConnectionRow } from './row.ts';
import { missingScopes } from './scopes.ts';
import { readSnapshot } from './snapshot.ts';
import { verify } from './verify.ts';

const DAY = 86_400_000;

/**
 * Connects with a pasted key: who asks, the key's grammar, the provider's word, and only then the sealed row. Two
 * statements, the provider's probe, at most one call to KMS; nothing is stored unless all of it holds.
 */
export async function connectByKey(
  services: Services,
  caller: Caller,
  provider: Provider,
  given: { key: unknown; config: Readonly<Record<string, unknown>>; replace: boolean },
): Promise<{ row: ConnectionRow; replaced: boolean }> {
  const { auth } = provider;
  if (auth.type === 'oauth') {
    throw new Problem(
      'wrong_auth_method',
      `${provider.name} connects by signing in: GET /api/oauth/${provider.id}/authorize.`,
    );
  }
  const config = readConfigFields(provider, given.config, 'config.');
  const key = readKey(auth, given.key, config);
  const snapshot = await readSnapshot(services, caller, provider.id);
  const tokens = await tokensOfKey(
    provider,
    auth,
    { key, config, now: databaseNow(snapshot.taken) },
    services.meter,
  );
  const credential = tokens?.credential ?? key;
  const client = requireClient(services.env, provider);
  const pinned = snapshot.existing?.accountId;
  const access = { credential, config, client, pinned };
  const days = auth.lifetimeDays?.(key);
  const grantId = await keyGrantId(services, provider.id, key);
  let kept: { row: ConnectionRow; replaced: boolean };
  try {
    const verified = await verify(provider, access, services.meter);
    const scopes = verified.scopes ?? tokens?.scopes;
    kept = await keep(
      services,
      caller,
      provider,
      {
        ...verified,
        ...(tokens && { refreshToken: key, expiresAt: tokens.expiresAt, refreshAt: tokens.refreshAt }),
        credential,
        scopes,
        missing: missingScopes(provider, { scopes, missing: verified.missing }),
        endsAt:
          verified.endsAt ??
          (days === undefined ? undefined : new Date(databaseNow(snapshot.taken) + days * DAY)),
        config,
        grantId,
      },
      { snapshot, replace: given.replace },
    );
  } catch (error) {
    // The key is the person's; a token made from it is ours to end, unless its row may stand.
    if (tokens && !(error instanceof UnknownOutcome))
      await discardToken(services, provider, { ...access, refreshToken: undefined, grantId });
    throw error;
  }
  return { ...kept, row: await withWebhooks(services, provider, kept.row) };
}

/** What is kept of a pasted key, without the white space that pasting brings. Throws `invalid_credential`. */
function readKey(auth: ApiKey, given: unknown, config: Config): string {
  const isFile = auth.type === 'service_account' && typeof given === 'object';
  const text = typeof given === 'string' ? given.trim() : isFile ? JSON.stringify(given) : '';
  const refusal = auth.refuse?.(text, config);
  if (refusal === undefined && fits(auth.key, text)) return auth.key.normalize?.(text) ?? text;
  throw new Problem(
    'invalid_credential',
    refusal ?? `This does not look like the ${auth.key.label}. ${auth.key.help}`,
  );
}
