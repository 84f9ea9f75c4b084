import { sql } from 'kysely';
import type { Services } from './services.ts';

/** Rows deleted at one firing at most, so that a long absence is caught up on in small steps. */
const PER_FIRING = 5_000;

/**
 * Forgets what has no use any more: states an hour past their end, when no copy in KV can name them; that a grant has
 * ended after a day, when nothing that was asked for before is under way; an audit entry after 400 days, and an event
 * after 30.
 */
export async function sweep({ postgres }: Services): Promise<Record<string, number>> {
  const [counts] = await postgres.rows(sql<{ states: number; grants: number; audit: number; events: number }>`
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
      ) returning 1
    )
    select (select count(*) from states)::integer as states, (select count(*) from grants_over)::integer as grants,
      (select count(*) from audit)::integer as audit,
      (select count(*) from old_events)::integer as events`);
  return { ...counts };
}
