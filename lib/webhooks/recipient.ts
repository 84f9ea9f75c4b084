import { sql } from 'kysely';
import { isOwned } from '../connections/living.ts';
import {
  type DataKeyColumns,
  dataKeyColumns,
  type KeyColumns,
  keyColumns,
  keyOf,
} from '../connections/snapshot.ts';
import type { Sealing } from '../payloads/payload.ts';
import { Remembered } from '../remembered.ts';
import type { Services } from '../services.ts';
import { misfitMark } from './misfit-mark.ts';
import { openSecrets, type SealedSecret } from './secrets.ts';
import { importSecret } from './signature.ts';

/** A connection that deliveries come to: with what they are signed, where it has a secret of its own, and sealed. */
export interface Recipient extends Sealing {
  keys: CryptoKey[];
  /** Of its own secret, where it has one. */
  version?: number;
}

/** A secret that was changed is known for as long as the one before is still tried. */
const MAX_AGE_MS = 60_000;

const cache = new Remembered<{ recipient: Recipient; until: number }>(1_000);

/** A connection as this isolate knows it; undefined where it does not. */
export function knownRecipient(connectionId: string, now: number): Recipient | undefined {
  const known = cache.get(connectionId);
  return known && known.until > now ? known.recipient : undefined;
}

type Row = Omit<SealedSecret, 'secret' | keyof DataKeyColumns> & {
  secret: Uint8Array | null;
} & KeyColumns<'key'> &
  KeyColumns<'newest_key'>;

/**
 * Reads a connection and opens its own secret, and keeps it in the isolate for a minute, 1,000 at most. Undefined where
 * there is no such connection, or it has ended; no key where it has no webhook of its own. `misfit` is the version of its
 * secret that a delivery has not fitted: the same statement has that looked into, once in a while. Throws `unavailable`.
 */
export async function readRecipient(
  services: Services,
  provider: string,
  connectionId: string,
  misfit?: number,
): Promise<Recipient | undefined> {
  const [row] = await services.postgres.rows(sql<Row>`
    with marked as (${misfitMark(connectionId, misfit)})
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, w.version, w.secret, ${dataKeyColumns},
      ${keyColumns('newest', 'newest_key')}
    from connections c left join webhooks w on w.connection_id = c.id left join data_keys k on k.id = w.data_key_id
    left join lateral (
      select * from data_keys d where d.tenant_id = c.tenant_id order by d.generation desc limit 1
    ) newest on true
    where c.id = ${connectionId}::uuid and c.provider = ${provider} and c.status <> 'disconnected' and ${isOwned('c')}`);
  const dataKey = row && keyOf(row, 'newest_key');
  if (!row || !dataKey) return undefined;
  const own = row.secret && (await keysOf(services, { ...row, secret: row.secret }));
  const recipient = {
    tenantId: row.tenant_id,
    dataKey,
    keys: own ?? [],
    ...(own && { version: row.version }),
  };
  cache.set(connectionId, { recipient, until: Date.now() + MAX_AGE_MS });
  return recipient;
}

async function keysOf(services: Services, row: SealedSecret): Promise<CryptoKey[]> {
  const secrets = await openSecrets(services, row);
  const keys = await Promise.all(secrets.map((secret) => importSecret(secret ?? '')));
  return keys.filter((key) => key !== undefined);
}

/** Has a connection read anew: what is known of it is so no more. */
export function forgetRecipient(connectionId: string): void {
  cache.delete(connectionId);
}
