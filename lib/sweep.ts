import { sql } from 'kysely';
import { forgetTable } from './payloads/forget.ts';
import type { Services } from './services.ts';

/** Rows deleted at one firing at most, so that a long absence is caught up on in small steps. */
const PER_FIRING = 5_000;
/** Of what may be large. */
const PAYLOADS_PER_FIRING = 500;

/**
 * Forgets what has no use any more: states an hour past their end, when no copy in KV can name them; that a grant has
 * ended after a day, when nothing that was asked for before is under way; an audit entry after 400 days, an event after 30,
 * and what providers have told of a connection a day after its end; payloads with the last event that says them.
 */
export async function sweep({ postgres }: Services): Promise<Record<string, number>> {
  const [counts] = await postgres.rows(sql<{
    states: number;
    grants: number;
    audit: number;
    events: number;
    payloads: number;
  }>`
    with states as (
      delete from consumed_states where state_hash in (
        select state_hash from consumed_states where expires_at < now() - interval '1 hour' limit ${PER_FIRING}
      ) returning 1
    ),
    grants_over as (
      delete from grants where ctid in (
        select g.ctid from grants g where g.ended_at < now() - interval '1 day' and coalesce(g.ending_until, '-infinity') < now()
          and not exists (
            select from connections c where c.provider = g.provider and c.grant_id = g.identity and c.status <> 'disconnected'
          ) limit ${PER_FIRING} for update skip locked
      ) returning 1
    ),
    audit as (
      delete from audit_log where id in (
        select id from audit_log where at < now() - interval '400 days' limit ${PER_FIRING}
      ) returning 1
    ),
    old_events as (
      delete from events where id in (
        select id from events where received_at < now() - interval '30 days' limit ${PER_FIRING}
      ) returning id as event_id, payload_id
    ),
    -- For some days, should the cron have been away.
    ended as (
      select e.id as event_id, e.payload_id from audit_log a join events e on e.connection_id = a.connection_id
      where a.action = 'disconnected' and a.at < now() - interval '1 day' and a.at > now() - interval '4 days'
        and e.payload_id is not null and e.topic is not null
        -- Whoever has connected again has another connection.
        and not exists (select from connections c where c.id = a.connection_id and c.status <> 'disconnected')
        -- What asks for something to be forgotten says what, until that is done.
        and not (e.status = 'pending' and e.meaning is not null)
      limit ${PAYLOADS_PER_FIRING}
    ),
    forgotten as (
      update events e set payload_id = null, payload_bytes = 0 from ended where e.id = ended.event_id returning 1
    ),
    taken as (
      select event_id, payload_id from old_events union all select event_id, payload_id from ended
    ),
    payloads_gone as (${forgetTable(sql`taken`)}),
    -- Of whoever vanished before an event said it.
    payloads_unsaid as (
      delete from payloads p where p.id in (
        select id from payloads
        where octet_length(sealed) > 131072 and written_at < now() - interval '1 hour'
          and written_at > now() - interval '1 day'
        order by written_at limit ${PER_FIRING}
      ) and p.written_at < now() - interval '1 hour' and not exists (select from events e where e.payload_id = p.id)
      returning 1
    ),
    lanes_over as (
      delete from lanes where updated_at < now() - interval '1 day' and gone_at is null
        and coalesce(closed_until, '-infinity') < now()
    )
    select (select count(*) from states)::integer as states, (select count(*) from grants_over)::integer as grants,
      (select count(*) from audit)::integer as audit,
      (select count(*) from old_events)::integer as events,
      ((select count(*) from payloads_gone) + (select count(*) from payloads_unsaid))::integer as payloads`);
  return { ...counts };
}
