import { type RawBuilder, sql } from 'kysely';
import type { WrappedDataKey } from '../data-keys.ts';

/** SQL: stores a new data key where there is one, and `condition` holds; the ids of what it has stored. */
export function insertDataKey(
  row: WrappedDataKey | undefined,
  condition: RawBuilder<boolean> = sql<boolean>`true`,
): RawBuilder<{ id: string }> {
  return sql`
    insert into data_keys (id, tenant_id, generation, kms_key_id, wrapped)
    select ${row?.id ?? null}::uuid, ${row?.tenantId ?? null}::uuid, ${row?.generation ?? null}::integer,
      ${row?.kmsKeyId ?? null}, ${row?.wrapped ?? null}::bytea
    where ${row !== undefined} and ${condition}
    on conflict do nothing returning id`;
}
