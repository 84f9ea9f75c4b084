import { type RawBuilder, sql } from 'kysely';
import type { SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import type { Binding } from '../envelope.ts';
import { isAsked, type Tools } from './tools.ts';

const BATCH = 100;

/** A row with its key `k` as `DataKeyColumns`, and the key to seal it with. */
export interface RetiredRow extends SealedRow {
  row_id: string;
  /** PostgreSQL's own version of the row: another after every update of it, whatever it changes. */
  seen: string;
  previous_refresh_token: Uint8Array | null;
  next_id: string;
  next_generation: number;
  next_kms_key_id: string;
  next_wrapped: Uint8Array;
}

export type Resealed = Pick<RetiredRow, 'row_id' | 'seen' | 'next_id'> & Record<Field, Uint8Array | null>;
export type Field = Exclude<Binding['field'], 'webhook_secret'>;

/**
 * A table that holds envelopes, aliased `t`. Whoever is at work on a row will write what they seal with the key they
 * have read: they are waited for.
 */
export interface Table {
  name: string;
  from: RawBuilder<unknown>;
  connectionId: RawBuilder<unknown>;
  previous: RawBuilder<unknown>;
  setPrevious: RawBuilder<unknown>;
  isFree: RawBuilder<unknown>;
}

export const tables: readonly Table[] = [
  {
    name: 'connections',
    from: sql`connections t`,
    connectionId: sql`t.id`,
    previous: sql`t.previous_refresh_token`,
    setPrevious: sql`, previous_refresh_token = given.previous_refresh_token`,
    isFree: sql`(t.lease_until is null or t.lease_until <= now())`,
  },
  {
    name: 'revocations',
    from: sql`revocations t`,
    connectionId: sql`t.connection_id`,
    previous: sql`null::bytea`,
    setPrevious: sql``,
    isFree: sql`(t.under_way_until is null or t.under_way_until <= now())`,
  },
];

/** SQL: from a table's rows under retired keys of the tenant that is asked about, `n` being its newest. */
function leftOf(table: Table, tenantId: string | undefined, skipped: readonly string[]): RawBuilder<unknown> {
  return sql`
    from data_keys k
    join lateral (
      select * from data_keys newest where newest.tenant_id = k.tenant_id order by newest.generation desc limit 1
    ) n on n.retired_at is null
    join ${table.from} on t.data_key_id = k.id
    where k.retired_at is not null and ${isAsked(tenantId)} and t.id <> all (${skipped}::uuid[])`;
}

/** Rows that nobody is at work on. */
export function readBatch(
  { postgres }: Tools,
  table: Table,
  tenantId: string | undefined,
  skipped: readonly string[],
): Promise<RetiredRow[]> {
  return postgres.rows(sql<RetiredRow>`
    select t.id as row_id, t.xmin::text as seen, ${table.connectionId} as connection_id, t.user_id, t.brand_id,
      t.tenant_id, t.provider, t.version, t.credential, t.refresh_token, ${table.previous} as previous_refresh_token,
      ${dataKeyColumns}, n.id as next_id, n.generation as next_generation, n.kms_key_id as next_kms_key_id,
      n.wrapped as next_wrapped
    ${leftOf(table, tenantId, skipped)} and ${table.isFree} limit ${BATCH}`);
}

/** How many rows there are still, those in work among them. */
export async function countLeft(
  { postgres }: Tools,
  tenantId: string | undefined,
  skipped: readonly string[],
): Promise<number> {
  const counts = tables.map((table) => sql`(select count(*) ${leftOf(table, tenantId, skipped)})`);
  const [row] = await postgres.rows(
    sql<{ rows_left: number }>`select (${sql.join(counts, sql` + `)})::integer as rows_left`,
  );
  return row?.rows_left ?? 0;
}

/**
 * Writes rows that are as they had been read, and gives their number. A row that is locked is being worked on, and
 * is left for the next batch.
 */
export async function writeBatch(
  { postgres }: Tools,
  table: Table,
  rows: readonly Resealed[],
): Promise<number> {
  if (rows.length === 0) return 0;
  const values = sql.join(
    rows.map(
      (row) => sql`(${row.row_id}::uuid, ${row.seen}, ${row.next_id}::uuid, ${row.credential}::bytea,
        ${row.refresh_token}::bytea, ${row.previous_refresh_token}::bytea)`,
    ),
  );
  const written = await postgres.rows(sql`
    with given (id, seen, data_key_id, credential, refresh_token, previous_refresh_token) as (values ${values}),
    unchanged as (
      select t.id from ${table.from} join given on given.id = t.id
      where t.xmin::text = given.seen and ${table.isFree}
      for no key update of t skip locked
    )
    update ${table.from} set data_key_id = given.data_key_id, credential = given.credential,
      refresh_token = given.refresh_token ${table.setPrevious}
    from given join unchanged on unchanged.id = given.id
    where t.id = given.id
    returning t.id`);
  return written.length;
}
