import { sql } from 'kysely';
import { soon } from '../connections/check-times.ts';
import { isLiving } from '../connections/living.ts';
import type { Services } from '../services.ts';

/** Without a firing of the cron for longer than this, what was told meanwhile may have been told in vain. */
const AWAY = sql`interval '10 minutes'`;
const PER_STATEMENT = 5_000;

/**
 * SQL of what is set where something about webhooks has changed, so that they are looked after at once. Whoever is at it
 * keeps the lease, which `check_at` is while it lasts, and finds that it must be done again.
 */
export const dueAtOnce = sql`
  check_at = case when lease_id is not null and check_at > now() then check_at else least(check_at, now()) end,
  updated_at = clock_timestamp()`;

/** Has all webhooks looked after soon once we were away for long: two statements, more where we were. */
export async function noticeAbsence({ postgres }: Services): Promise<void> {
  const [row] = await postgres.rows(sql<{ was_away: boolean }>`
    select at < now() - ${AWAY} as was_away from marks where name = 'cron'`);
  for (let moved = PER_STATEMENT; row?.was_away && moved === PER_STATEMENT; ) {
    const rows = await postgres.rows(sql`
      update webhooks set check_at = now() + random() * ${AWAY}
      where connection_id in (
        select connection_id from webhooks
        where check_at > now() + ${AWAY} and check_at <> 'infinity' and lease_id is null limit ${PER_STATEMENT}
      ) returning 1`);
    moved = rows.length;
  }
  await postgres.rows(sql`
    insert into marks (name, at) values ('cron', now()) on conflict (name) do update set at = now()`);
}

/** The ids of connections whose webhooks are to be looked after. */
export async function dueWebhooks({ postgres }: Services, limit: number): Promise<string[]> {
  const rows = await postgres.rows(sql<{ connection_id: string }>`
    with due as (
      select w.connection_id, w.check_at, c.status, coalesce(${isLiving('c')}, false) as is_live
      from webhooks w left join connections c on c.id = w.connection_id
      where w.check_at <= now() order by w.check_at limit ${limit}
    ),
    -- Nobody is to be told of what has ended; whose owner is not there is ended soon, or they have come back by then.
    idle as (
      update webhooks w set check_at = case when due.status = 'connected' then ${soon} else 'infinity' end, lease_id = null,
        -- Whoever ends it must know that what was under way may have been made all the same.
        status = case
          when w.lease_id is not null and (due.status <> 'disconnected' or exists (
            select from revocations r where r.connection_id = w.connection_id
          )) then 'failed' else w.status end
      from due where w.connection_id = due.connection_id and w.check_at = due.check_at and not due.is_live
    )
    select connection_id from due where is_live`);
  return rows.map((row) => row.connection_id);
}
