import { type DataKey, generateDataKey, openDataKey, type WrappedDataKey } from '../data-keys.ts';
import { KmsRefusal } from '../kms.ts';
import { unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Snapshot } from './snapshot.ts';

/** The key that a tenant's next secret is sealed with; `row` where it is new and not stored yet. */
export type SealingKey = DataKey & { row?: WrappedDataKey };

/** The tenant's current data key, or its first: at most one call to KMS. */
export async function sealingKey({ kms }: Services, snapshot: Snapshot): Promise<SealingKey> {
  try {
    return snapshot.dataKey
      ? await openDataKey(snapshot.dataKey, kms, Date.now())
      : await generateDataKey(snapshot.scope.tenantId, 1, kms, Date.now());
  } catch (error) {
    if (error instanceof KmsRefusal) throw unavailable(`data key ${snapshot.dataKey?.id} refused by kms`, 60);
    throw error;
  }
}
