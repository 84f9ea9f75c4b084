import { type RawBuilder, sql } from 'kysely';
import {
  type Caller,
  callerTables,
  requireScope,
  type Scope,
  type ScopeRow,
  scopeColumns,
} from '../access.ts';
import type { WrappedDataKey } from '../data-keys.ts';
import type { ClockReading } from '../database-clock.ts';
import type { Services } from '../services.ts';
import type { ConnectionStatus } from './row.ts';

/** What must be known before a credential may be kept: who asks, what stands there now, the key to seal with. */
export interface Snapshot {
  taken: ClockReading;
  scope: Scope;
  existing: { id: string; status: ConnectionStatus; accountId: string; version: number } | undefined;
  dataKey: WrappedDataKey | undefined;
}

export interface SnapshotRow extends ScopeRow, DataKeyColumns {
  /** Null only where an outer join found no session. */
  session_user_id: string | null;
  taken_at: Date;
  existing_id: string | null;
  existing_status: ConnectionStatus;
  existing_account_id: string;
  existing_version: number;
}

/** The columns of a joined row of `data_keys`, each behind a prefix; the id is null where there is none. */
export type KeyColumns<Prefix extends string> = Record<`${Prefix}_id`, string | null> &
  Record<`${Prefix}_tenant_id` | `${Prefix}_kms_key_id`, string> &
  Record<`${Prefix}_generation`, number> &
  Record<`${Prefix}_wrapped`, Uint8Array>;

/** SQL: the columns of `data_keys` under an alias. */
export function keyColumns(alias: string, prefix: string): RawBuilder<unknown> {
  const columns = ['id', 'tenant_id', 'generation', 'kms_key_id', 'wrapped'];
  return sql.join(
    columns.map((name) => sql`${sql.ref(`${alias}.${name}`)} as ${sql.ref(`${prefix}_${name}`)}`),
  );
}

/** The data key that a row names with such columns; undefined where it is gone. */
export function keyOf<Prefix extends string>(
  row: KeyColumns<Prefix>,
  prefix: Prefix,
): WrappedDataKey | undefined {
  const of = <Name extends string, Value>(columns: Record<`${Prefix}_${Name}`, Value>, name: Name) =>
    columns[`${prefix}_${name}`];
  const id = of<'id', string | null>(row, 'id');
  return id === null
    ? undefined
    : {
        id,
        tenantId: of<'tenant_id', string>(row, 'tenant_id'),
        generation: of<'generation', number>(row, 'generation'),
        kmsKeyId: of<'kms_key_id', string>(row, 'kms_key_id'),
        wrapped: of<'wrapped', Uint8Array>(row, 'wrapped'),
      };
}

/** The columns of a joined `data_keys k`. */
export type DataKeyColumns = KeyColumns<'key'>;

export const dataKeyColumns = keyColumns('k', 'key');

export function toDataKey(row: DataKeyColumns): WrappedDataKey | undefined {
  return keyOf(row, 'key');
}

/** The body of the snapshot's select, behind `with` and `callerTables`. */
export function snapshotSelect(providerId: string): RawBuilder<SnapshotRow> {
  return sql<SnapshotRow>`
    select now() as taken_at, session.user_id as session_user_id, ${scopeColumns}, c.id as existing_id, c.status as existing_status, c.account_id as existing_account_id,
      c.version as existing_version, ${dataKeyColumns}
    from session left join scope on true
    left join connections c
      on c.user_id = scope.user_id and c.brand_id is not distinct from scope.brand_id and c.provider = ${providerId}
    left join lateral (
      select * from data_keys where data_keys.tenant_id = scope.tenant_id order by generation desc limit 1
    ) k on true`;
}

/**
 * `askedAt` is when the row was asked for, in milliseconds since 1970. Throws `unauthenticated` or `not_found` where
 * the caller may not.
 */
export function toSnapshot(row: SnapshotRow | undefined, askedAt: number): Snapshot {
  const scope = requireScope(row);
  return {
    scope,
    taken: { at: row?.taken_at ?? new Date(askedAt), askedAt },
    existing:
      row && row.existing_id !== null
        ? {
            id: row.existing_id,
            status: row.existing_status,
            accountId: row.existing_account_id,
            version: row.existing_version,
          }
        : undefined,
    dataKey: row && toDataKey(row),
  };
}

export async function readSnapshot(
  { postgres }: Services,
  caller: Caller,
  providerId: string,
): Promise<Snapshot> {
  const askedAt = Date.now();
  const rows = await postgres.rows(
    sql<SnapshotRow>`with ${callerTables(caller)} ${snapshotSelect(providerId)}`,
  );
  return toSnapshot(rows[0], askedAt);
}
