import { sql } from 'kysely';
import * as z from 'zod';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { fromBase64, toBase64, toUtf8 } from '../bytes.ts';
import {
  joinSmall,
  openSmall,
  type PartColumns,
  type PayloadColumns,
  PayloadNotOpened,
  partColumns,
  SMALL_BYTES,
} from '../payloads/read.ts';
import { invalidInput } from '../problem.ts';
import type { Services } from '../services.ts';
import { bodyOf, bodyOfLarge, type EventRow } from './body.ts';

const NIL = '00000000-0000-0000-0000-000000000000';
const NO_RESTORE = '0';

const digits = z.string().regex(/^\d{1,18}$/);
/**
 * Where a reader is: the transaction that wrote the last event it has seen, the event's id, and since which restore
 * transactions are counted so; without that there had been none.
 */
const cursor = z.tuple([digits, z.guid(), digits.default(NO_RESTORE)]);

/** SQL: since which restore transactions are counted as they are; see `begin_feed_epoch` in schema.sql. */
const currentEpoch = sql`coalesce(
  (select (extract(epoch from at) * 1000000)::bigint::text from marks where name = 'feed_epoch'), ${NO_RESTORE}
)`;

const BEGINNING: z.infer<typeof cursor> = ['0', NIL, NO_RESTORE];

type Row = EventRow &
  PayloadColumns &
  PartColumns & { data: string; written_in: string; is_in_page: boolean };

/** An event of a page in JSON, as bytes: where it is large, in parts that are read as they are asked for. */
export type FeedEvent = () => AsyncIterable<Uint8Array>;

/** `reached` is where the reader is, whether or not there is anything behind it. */
type Read = ScopeRow & { reached: z.infer<typeof cursor> };

/** What an agent may be told of, as it stands. */
export const FEED_STATUSES = ['pending', 'delivered', 'dead'] as const;

/** Of all payloads of a page, but that one alone may be larger. */
const PAGE_BYTES = 4_000_000;

/**
 * A scope's events, oldest first, behind `after`: `limit` at most, and fewer where they are large. Events that were written
 * while older writers are still under way are left for the next reading: a reader that goes from event to event misses
 * none. `next` is where to go on, at the end, too. A cursor from before a restore, or of what a restore has undone,
 * begins at the beginning: some are read again, none is missed. Throws `invalid_request` for a cursor that is none,
 * `unauthenticated` and `not_found`.
 */
export async function readFeed(
  services: Services,
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
): Promise<{ events: FeedEvent[]; next: string; hasMore: boolean }> {
  const [writtenIn, id, since] = after === undefined ? BEGINNING : readCursor(after);
  const inBrand = caller.brandId === null ? sql`e.brand_id is null` : sql`e.brand_id = scope.brand_id`;
  const rows = await services.postgres.rows(sql<Read & (Row | { id: null })>`
    with ${callerTables(caller)},
    reached as (
      select epoch, case when is_ours then ${writtenIn} else '0' end::xid8 as written_in,
        case when is_ours then ${id} else ${NIL} end::uuid as id
      from (select ${currentEpoch} as epoch) standing cross join lateral (
        select epoch = ${since} and ${writtenIn}::xid8 < pg_snapshot_xmax(pg_current_snapshot()) as is_ours
      ) given
    )
    select ${scopeColumns}, array[reached.written_in::text, reached.id::text, reached.epoch] as reached, e.id, e.type, e.provider, e.connection_id, e.user_id, e.brand_id, e.account_id, e.occurred_at,
      e.received_at, e.written_in::text as written_in, e.data, e.payload_id, e.payload_bytes, e.is_in_page, ${partColumns}
    from session left join scope on true cross join reached
    left join lateral (
      select p.*, p.through <= ${PAGE_BYTES} or p.place = 1 as is_in_page from (
        select e.*, row_number() over feed as place, sum(e.payload_bytes + octet_length(e.data)) over feed as through from (
          select e.* from events e
          where e.user_id = scope.user_id and ${inBrand} and e.status <> 'kept' and e.type <> ''
            and (e.written_in, e.id) > (reached.written_in, reached.id)
            and e.written_in < pg_snapshot_xmin(pg_current_snapshot())
            and (${type ?? null}::text is null or e.type = ${type ?? null})
            and (${connection ?? null}::uuid is null or e.connection_id = ${connection ?? null}::uuid)
            and (${status ?? null}::text is null or e.status = ${status ?? null})
          order by e.written_in, e.id limit ${limit + 1}
        ) e window feed as (order by e.written_in, e.id)
      ) p
    ) e on true
    ${joinSmall(sql<boolean>`e.is_in_page`)}
    order by e.written_in, e.id`);
  requireScope(rows[0]);
  const found = rows.filter((row): row is Read & Row => row.id !== null);
  const page = found.slice(0, limit).filter((row) => row.is_in_page);
  const last = page.at(-1);
  const reached = rows[0]?.reached ?? BEGINNING;
  const next = toBase64(toUtf8(JSON.stringify(last ? [last.written_in, last.id, reached[2]] : reached)));
  const events = await Promise.all(page.map((row) => opened(services, row)));
  return { events, next, hasMore: found.length > page.length };
}

/** What stands for a payload that does not open: the events behind it are read all the same. */
const UNREADABLE = '{"unreadable":true}';

async function opened(services: Services, row: Row): Promise<FeedEvent> {
  const { payload_id: id } = row;
  try {
    const body =
      id !== null && row.payload_bytes > SMALL_BYTES
        ? await bodyOfLarge(services, { ...row, payload_id: id })
        : bodyOf(row, await openSmall(services, row));
    // What does not open half way would end the answer, and all that is behind it.
    if (!body.whole) for await (const _ of body.chunks());
    return body.chunks;
  } catch (error) {
    if (!(error instanceof PayloadNotOpened)) throw error;
    const about = { event_id: row.id, connection_id: row.connection_id, reason: error.reason };
    console.error(JSON.stringify({ level: 'error', event: 'payload_not_opened', ...about }));
    return bodyOf(row, UNREADABLE).chunks;
  }
}

function readCursor(text: string): z.infer<typeof cursor> {
  try {
    return cursor.parse(JSON.parse(new TextDecoder().decode(fromBase64(text))));
  } catch {
    throw invalidInput('after', 'Give `after` the `next` of an earlier answer.');
  }
}
