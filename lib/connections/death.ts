import { type RawBuilder, sql } from 'kysely';
import { type DeathReason, notice, toldBy } from '../notices.ts';

// A connection dies when only a person can make it work again. This is the one place that writes it.

/** SQL: what an update of `connections` sets where a connection dies. */
export function deathSets(error: { code: string; message: string }): RawBuilder<unknown> {
  return sql`
    status = 'reauthorization_required', refresh_at = null, check_at = null, lease_id = null, lease_until = null,
    expiring_told = null, last_error_code = ${error.code}, last_error_message = ${error.message}, last_error_at = now(),
    updated_at = now()`;
}

/**
 * Further tables of a `with` for the connections in `from` that have just died: no delivery to the app as a whole finds
 * them any more, whoever is at their webhooks writes nothing about them, and the agent hears why. The select has the
 * column `toldOfDeath` for `announce`.
 */
export function deathTables(from: RawBuilder<unknown>, reason: RawBuilder<DeathReason>): RawBuilder<unknown> {
  return sql`
    unrouted as (
      update webhooks w set routes = '{}', lease_id = null,
        -- What was under way may have been made all the same, and is to be taken away one day.
        status = case when w.lease_id is not null then 'failed' else w.status end,
        past_routes = array(select unnest(w.past_routes) union select unnest(w.routes))
      from ${from} d where w.connection_id = d.id
    ),
    -- What waits for the end of its grant may wait for nobody any more.
    awaited as (
      update revocations r set next_attempt_at = now() from ${from} d
      where r.provider = d.provider and r.grant_id = d.grant_id and r.give_up_at = 'infinity'
    ),
    ${notice('died', from, 'connection.reauthorization_required', reason)}`;
}

export const toldOfDeath = toldBy('died');
