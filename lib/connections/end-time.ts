import { type RawBuilder, sql } from 'kysely';

/**
 * SQL: when a person must act at the latest for a connection `alias`; null where never. The end of its refresh token
 * moves on with each renewal, and is the connection's only where renewals come to nothing: an access token that outlives
 * it is lived first.
 */
export function endTime(alias: string): RawBuilder<Date | null> {
  const column = (name: string) => sql.ref(`${alias}.${name}`);
  return sql<Date | null>`least(${column('reauthorize_by')}, case
    when ${column('failures')} > 0 and ${column('refresh_token_expires_at')} is not null
    then greatest(${column('refresh_token_expires_at')}, ${column('expires_at')}) end)`;
}
