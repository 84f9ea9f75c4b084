import { sql } from 'kysely';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import type { Services } from '../services.ts';
import { ownerOf } from './living.ts';
import { type ConnectionRow, connectionColumns, type MaybeConnection } from './row.ts';

export interface OwnedConnection {
  row: ConnectionRow;
  owner: { id: string; name: string };
}

/**
 * The connections of a scope: the caller's own, or with `team` those of every member now in the team. One
 * round trip, no credential read. Throws `unauthenticated` or, for a brand that is not the caller's, `not_found`.
 */
export async function listConnections(
  { postgres }: Services,
  caller: Caller,
  whose: 'mine' | 'team',
): Promise<OwnedConnection[]> {
  // Two forms, since an index serves `=` and `is null`, and not the one that means both.
  const inBrand = caller.brandId === null ? sql`c.brand_id is null` : sql`c.brand_id = scope.brand_id`;
  const rows = await postgres.rows(
    sql<ScopeRow & MaybeConnection & { owner_name: string }>`
      with ${callerTables(caller)}
      select ${scopeColumns}, c.*
      from session left join scope on true
      left join lateral (
        select ${connectionColumns}, u.name as owner_name
        from connections c join users u on u.id = c.user_id
          ${ownerOf('c')}
        where ${inBrand} and c.user_id in (
          select scope.user_id
          union select m.user_id from team_members m where ${whose === 'team'} and m.team_id = scope.tenant_id
        )
          -- What somebody in several teams connects without a brand is theirs alone.
          and (c.user_id = scope.user_id or owner.tenant_id = scope.tenant_id)
      ) c on true
      order by c.provider, c.connected_at, c.id`,
  );
  requireScope(rows[0]);
  return rows.flatMap((row) =>
    row.id === null ? [] : [{ row, owner: { id: row.user_id, name: row.owner_name } }],
  );
}
