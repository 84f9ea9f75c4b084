import { v7 as uuidv7 } from 'uuid';
import type { ApiKey, Config, Provider } from '../../providers/provider.ts';
import type { Caller } from '../access.ts';
import { requireClient } from '../catalog.ts';
import { fits, readConfigFields } from '../config-fields.ts';
import { PostgresUnavailable } from '../database.ts';
import { databaseNow } from '../database-clock.ts';
import { grantOfKey } from '../grants/identity.ts';
import { KEPT_WITHIN_SECONDS, letGo, sealObtained, writeObtained } from '../grants/obtained.ts';
import type { Obtained } from '../grants/obtained-message.ts';
import { endsTokens } from '../grants/revocable.ts';
import { notDiscarded, notHeard } from '../grants/revocation.ts';
import { TokenProblem } from '../oauth/token-request.ts';
import { Problem } from '../problem.ts';
import { sendObtained } from '../queue.ts';
import type { Services } from '../services.ts';
import { withWebhooks } from '../webhooks/registration.ts';
import { keep, nextBinding } from './keep.ts';
import { type KeyTokens, tokensOfKey } from './key-grant.ts';
import type { ConnectionRow } from './row.ts';
import { missingScopes } from './scopes.ts';
import { type SealingKey, sealingKey } from './sealing-key.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { verify } from './verify.ts';

const DAY = 86_400_000;

/**
 * Connects with a pasted key: who asks, the key's grammar, the provider's word, and only then the sealed row. Two
 * statements, the provider's probe, at most one call to KMS; nothing is stored unless all of it holds. An access token
 * that is made from the key, and that the provider can end, waits sealed in the queue until it is known whether it is kept.
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
  const grantId = await grantOfKey(services, provider.id, key);
  const { tokens, obtained, sealing } = await exchangeKey(services, provider, auth, {
    key,
    config,
    snapshot,
    grantId,
  });
  const credential = tokens?.credential ?? key;
  const client = requireClient(services.env, provider);
  const pinned = snapshot.existing?.accountId;
  const days = auth.lifetimeDays?.(key);
  let kept: { row: ConnectionRow; replaced: boolean };
  try {
    const verified = await verify(provider, { credential, config, client, pinned }, services.meter);
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
        grantedAt: snapshot.taken.at,
      },
      {
        snapshot,
        replace: given.replace,
        ...(sealing && { key: sealing }),
      },
    );
  } catch (error) {
    // The key is the person's; a token made from it is ours to end, unless its row may stand.
    const isUnknown = error instanceof PostgresUnavailable && error.isUnknown;
    if (obtained && !isUnknown) await discard(services, provider, obtained);
    throw error;
  }
  return { ...kept, row: await withWebhooks(services, provider, kept.row) };
}

interface Exchanged {
  tokens?: KeyTokens | undefined;
  /** The access token as it waits in the queue. */
  obtained?: Obtained;
  sealing?: SealingKey;
}

/** Exchanges a key for an access token, where calls are made with one. */
async function exchangeKey(
  services: Services,
  provider: Provider,
  auth: ApiKey,
  { key, config, snapshot, grantId }: { key: string; config: Config; snapshot: Snapshot; grantId: string },
): Promise<Exchanged> {
  const now = databaseNow(snapshot.taken);
  const isEnded = auth.grant?.applies(config) && endsTokens(provider);
  if (!isEnded) return { tokens: await tokensOfKey(provider, auth, { key, config, now }, services.meter) };
  const sealing = await sealingKey(services, snapshot);
  const hold = async (given: { accessToken: string; expiresIn?: number }) => {
    const sealed = await sealObtained(services, provider, given, {
      key: sealing,
      binding: nextBinding(snapshot, provider, { newId: uuidv7(), config }),
      now,
      grantId,
    });
    // Whoever reads it there finds it in its connection's row by then, or ends it.
    await sendObtained(services, sealed, KEPT_WITHIN_SECONDS)
      .catch(() => writeObtained(services, sealed))
      .catch((error: unknown) => {
        notDiscarded(provider.id, sealed.connection_id);
        throw error;
      });
    return sealed;
  };
  try {
    const tokens = await tokensOfKey(provider, auth, { key, config, now }, services.meter);
    if (!tokens) return {};
    const { credential: accessToken, expiresIn } = tokens;
    const obtained = await hold({ accessToken, ...(expiresIn !== undefined && { expiresIn }) });
    return { tokens, obtained, sealing };
  } catch (error) {
    if (error instanceof TokenProblem && error.isUnheard) notHeard(provider.id, undefined);
    if (error instanceof TokenProblem && error.brought)
      await discard(services, provider, await hold(error.brought));
    throw error;
  }
}

/** Ends an access token that is not kept, as far as that can be done now; else whoever reads it in the queue does. */
async function discard(services: Services, provider: Provider, obtained: Obtained): Promise<void> {
  try {
    await writeObtained(services, obtained);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return;
  }
  await letGo(services, provider, obtained.id);
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
