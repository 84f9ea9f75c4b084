import { type RawBuilder, sql } from 'kysely';
import { isOwned } from '../connections/living.ts';
import { dueAtOnce } from './due.ts';

// That deliveries fail their signature: how it is noted, and read again.

/**
 * SQL: how long what does not fit a secret has nothing looked after again. A look takes requests for each hook, and
 * whoever knows the address may send anything: the more hooks, the longer.
 */
const PAUSE = sql`greatest(interval '10 minutes', jsonb_array_length(w.registered) * interval '1 minute')`;
/**
 * SQL to put before a statement: has a connection's webhooks looked after at once since a delivery has not fitted that
 * version of its secret. Nothing is written where that was so a while ago, where the secret is another one by now, or
 * without a version.
 */
export function misfitMark(connectionId: string, version: number | undefined): RawBuilder<unknown> {
  return sql`
    update webhooks w set refused_at = now(), refused_version = w.version, ${dueAtOnce}
    where w.connection_id = ${connectionId}::uuid and w.version = ${version ?? null}::integer
      and w.secret is not null and coalesce(w.refused_at < now() - ${PAUSE}, true)
      and exists (
        select from connections c where c.id = w.connection_id and c.status <> 'disconnected' and ${isOwned('c')}
      )`;
}

/** SQL: since when deliveries do not fit the secret of a row `w` of `webhooks`; null where one has since, or none has failed. */
export const misfitSince = sql`
  case when w.refused_version = w.version and not exists (
    select from events e
    where e.connection_id = w.connection_id and e.topic is not null and e.received_at > w.refused_at
  ) then w.refused_at end`;
