import { sql } from 'kysely';
import type { Services } from '../services.ts';
import type { Left } from './left.ts';

/** Of those that wait for others of their lane, so many are named in a firing, should these have vanished. */
const PER_SLOW_LANE = 10;
/** Of a lane in which nobody need wait any more. */
const PER_LANE = 1_000;

/**
 * The events that are due, the longest waiting first; and of those that wait in a lane some of each, so that none is
 * behind another's many.
 */
export async function dueEvents({ postgres }: Services, limit: number): Promise<Left[]> {
  return postgres.rows(sql<Left>`
    with recursive lane (id) as (
      (select e.lane from events e where e.lane is not null and e.lease_id is null order by e.lane limit 1)
      union all
      select (
        select e.lane from events e
        where e.lane is not null and e.lease_id is null and e.lane > lane.id order by e.lane limit 1
      ) from lane where lane.id is not null
    ),
    due as (
      select id, payload_bytes from events
      where status = 'pending' and next_attempt_at <= now() and (lane is null or lease_id is not null)
      order by next_attempt_at limit ${limit}
    )
    select id, payload_bytes from due
    union all
    select waiting.id, waiting.payload_bytes from lane cross join lateral (
      select e.id, e.payload_bytes from events e
      where e.lane = lane.id and e.lease_id is null and e.status = 'pending' order by e.id
      limit case when exists (select from lanes l where l.id = lane.id and l.share is not null)
        then ${PER_SLOW_LANE}::integer else ${PER_LANE}::integer end
    ) waiting`);
}
