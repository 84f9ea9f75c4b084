import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { ownerOf } from '../connections/living.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import {
  joinSmall,
  type PartColumns,
  type PayloadColumns,
  partColumns,
  SMALL_BYTES,
} from '../payloads/read.ts';
import type { Services } from '../services.ts';
import { type AgentColumns, workersUrl } from './agent.ts';
import type { EventRow } from './body.ts';
import { HELD_SECONDS, type Lane, SLOW_AT_ONCE, WORKERS_LANE } from './lanes.ts';
import type { Left } from './left.ts';
import type { Meant } from './meaning.ts';
import { ATTEMPTS, WAITS } from './schedule.ts';

/** Longer than telling it takes; who vanishes meanwhile has it told again, no sooner than its schedule has it. */
const LEASE_SECONDS = 30;
/** What is large takes longer by that. */
const BYTES_A_SECOND = 250_000;
/** As long as telling takes at most. */
const UNDER_WAY_MS = 60_000;
/** Events that are claimed together: what is claimed and not begun is written twice in vain; and bytes of their payloads. */
const MOST_EVENTS = 25;
const MOST_BYTES = 4_000_000;

/** An event that is nobody else's to tell for a while. */
export type Claimed = EventRow &
  AgentColumns &
  PayloadColumns &
  PartColumns &
  Lane &
  Omit<Meant, 'data'> & {
    /** What stands for its payload, where it has none. */
    data: string;
    attempts: number;
    replays: number;
    lease_id: string;
    last_error: string | null;
    /** It had its last attempt before. */
    is_spent: boolean;
    /** Somebody may hear of it: its owner is there, or it says why that is not so to those who are left. */
    may_be_told: boolean;
    /** Its agent is told one after the other. */
    is_slow: boolean;
  };

/**
 * Takes events that are due: of all who ask at once one gets each, and those whose agents are slow come last. Whose agent
 * has its share under way waits for these; whose agent wants a pause, until that is over; whose agent is gone, for
 * another. Whoever had the last attempt of one may have vanished with it: it is dead then, and not told again. One
 * statement. `left` are those that are due, and too large, or too many, to be told with the rest; `isLarge` has one of
 * these told instead.
 */
