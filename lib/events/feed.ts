import { sql } from 'kysely';
import * as z from 'zod';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { fromBase64, toBase64, toUtf8 } from '../bytes.ts';
import { invalidInput } from '../problem.ts';
import type { Services } from '../services.ts';
import type { EventRow } from './body.ts';

/** Where a reader is: the transaction that wrote the last event it has seen, and its id. */
const cursor = z.tuple([z.string().regex(/^\d{1,18}$/), z.guid()]);

/** `data` is null of what is too large for the page. */
type Row = Omit<EventRow, 'data'> & { data: string | null; written_in: string };

/** What an agent may be told of, as it stands. */
export const FEED_STATUSES = ['pending', 'delivered', 'dead'] as const;

/** Of all payloads of a page, but that one alone may be larger. */
const PAGE_BYTES = 4_000_000;

/**
 * A scope's events, oldest first, behind `after`: `limit` at most, and fewer where they are large. Events that were written
 * while older writers are still under way are left for the next reading: a reader that goes from event to event misses
 * none. `next` is where to go on, at the end, too. Throws `invalid_request` for a cursor that is none, `unauthenticated`
 * and `not_found`.
 */
export async function readFeed(
  { postgres }: Services,
  caller: Caller,
  {
    after,
    limit,
    type,
    connection,
    status,
  }: {
    after: string | undefined;
    limit: number;
    type: string | undefined;
    connection: string | undefined;
    status: (typeof FEED_STATUSES)[number] | undefined;
  },
): Promise<{ rows: EventRow[]; next: string; hasMore: boolean }> {
  const [writtenIn, id] = after === undefined ? ['0', NIL] : readCursor(after);
  const inBrand = caller.brandId === null ? sql`e.brand_id is null` : sql`e.brand_id = scope.brand_id`;
  const rows = await postgres.rows(sql<ScopeRow & (Row | { id: null })>`
    with ${callerTables(caller)}
    select ${scopeColumns}, e.id, e.type, e.provider, e.connection_id, e.user_id, e.brand_id, e.account_id, e.occurred_at,
      e.received_at, e.written_in, case when e.through <= ${PAGE_BYTES} or e.place = 1 then e.data end as data
    from session left join scope on true
    left join lateral (select p.*, row_number() over feed as place, sum(octet_length(p.data)) over feed as through from (
      select e.id, e.type, e.provider, e.connection_id, e.user_id, e.brand_id, e.account_id, e.occurred_at,
        e.received_at, e.data, e.written_in::text as written_in, e.written_in as in_order
      from events e
      where e.user_id = scope.user_id and ${inBrand} and e.status <> 'kept' and e.type <> ''
        and (e.written_in, e.id) > (${writtenIn}::xid8, ${id}::uuid)
        and e.written_in < pg_snapshot_xmin(pg_current_snapshot())
        and (${type ?? null}::text is null or e.type = ${type ?? null})
        and (${connection ?? null}::uuid is null or e.connection_id = ${connection ?? null}::uuid)
        and (${status ?? null}::text is null or e.status = ${status ?? null})
      order by e.written_in, e.id limit ${limit + 1}
    ) p window feed as (order by p.in_order, p.id)) e on true
    order by e.in_order, e.id`);
  requireScope(rows[0]);
  const found = rows.filter((row): row is ScopeRow & Row => row.id !== null);
  const page = found
    .slice(0, limit)
    .filter((row): row is ScopeRow & Row & { data: string } => row.data !== null);
  const last = page.at(-1);
  const next = toBase64(toUtf8(JSON.stringify(last ? [last.written_in, last.id] : [writtenIn, id])));
  return { rows: page, next, hasMore: found.length > page.length };
}

const NIL = '00000000-0000-0000-0000-000000000000';

function readCursor(text: string): z.infer<typeof cursor> {
  try {
    return cursor.parse(JSON.parse(new TextDecoder().decode(fromBase64(text))));
  } catch {
    throw invalidInput('after', 'Give `after` the `next` of an earlier answer.');
  }
}
