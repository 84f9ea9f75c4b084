import { sql } from 'kysely';
import type { Provider } from '../../providers/provider.ts';
import { findClient } from '../catalog.ts';
import { isOwned } from '../connections/living.ts';
import { bindingOf } from '../connections/sealed.ts';
import { type DataKeyColumns, dataKeyColumns, toDataKey } from '../connections/snapshot.ts';
import { openDataKey } from '../data-keys.ts';
import { type Binding, EnvelopeError, open } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { unavailable } from '../problem.ts';
import { Remembered } from '../remembered.ts';
import type { Services } from '../services.ts';
import { importSecret } from './signature.ts';

/** A secret that was changed is known for as long as the one before is still tried. */
const MAX_AGE_MS = 60_000;

const cache = new Remembered<{ keys: CryptoKey[]; until: number }>(1_000);
const imported = new Map<string, Promise<CryptoKey | undefined>>();

/** The keys of the app as a whole, where it signs for all connections alike. */
export async function clientKeys({ env }: Services, provider: Provider): Promise<CryptoKey[] | undefined> {
  const client = findClient(env, provider);
  const secrets = client && provider.webhooks?.clientSecrets?.(client);
  if (!secrets) return undefined;
  const keys = await Promise.all(secrets.map((secret) => (secret === undefined ? undefined : once(secret))));
  return keys.filter((key) => key !== undefined);
}

function once(secret: string): Promise<CryptoKey | undefined> {
  const known = imported.get(secret) ?? importSecret(secret);
  imported.set(secret, known);
  return known;
}

/** The keys of a connection, as this isolate knows them; undefined where it knows none. */
export function knownKeys(connectionId: string, now: number): CryptoKey[] | undefined {
  const known = cache.get(connectionId);
  return known && known.until > now ? known.keys : undefined;
}

export interface SealedSecret extends DataKeyColumns {
  connection_id: string;
  user_id: string;
  brand_id: string | null;
  tenant_id: string;
  provider: string;
  version: number;
  secret: Uint8Array;
}

/** What a webhook's secret is bound to: it goes nowhere. */
export function secretBinding(row: Omit<SealedSecret, 'secret' | keyof DataKeyColumns>): Binding {
  return bindingOf({ ...row, config: {} }, 'webhook_secret');
}

/** Opens a webhook's secret: at most one call to KMS. Throws `unavailable`. */
export async function openSecret({ kms }: Services, row: SealedSecret): Promise<string> {
  const wrapped = toDataKey(row);
  try {
    if (!wrapped) throw new EnvelopeError('its data key is gone');
    const key = await openDataKey(wrapped, kms, Date.now());
    return await open(row.secret, key.key, key.id, secretBinding(row));
  } catch (error) {
    if (!(error instanceof EnvelopeError || error instanceof KmsRefusal)) throw error;
    throw unavailable(`webhook of ${row.connection_id}: envelope ${error.message}`, 60);
  }
}

/**
 * Reads and opens a connection's own secret, and keeps its key in the isolate for a minute, 1,000 at most. Undefined
 * where there is no such connection, or it has ended; no key where it has no webhook.
 */
export async function readKeys(
  services: Services,
  provider: string,
  connectionId: string,
): Promise<CryptoKey[] | undefined> {
  const [row] = await services.postgres.rows(sql<
    SealedSecret | (Omit<SealedSecret, 'secret'> & { secret: null })
  >`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, w.version, w.secret, ${dataKeyColumns}
    from connections c left join webhooks w on w.connection_id = c.id left join data_keys k on k.id = w.data_key_id
    where c.id = ${connectionId}::uuid and c.provider = ${provider} and c.status <> 'disconnected' and ${isOwned('c')}`);
  if (!row) return undefined;
  if (row.secret === null) return [];
  const key = await importSecret(await openSecret(services, row as SealedSecret));
  const keys = key ? [key] : [];
  cache.set(connectionId, { keys, until: Date.now() + MAX_AGE_MS });
  return keys;
}
