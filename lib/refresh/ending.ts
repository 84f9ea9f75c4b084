import { sql } from 'kysely';
import { deathSets, deathTables, toldOfDeath } from '../connections/death.ts';
import { endTime } from '../connections/end-time.ts';
import { isLiving } from '../connections/living.ts';
import { announce, notice, toldBy, type WithNotices } from '../notices.ts';
import type { Services } from '../services.ts';

/** Told a week before a person must act, and an hour more, so that no late firing makes it less. */
const AHEAD = sql`interval '7 days 1 hour'`;
const PER_FIRING = 1_000;

const theEnd = endTime('c');

/**
 * Tells of connections that only a person can keep alive: once when a week is left, and once when the end has come,
 * which asks for another sign-in or key. How many were told.
 */
export async function tellEndings(services: Services): Promise<number> {
  const { postgres } = services;
  const rows = await postgres.rows(sql<{ id: string; has_ended: boolean }>`
    select id, has_ended from (
      select c.id, c.reauthorize_by as at, c.reauthorize_by <= now() as has_ended from connections c
      where c.reauthorize_by is not null and ${isLiving('c')} and c.reauthorize_by <= now() + ${AHEAD}
        and (c.reauthorize_by <= now() or c.expiring_told is distinct from c.reauthorize_by)
      union all
      select c.id, ${theEnd}, ${theEnd} <= now() from connections c
      where c.refresh_token_expires_at is not null and ${isLiving('c')}
        and c.refresh_token_expires_at <= now() + ${AHEAD} and c.failures > 0 and ${theEnd} <= now() + ${AHEAD}
        and (${theEnd} <= now() or c.expiring_told is distinct from ${theEnd})
    ) ending order by at limit ${PER_FIRING}`);
  for (const { id, has_ended } of rows) await (has_ended ? end(services, id) : warn(services, id));
  return rows.length;
}

async function warn(services: Services, id: string): Promise<void> {
  const rows = await services.postgres.rows(sql<WithNotices>`
    with warned as (
      update connections c set expiring_told = ${theEnd}
      where c.id = ${id}::uuid and ${isLiving('c')} and c.expiring_told is distinct from ${theEnd}
        and ${theEnd} <= now() + ${AHEAD}
      returning c.*
    ),
    ${notice('warned', sql`warned`, 'connection.expiring', sql`'ends_soon'`, {
      detail: sql`jsonb_build_object('reauthorize_by', n.expiring_told)`,
    })}
    select ${toldBy('warned')} as told from warned`);
  await announce(services, rows[0]);
}

async function end(services: Services, id: string): Promise<void> {
  const message = 'This access has come to its end. Connect again.';
  const rows = await services.postgres.rows(sql<WithNotices>`
    with ended as (
      update connections c set ${deathSets({ code: 'invalid_credential', message })}
      where c.id = ${id}::uuid and ${isLiving('c')} and ${theEnd} <= now()
      returning c.*
    ),
    ${deathTables(sql`ended`, sql`'ended'`)}
    select ${toldOfDeath} as told from ended`);
  await announce(services, rows[0]);
}
