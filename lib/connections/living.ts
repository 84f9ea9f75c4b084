import { type RawBuilder, sql } from 'kysely';

// The one notion of who is there, as schema.sql's `owner_of` has it; every statement over connections, their webhooks
// and events, outside of the routes of a session, asks by one of these. `alias` is a table or alias with the columns
// user_id and brand_id.

/** Why what belonged to somebody is nobody's any more (contract: "Living, and whose"). */
export type Loss = 'owner_gone' | 'brand_gone' | 'membership_ended';

/** SQL to join behind a table: whose its rows are, as `owner (loss, tenant_id)`. */
export function ownerOf(alias: string): RawBuilder<unknown> {
  return sql`cross join lateral owner_of(${sql.ref(`${alias}.user_id`)}, ${sql.ref(`${alias}.brand_id`)}) as owner`;
}

/** SQL: whether the owner of a row is there. */
export function isOwned(alias: string): RawBuilder<boolean> {
  return sql<boolean>`exists (
    select from owner_of(${sql.ref(`${alias}.user_id`)}, ${sql.ref(`${alias}.brand_id`)}) o where o.loss is null
  )`;
}

/** SQL: whether a connection lives: it works, and its owner is there. */
export function isLiving(alias: string): RawBuilder<boolean> {
  return sql<boolean>`(${sql.ref(`${alias}.status`)} = 'connected' and ${isOwned(alias)})`;
}