export async function claim(
  services: Services,
  ids: readonly string[],
  isLarge: boolean,
): Promise<{ rows: Claimed[]; left: Left[] }> {
  const [leaseId, ownUrl] = [uuidv7(), workersUrl(services)];
  // Whose id tells when they began; earlier ones have vanished.
  const begunSince = uuidv7({ msecs: Date.now() - UNDER_WAY_MS });
  const rows = await services.postgres.rows(sql<{ left_over: Left[] } & (Claimed | { id: null })>`
    with due as (
      select e.id, e.type, e.received_at, e.payload_bytes, e.payload_bytes > ${SMALL_BYTES} as is_large, heard.by,
        coalesce(a.tenant_id, ${WORKERS_LANE}::uuid) as lane, coalesce(a.url, ${ownUrl}) as url
      from events e
      ${ownerOf('e')}
      ${HEARD}
      left join agents a on a.tenant_id = heard.by
      where e.id = any (${ids}::uuid[]) and ${IS_DUE}
    ),
    under_way as (
      select d.lane, (
        select count(*) from events e
        where e.lane = d.lane and e.lease_id is not null and e.lease_id > ${begunSince}::uuid
      ) as told
      from (select distinct due.lane from due join lanes l on l.id = due.lane and l.url = due.url where l.share is not null) d
    ),
    in_lanes as (
      select due.*, l.share is not null as is_slow, l.gone_at, l.closed_until,
        row_number() over (partition by due.lane, due.type = '' order by due.received_at, due.id) as place,
        l.share is not null and row_number() over (
          partition by due.lane, due.type = '' order by due.received_at, due.id
        ) > l.share - coalesce(u.told, 0) as is_held
      -- What is said to ourselves waits for no agent.
      from due left join lanes l on l.id = due.lane and l.url = due.url and due.type <> ''
      left join under_way u on u.lane = due.lane
    ),
    placed as (
      select *,
        is_slow and row_number() over (partition by is_slow, is_held order by place, received_at, id) > ${SLOW_AT_ONCE}
        or row_number() over each_in_turn > ${isLarge ? 1 : MOST_EVENTS}
        or ${!isLarge} and sum(payload_bytes) over each_in_turn > ${MOST_BYTES} as is_too_much
      from in_lanes
      -- The lanes take turns, so that nobody's wait behind another's many.
      window each_in_turn as (partition by is_large, is_held order by is_slow, place, received_at, id)
    ),
    put_off as (
      update events e set
        lane = case when p.gone_at is null and coalesce(p.closed_until <= now(), true) then p.lane end,
        -- Whoever had it has vanished: it has its turn like the others.
        lease_id = null,
        -- Of what is nobody’s any more no team is known.
        tenant_id = coalesce(p.by, e.tenant_id),
        last_error = case when p.gone_at is not null then 'no agent' else e.last_error end,
        next_attempt_at = case
          when p.gone_at is not null then 'infinity'
          when p.closed_until > now() then p.closed_until + make_interval(secs => random() * 10)
          else now() + make_interval(secs => ${HELD_SECONDS} * (1 + random()))
        end
      from placed p
      where e.id = p.id and (p.gone_at is not null or p.closed_until > now() or p.is_held) and ${IS_DUE}
      returning e.id
    ),
    candidate as (
      select e.id, case when p.type <> '' then p.lane end as lane, e.attempts >= ${ATTEMPTS} as is_spent from events e join placed p on p.id = e.id
      where p.is_large = ${isLarge} and not p.is_too_much and not p.is_held and p.gone_at is null
        and coalesce(p.closed_until <= now(), true) and ${IS_DUE}
      for update of e skip locked
    ),
    claimed as (
      update events e set lease_id = ${leaseId}::uuid, lane = case when not candidate.is_spent then candidate.lane end,
        status = case when candidate.is_spent then 'dead' else e.status end,
        last_error = case when candidate.is_spent then coalesce(e.last_error, 'whoever told it vanished') else e.last_error end,
        attempts = e.attempts + case when candidate.is_spent then 0 else 1 end,
        -- The same body once more is news from here on: what it means may have become so again.
        body_hash = case when e.meaning is null then e.body_hash end,
        -- Who vanishes with it has had an attempt: what comes next comes no sooner than after another's failure.
        next_attempt_at = now() + make_interval(
          secs => greatest(${LEASE_SECONDS} + e.payload_bytes / ${BYTES_A_SECOND}, coalesce((${WAITS}::integer[])[e.attempts + 1], 0)))
      from candidate where e.id = candidate.id
      returning e.*
    )
    select (
        select coalesce(json_agg(json_build_object('id', p.id, 'payload_bytes', p.payload_bytes)), '[]') from placed p
        where (p.is_large <> ${isLarge} or p.is_too_much) and p.id not in (select id from put_off)
      ) as left_over, told.*
    from (select) one left join (
      select e.id, e.type, e.provider, e.connection_id, coalesce(heard.by, e.tenant_id) as tenant_id, e.user_id, e.brand_id,
        e.account_id, e.occurred_at, e.received_at, e.data, e.payload_id, e.payload_bytes, e.attempts, e.replays, e.meaning,
        e.topic, e.lease_id, e.last_error, e.status = 'dead' as is_spent, a.url as agent_url, a.secret as agent_secret,
        owner.loss is null or (e.type = 'connection.disconnected' and heard.by is not null) as may_be_told,
        coalesce(a.tenant_id, ${WORKERS_LANE}::uuid) as lane, coalesce(a.url, ${ownUrl}) as lane_url, exists (
          select from lanes l where e.type <> '' and l.id = coalesce(a.tenant_id, ${WORKERS_LANE}::uuid) and l.url = coalesce(a.url, ${ownUrl}) and l.share is not null
        ) as is_slow,
        ${dataKeyColumns}, ${partColumns}
      from (
        select * from claimed
        union all
        -- What an earlier run of this very statement has taken, when its answer was lost.
        select * from events where id = any (${ids}::uuid[]) and lease_id = ${leaseId}::uuid
      ) e
      ${ownerOf('e')}
      ${HEARD}
      left join agents a on a.tenant_id = heard.by
      left join data_keys k on k.id = a.data_key_id
      ${joinSmall()}
    ) told on true
    order by told.is_slow, told.received_at`);
  return { rows: rows.filter((row) => row.id !== null), left: rows[0]?.left_over ?? [] };
}

/** SQL: what waits for others of its lane is due whenever somebody names it. */
const IS_DUE = sql<boolean>`(
  e.status = 'pending' and (e.next_attempt_at <= now() or (e.lane is not null and e.lease_id is null))
)`;

/** SQL: whose it is now. Of what is nobody's any more the end is told to the team that it was last known to be of. */
const HEARD = sql`cross join lateral (
  select coalesce(owner.tenant_id, (
    select t.id from teams t
    where t.id = coalesce((select c.heard_by from connections c where c.id = e.connection_id), e.tenant_id)
  )) as by
) heard`;
