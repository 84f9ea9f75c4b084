import { type RawBuilder, sql } from 'kysely';
import type { Tools } from '../command-tools.ts';
import type { SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import type { Binding } from '../envelope.ts';
import { AGENT, NOBODY } from '../events/agent-binding.ts';
import { isAsked } from './batches.ts';

const BATCH = 100;

/** A row with its key `k` as `DataKeyColumns`, and the key to seal it with. */
export interface RetiredRow extends Omit<SealedRow, Field> {
  row_id: string;
  /** PostgreSQL's own version of the row: another after every update of it, whatever it changes. */
  seen: string;
  credential: Uint8Array | null;
  refresh_token: Uint8Array | null;
  previous_refresh_token: Uint8Array | null;
  webhook_secret: Uint8Array | null;
  next_id: string;
  next_generation: number;
  next_kms_key_id: string;
  next_wrapped: Uint8Array;
}

export type Resealed = Pick<RetiredRow, 'row_id' | 'seen' | 'next_id'> & Record<Field, Uint8Array | null>;
export type Field = Binding['field'];

export const fields: readonly Field[] = [
  'credential',
  'refresh_token',
  'previous_refresh_token',
  'webhook_secret',
];

/**
 * A table that holds envelopes, aliased `t`. Whoever is at work on a row will write what they seal with the key they
 * have read: they are waited for.
 */
export interface Table {
  name: string;
  from: RawBuilder<unknown>;
  /** Its key: a column of `t`. */
  id: string;
  /** What its envelopes are bound to, by the names of `SealedRow`. */
  bound: RawBuilder<unknown>;
  /** The columns of `t` that hold them. */
  columns: Partial<Record<Field, string>>;
  isFree: RawBuilder<unknown>;
}

const tokens = { credential: 'credential', refresh_token: 'refresh_token' };
const asItStands = sql`t.user_id, t.brand_id, t.tenant_id, t.provider, t.version, t.config`;

export const tables: readonly Table[] = [
  {
    name: 'connections',
    from: sql`connections t`,
    id: 'id',
    bound: sql`t.id as connection_id, ${asItStands}`,
    columns: { ...tokens, previous_refresh_token: 'previous_refresh_token' },
    isFree: sql`(t.lease_until is null or t.lease_until <= now())`,
  },
  {
    name: 'revocations',
    from: sql`revocations t`,
    id: 'id',
    bound: sql`t.connection_id, ${asItStands}`,
    columns: tokens,
    isFree: sql`(t.under_way_until is null or t.under_way_until <= now())`,
  },
  {
    name: 'webhooks',
    from: sql`webhooks t`,
    id: 'connection_id',
    bound: sql`t.connection_id, (select c.user_id from connections c where c.id = t.connection_id) as user_id,
      (select c.brand_id from connections c where c.id = t.connection_id) as brand_id, t.tenant_id, t.provider, t.version,
      '{}'::jsonb as config`,
    columns: { webhook_secret: 'secret' },
    isFree: sql`true`,
  },
  {
    name: 'agents',
    from: sql`agents t`,
    id: 'tenant_id',
    bound: sql`${NOBODY}::uuid as connection_id, ${NOBODY}::uuid as user_id, null::uuid as brand_id, t.tenant_id,
      ${AGENT} as provider, 1 as version, jsonb_build_object('url', t.url) as config`,
    columns: { webhook_secret: 'secret' },
    isFree: sql`true`,
  },
];

const idOf = (table: Table) => sql.ref(`t.${table.id}`);

function columnOf({ columns }: Table, field: Field): RawBuilder<unknown> {
  const column = columns[field];
  return column === undefined
    ? sql`null::bytea as ${sql.ref(field)}`
    : sql`${sql.ref(`t.${column}`)} as ${sql.ref(field)}`;
}

/** SQL: from a table's rows under retired keys of the tenant that is asked about, `n` being its newest. */
function leftOf(table: Table, tenantId: string | undefined, skipped: readonly string[]): RawBuilder<unknown> {
  return sql`
    from data_keys k
    join lateral (
      select * from data_keys newest where newest.tenant_id = k.tenant_id order by newest.generation desc limit 1
    ) n on n.retired_at is null
    join ${table.from} on t.data_key_id = k.id
    where k.retired_at is not null and ${isAsked(tenantId)} and ${idOf(table)} <> all (${skipped}::uuid[])`;
}

/** Rows that nobody is at work on, by the id of their key, from a key on. */
export function readBatch(
  { postgres }: Tools,
  table: Table,
  tenantId: string | undefined,
  { skipped, from }: { skipped: readonly string[]; from: string },
): Promise<RetiredRow[]> {
  return postgres.rows(sql<RetiredRow>`
    select ${idOf(table)} as row_id, t.xmin::text as seen, ${table.bound}, ${sql.join(fields.map((field) => columnOf(table, field)))},
      ${dataKeyColumns}, n.id as next_id, n.generation as next_generation, n.kms_key_id as next_kms_key_id,
      n.wrapped as next_wrapped
    ${leftOf(table, tenantId, skipped)} and k.id >= ${from}::uuid and ${table.isFree}
    order by k.id limit ${BATCH}`);
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
        ${row.refresh_token}::bytea, ${row.previous_refresh_token}::bytea, ${row.webhook_secret}::bytea)`,
    ),
  );
  const sets = Object.entries(table.columns).map(
    ([field, column]) => sql`${sql.ref(column)} = ${sql.ref(`given.${field}`)}`,
  );
  const written = await postgres.rows(sql`
    with given (id, seen, data_key_id, credential, refresh_token, previous_refresh_token, webhook_secret) as (values ${values}),
    unchanged as (
      select ${idOf(table)} as id from ${table.from} join given on given.id = ${idOf(table)}
      where t.xmin::text = given.seen and ${table.isFree}
      for no key update of t skip locked
    )
    update ${table.from} set data_key_id = given.data_key_id, ${sql.join(sets)}
    from given join unchanged on unchanged.id = given.id
    where ${idOf(table)} = given.id
    returning given.id`);
  return written.length;
}
