import { type RawBuilder, sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';

/** What may happen to a connection itself (contract: "System events"). */
export type ConnectionEvent =
  | 'connection.connected'
  | 'connection.expiring'
  | 'connection.reauthorization_required'
  | 'connection.recovered'
  | 'connection.disconnected';

/**
 * Further tables of a `with` that write what has happened to a connection into the audit log and the events.
 * `from` is a table of that `with` with at most one row of `connections` in it; where it is empty nothing has
 * happened. `name` keeps the notices of one statement apart.
 */
export function notice(
  name: string,
  from: RawBuilder<unknown>,
  type: ConnectionEvent,
  detail: RawBuilder<unknown> = sql`'{}'::jsonb`,
): RawBuilder<unknown> {
  return sql`
    ${sql.ref(`${name}_event`)} as (
      insert into events (id, type, provider, connection_id, tenant_id, user_id, brand_id, account_id, occurred_at, data)
      select ${uuidv7()}::uuid, ${type}, n.provider, n.id, n.tenant_id, n.user_id, n.brand_id, n.account_id, now(), ${detail}::text
      from ${from} n
    ),
    ${sql.ref(`${name}_audit`)} as (
      insert into audit_log (tenant_id, user_id, brand_id, connection_id, provider, action, detail)
      select n.tenant_id, n.user_id, n.brand_id, n.id, n.provider, ${type.replace('connection.', '')}, ${detail}
      from ${from} n
    )`;
}
