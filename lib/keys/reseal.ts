import { type RawBuilder, sql } from 'kysely';
import { bindingOf, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns, toDataKey } from '../connections/snapshot.ts';
import { type DataKey, openDataKey } from '../data-keys.ts';
import { type Binding, EnvelopeError, reseal } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { isAsked, NotDone, pause, type Tools } from './tools.ts';

const BATCH = 100;
const POLL_MS = 500;
/** Longer than any lease: who still holds one then has taken it anew. */
const PATIENCE_MS = 5 * 60_000;

interface ResealedRow extends SealedRow {
  row_id: string;
  /** PostgreSQL's own version of the row: another after every update of it, whatever it changes. */
  seen: string;
  previous_refresh_token: Uint8Array | null;
  next_id: string;
  next_generation: number;
  next_kms_key_id: string;
  next_wrapped: Uint8Array;
}

type Resealed = Pick<ResealedRow, 'row_id' | 'seen' | 'next_id'> & Record<Field, Uint8Array | null>;
type Field = Binding['field'];

/** A table that holds envelopes, aliased `t`. Who is at work on a row writes what it has sealed with the key it read, and is waited for. */
interface Table {
  name: string;
  from: RawBuilder<unknown>;
  connectionId: RawBuilder<unknown>;
  previous: RawBuilder<unknown>;
  setPrevious: RawBuilder<unknown>;
  isFree: RawBuilder<unknown>;
}

const tables: readonly Table[] = [
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

/**
 * Seals with the tenants' newest keys all that retired ones have sealed, a hundred rows a statement, while
 * everybody goes on working: a row that changes meanwhile is left alone and read again. What does not open is told
 * and left where it stands. It needs no memory of where it was: what is left is what still names a retired key.
 */
export async function resealRows(
  tools: Tools,
  tenantId: string | undefined,
): Promise<{ resealed: number; unreadable: number }> {
  const skipped = new Skipped(tools);
  let resealed = 0;
  for (let moved = Date.now(); ; ) {
    for (const table of tables) {
      for (;;) {
        const rows = await readBatch(tools, table, tenantId, skipped.ids);
        if (rows.length === 0) break;
        const written = await writeBatch(tools, table, await resealBatch(tools, rows, skipped));
        if (written === 0) break;
        moved = Date.now();
        resealed += written;
        tools.say({ event: 'resealing', table: table.name, rows: written, resealed });
      }
    }
    const left = await countLeft(tools, tenantId, skipped.ids);
    if (left === 0) return { resealed, unreadable: skipped.ids.length };
    if (Date.now() - moved > PATIENCE_MS) {
      throw new NotDone(
        `${left} rows are held by refreshes or revocations all the time. Run it again later.`,
      );
    }
    await pause(POLL_MS);
  }
}

/** Rows that do not open, each told once. */
class Skipped {
  readonly ids: string[] = [];
  /** Data keys that KMS takes for something else: it need not be asked again for each of their rows. */
  readonly keys = new Set<string>();
  readonly #tools: Tools;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  add(row: ResealedRow, reason: string): void {
    this.ids.push(row.row_id);
    this.#tools.say({
      event: 'unreadable',
      connection_id: row.connection_id,
      tenant_id: row.tenant_id,
      provider_id: row.provider,
      reason,
    });
  }
}

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

function readBatch(
  { postgres }: Tools,
  table: Table,
  tenantId: string | undefined,
  skipped: readonly string[],
): Promise<ResealedRow[]> {
  return postgres.rows(sql<ResealedRow>`
    select t.id as row_id, t.xmin::text as seen, ${table.connectionId} as connection_id, t.user_id, t.brand_id,
      t.tenant_id, t.provider, t.version, t.credential, t.refresh_token, ${table.previous} as previous_refresh_token,
      ${dataKeyColumns}, n.id as next_id, n.generation as next_generation, n.kms_key_id as next_kms_key_id,
      n.wrapped as next_wrapped
    ${leftOf(table, tenantId, skipped)} and ${table.isFree} limit ${BATCH}`);
}

async function countLeft(
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

async function resealBatch(
  tools: Tools,
  rows: readonly ResealedRow[],
  skipped: Skipped,
): Promise<Resealed[]> {
  const done: Resealed[] = [];
  for (const row of rows) {
    const from = await openOldKey(tools, row, skipped);
    if (!from) continue;
    const to = await openNewKey(tools, row);
    const again = async (field: Field) => {
      const envelope = row[field];
      return envelope && reseal(new Uint8Array(envelope), from, to, bindingOf(row, field));
    };
    try {
      done.push({
        row_id: row.row_id,
        seen: row.seen,
        next_id: to.id,
        credential: await again('credential'),
        refresh_token: await again('refresh_token'),
        previous_refresh_token: await again('previous_refresh_token'),
      });
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      skipped.add(row, `envelope ${error.message}`);
    }
  }
  return done;
}

async function openOldKey({ kms }: Tools, row: ResealedRow, skipped: Skipped): Promise<DataKey | undefined> {
  const wrapped = toDataKey(row);
  if (!wrapped) return undefined;
  const reason = `data key ${wrapped.id} refused by kms`;
  if (skipped.keys.has(wrapped.id)) {
    skipped.add(row, reason);
    return undefined;
  }
  try {
    return await openDataKey(wrapped, kms, Date.now());
  } catch (error) {
    if (!(error instanceof KmsRefusal)) throw error;
    skipped.keys.add(wrapped.id);
    skipped.add(row, reason);
    return undefined;
  }
}

async function openNewKey({ kms }: Tools, row: ResealedRow): Promise<DataKey> {
  const wrapped = {
    id: row.next_id,
    tenantId: row.tenant_id,
    generation: row.next_generation,
    kmsKeyId: row.next_kms_key_id,
    wrapped: row.next_wrapped,
  };
  try {
    return await openDataKey(wrapped, kms, Date.now());
  } catch (error) {
    if (!(error instanceof KmsRefusal)) throw error;
    throw new NotDone(
      `KMS does not take data key ${row.next_id} for what its row says. Find out who wrote that row.`,
    );
  }
}

/** How many rows were as they had been read. Whose row is locked is at work on it, and is not waited for here. */
async function writeBatch({ postgres }: Tools, table: Table, rows: readonly Resealed[]): Promise<number> {
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
