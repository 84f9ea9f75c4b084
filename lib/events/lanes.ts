import { type RawBuilder, sql } from 'kysely';
import { NIL } from 'uuid';
import type { Services } from '../services.ts';

// What an agent's address is told goes in a lane of its own: an agent that is slow to answer is told a few events at
// once and one after the other, so that nobody else's wait for it; one that asks for a pause has it; one that is gone is
// told nothing.

/** The lane of the Worker's own agent; every other is its tenant's. */
export const WORKERS_LANE = NIL;

/** An agent's lane, and the address that what is said of it is so of. */
export interface Lane {
  lane: string;
  lane_url: string;
}

/** How many a slow agent is told at once: at first, at least, and at most, from where on it is slow no more. */
export const SLOW = { first: 8, least: 2, most: 64 };
/** Of slow agents' events that one invocation tells at once, so that others' have the rest of its connections. */
export const SLOW_AT_ONCE = 2;
/** Of those that wait, so many have their turn once their agent answers at once again. */
const FOLLOWING = 50;
/** Seconds after which who waits for others of its lane is looked at, should these have vanished. */
export const HELD_SECONDS = 120;

/** An agent's state, as a statement is to set it; absent is left as it is. */
interface LaneChange {
  /** SQL of the standing share, `l.share`, which may be null. */
  share?: RawBuilder<number | null>;
  closedSeconds?: number;
  isGone?: boolean;
}

function change({ lane, lane_url: url }: Lane, { share, closedSeconds, isGone }: LaneChange) {
  const first =
    share === undefined ? sql`null::integer` : sql`(select ${share} from (select null::integer as share) l)`;
  const closed = sql`now() + make_interval(secs => ${closedSeconds ?? null}::integer)`;
  return sql`
    insert into lanes as l (id, url, share, closed_until, gone_at)
    values (${lane}::uuid, ${url}, ${first}, ${closed}, case when ${isGone === true} then now() end)
    -- Of another address nothing is known.
    on conflict (id) do update set url = excluded.url, updated_at = now(),
      share = case when l.url <> excluded.url then excluded.share else ${share ?? sql`l.share`} end,
      closed_until = case when l.url <> excluded.url then excluded.closed_until
        else greatest(l.closed_until, excluded.closed_until) end,
      gone_at = case when l.url <> excluded.url then excluded.gone_at else coalesce(l.gone_at, excluded.gone_at) end`;
}

/** Has an agent told one after the other from now on, which is slow to answer. */
export async function markSlow({ postgres }: Services, lane: Lane): Promise<void> {
  await postgres.rows(change(lane, { share: sql`coalesce(l.share, ${SLOW.first})` }));
}

/** What the answer to an event says of its agent; undefined where that is nothing new. */
export type LaneNews = 'fast' | 'slow' | 'hangs' | { pause: number } | 'gone';

/**
 * SQL for a `with`: writes what an answer says of an agent, and gives, as `next`, those that wait for their turn in a lane
 * in which things go one after the other.
 */
export function laneTables(lane: Lane, news: LaneNews | undefined): RawBuilder<unknown> {
  const changed = news === undefined ? sql`select` : changeBy(lane, news);
  return sql`
    lane_changed as (${changed} ${news === undefined ? sql`where false` : sql``}),
    next as (
      select e.id, e.payload_bytes from events e
      where e.lane = ${lane.lane}::uuid and e.lease_id is null and e.status = 'pending'
      order by e.id limit ${news === 'fast' ? FOLLOWING : SLOW_AT_ONCE}
    )`;
}

function changeBy(lane: Lane, news: LaneNews): RawBuilder<unknown> {
  const halved = sql<number>`greatest(${SLOW.least}, coalesce(l.share, ${SLOW.first}) / 2)`;
  // Once it is open again it is not told everything at once.
  if (typeof news === 'object') return change(lane, { closedSeconds: news.pause, share: halved });
  switch (news) {
    case 'gone':
      return change(lane, { isGone: true });
    case 'hangs':
      return change(lane, { share: halved });
    case 'slow':
      // It takes what it is told: one more at once may go as well.
      return change(lane, { share: sql`least(coalesce(l.share, ${SLOW.first}) + 1, ${SLOW.most})` });
    case 'fast':
      return change(lane, { share: sql`case when l.share < ${SLOW.most} then l.share * 2 end` });
  }
}

/** SQL: forgets what is known of a tenant's agent, or of the Worker's. */
export function forgetLane(lane: string): RawBuilder<unknown> {
  return sql`delete from lanes where id = ${lane}::uuid`;
}
