import { type RawBuilder, sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { sendEvents } from './queue.ts';
import type { Services } from './services.ts';

/** What may happen to a connection itself (contract: "System events"). */
export type ConnectionEvent =
  | 'connection.connected'
  | 'connection.expiring'
  | 'connection.reauthorization_required'
  | 'connection.recovered'
  | 'connection.disconnected';

/** Why it has happened, and what the person should do: all that `data.reason` may say, and `data.action` with it. */
export const REASONS = {
  connected: 'Nothing is to be done.',
  reconnected: 'Nothing is to be done.',
  works_again: 'Nothing is to be done.',
  ends_soon: 'Connect again before this access ends.',
  grant_ended: 'The platform has ended this access. Connect again.',
  invalid_credential: 'The platform does not accept this access any more. Connect again.',
  account_mismatch: 'This access is to another account by now. Connect again with the right one.',
  ended: 'This access has come to its end. Connect again.',
  requested: 'Nothing is to be done: a person has disconnected it.',
  owner_gone: 'Whoever had connected it is not a user any more. Somebody else can connect it.',
  brand_gone: 'Its brand was deleted. Nothing is to be done.',
  membership_ended:
    'Whoever had connected it is no longer in the brand’s team. Somebody else can connect it.',
} as const;

export type Reason = keyof typeof REASONS;

/** What the death of a connection is told with. */
export type DeathReason = Extract<
  Reason,
  'grant_ended' | 'invalid_credential' | 'account_mismatch' | 'ended'
>;

const actions = sql`jsonb_build_object(${sql.join(
  Object.entries(REASONS).flatMap(([reason, action]) => [sql.lit(reason), sql.lit(action)]),
)})`;

/**
 * Further tables of a `with` that write what has happened to a connection into the audit log and the events.
 * `from` is a table of that `with` with at most one row of `connections` in it; where it is empty nothing has
 * happened. `name` keeps the notices of one statement apart. `reason` is one of `REASONS`, as SQL; `detail` goes into
 * both, `audit` into the audit log alone, under an id where one is given.
 */
export function notice(
  name: string,
  from: RawBuilder<unknown>,
  type: ConnectionEvent,
  reason: RawBuilder<unknown>,
  {
    detail = sql`'{}'::jsonb`,
    audit = { id: uuidv7(), detail: sql`'{}'::jsonb` },
  }: { detail?: RawBuilder<unknown>; audit?: { id: string; detail: RawBuilder<unknown> } } = {},
): RawBuilder<unknown> {
  return sql`
    ${sql.ref(`${name}_told`)} as (
      select n.*, ${detail} || jsonb_build_object('reason', ${reason}::text) as detail, ${audit.detail} as audit_detail,
        ${reason}::text as told_reason
      from ${from} n
    ),
    ${sql.ref(`${name}_event`)} as (
      insert into events (id, type, provider, connection_id, tenant_id, user_id, brand_id, account_id, occurred_at, data)
      select ${uuidv7()}::uuid, ${type}, n.provider, n.id,
        coalesce((select o.tenant_id from owner_of(n.user_id, n.brand_id) o), n.heard_by, n.tenant_id), n.user_id, n.brand_id, n.account_id, now(),
        (n.detail || jsonb_build_object('action', ${actions} ->> n.told_reason))::text
      from ${sql.ref(`${name}_told`)} n
      returning id
    ),
    ${sql.ref(`${name}_audit`)} as (
      insert into audit_log (id, tenant_id, user_id, brand_id, connection_id, provider, action, detail)
      select ${audit.id}::uuid, n.tenant_id, n.user_id, n.brand_id, n.id, n.provider,
        ${type.replace('connection.', '')}, n.detail || n.audit_detail
      from ${sql.ref(`${name}_told`)} n
      returning detail
    )`;
}

/** The column `told` of a statement with notices: the events that they have written. */
export function toldBy(...names: readonly string[]): RawBuilder<string[]> {
  const all = names.map((name) => sql`select id from ${sql.ref(`${name}_event`)}`);
  return sql<string[]>`array(${sql.join(all, sql` union all `)})`;
}

/** What a statement with the column `told` gives. */
export interface WithNotices {
  told: string[] | null;
}

/** Has the agent told at once of what has happened. What the queue does not take the cron finds. */
export async function announce(services: Services, row: WithNotices | undefined): Promise<void> {
  if (row?.told && row.told.length > 0) await sendEvents(services, row.told).catch(() => undefined);
}
