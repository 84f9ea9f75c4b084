import { type RawBuilder, sql } from 'kysely';
import type { Services } from '../services.ts';

/**
 * SQL: deletes the payloads in a table of the same statement that has taken their events away, as `payload_id, event_id`,
 * but for those that another event says. What an event comes to say meanwhile stays: it was written later.
 */
export function forgetTable(taken: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    delete from payloads p using payloads seen
    where seen.id = p.id and seen.part = p.part and seen.written_at = p.written_at
      and p.id in (select t.payload_id from ${taken} t)
      and not exists (
        select from events e where e.payload_id = p.id and e.id not in (select t.event_id from ${taken} t)
      )
    returning p.id`;
}

/** Deletes those of payloads that no event says: whoever wrote them wrote no event. */
export async function forgetUnsaid({ postgres }: Services, ids: readonly string[]): Promise<void> {
  await postgres.rows(sql`
    delete from payloads p using payloads seen
    where seen.id = p.id and seen.part = p.part and seen.written_at = p.written_at and p.id = any (${ids}::uuid[])
      and not exists (select from events e where e.payload_id = p.id)`);
}
