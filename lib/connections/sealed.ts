import type { Config } from '../../providers/provider.ts';
import type { DataKey } from '../data-keys.ts';
import { openDataKey } from '../data-keys.ts';
import { type Binding, dataKeyIdOf, EnvelopeError, open } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import { type DataKeyColumns, toDataKey } from './snapshot.ts';

/** A row that holds envelopes, with its data key joined as `k`. */
export interface SealedRow extends DataKeyColumns {
  connection_id: string;
  user_id: string;
  brand_id: string | null;
  tenant_id: string;
  provider: string;
  version: number;
  config: Config;
  credential: Uint8Array;
  refresh_token: Uint8Array | null;
  previous_refresh_token?: Uint8Array | null;
}

type SealedField = Exclude<Binding['field'], 'webhook_secret'>;

/**
 * Opens a row's credential, or its refresh token: at most one call to KMS. Where the envelope or its key does not belong to the row
 * the problem is `unavailable`, with the reason in the log.
 */
export async function openCredential(
  services: Services,
  row: SealedRow,
  field: SealedField = 'credential',
): Promise<string> {
  try {
    const key = await openKey(services, row);
    const envelope = new Uint8Array(row[field] ?? []);
    if (dataKeyIdOf(envelope) !== key.id) throw new EnvelopeError('sealed with another key');
    return await open(envelope, key.key, key.id, bindingOf(row, field));
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    throw unavailable(`connection ${row.connection_id}: envelope ${error.message}`, 60);
  }
}

/** Opens the data key that a row is sealed with: at most one call to KMS. */
export async function openKey(services: Services, row: SealedRow): Promise<DataKey> {
  const wrapped = toDataKey(row);
  if (!wrapped) throw unavailable(`connection ${row.connection_id}: its data key is gone`, 60);
  try {
    return await openDataKey(wrapped, services.kms, Date.now());
  } catch (error) {
    if (!(error instanceof KmsRefusal)) throw error;
    throw unavailable(`connection ${row.connection_id}: envelope ${error.message}`, 60);
  }
}

/** What an envelope of a row's column is bound to. */
export function bindingOf(
  row: Pick<
    SealedRow,
    'tenant_id' | 'brand_id' | 'user_id' | 'connection_id' | 'provider' | 'version' | 'config'
  >,
  field: Binding['field'],
): Binding {
  return {
    tenantId: row.tenant_id,
    brandId: row.brand_id,
    userId: row.user_id,
    connectionId: row.connection_id,
    provider: row.provider,
    version: row.version,
    config: row.config,
    field,
  };
}
