import { sql } from 'kysely';
import { notice } from '../notices.ts';
import type { Services } from '../services.ts';

/** Told a week before a person must act, and an hour more, so that no late firing makes it less. */
const AHEAD = sql`interval '7 days 1 hour'`;
const PER_FIRING = 1_000;

/**
 * Tells of connections that only a person can keep alive: once when a week is left, and once when the end has come,
 * which asks for another sign-in or key. How many were told.
 */
export async function tellEndings(services: Services): Promise<number> {
  const { postgres } = services;
  const rows = await postgres.rows(sql<{ id: string; has_ended: boolean }>`
    select id, reauthorize_by <= now() as has_ended from connections
    where reauthorize_by is not null and status = 'connected' and reauthorize_by <= now() + ${AHEAD}
      and (reauthorize_by <= now() or expiring_told is distinct from reauthorize_by)
    order by reauthorize_by limit ${PER_FIRING}`);
  for (const { id, has_ended } of rows) await (has_ended ? end(services, id) : warn(services, id));
  return rows.length;
}

async function warn({ postgres }: Services, id: string): Promise<void> {
  await postgres.rows(sql`
    with warned as (
      update connections c set expiring_told = c.reauthorize_by
      where c.id = ${id}::uuid and c.status = 'connected' and c.expiring_told is distinct from c.reauthorize_by
        and c.reauthorize_by <= now() + ${AHEAD}
      returning c.*
    ),
    ${notice('warned', sql`warned`, 'connection.expiring', sql`jsonb_build_object('reauthorize_by', n.reauthorize_by)`)}
    select id from warned`);
}

async function end({ postgres }: Services, id: string): Promise<void> {
  const message = 'This access has come to its end. Connect again.';
  await postgres.rows(sql`
    with ended as (
      update connections c set
        status = 'reauthorization_required', refresh_at = null, lease_id = null, lease_until = null,
        last_error_code = 'invalid_credential', last_error_message = ${message}, last_error_at = now(), updated_at = now()
      where c.id = ${id}::uuid and c.status = 'connected' and c.reauthorize_by <= now()
      returning c.*
    ),
    ${notice('ended', sql`ended`, 'connection.reauthorization_required', sql`jsonb_build_object('reason', 'ended')`)}
    select id from ended`);
}
