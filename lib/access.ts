import { type RawBuilder, sql } from 'kysely';
import { Problem } from './problem.ts';
import type { Services } from './services.ts';

/** Who asks, before anybody looked: the hash of the session token, and the brand that was named. */
export interface Caller {
  sessionId: string;
  brandId: string | null;
}

/**
 * The opening of every statement that works for a caller. `session` holds the user while the session lives; `scope`
 * holds the user, brand and tenant, while the user may act in it: a team, or the user alone who is in none or in
 * several. Both are empty otherwise, and whatever joins them finds nothing.
 */
export function callerTables({ sessionId, brandId }: Caller): RawBuilder<unknown> {
  return sql`
    session as (
      select s.user_id from sessions s join users u on u.id = s.user_id
      where s.id = ${sessionId} and s.expires_at > now()
    ),
    scope as (
      select session.user_id, ${brandId}::uuid as brand_id, owner.tenant_id
      from session cross join lateral owner_of(session.user_id, ${brandId}::uuid) as owner
      where owner.loss is null
    )`;
}

/** The columns that `requireScope` reads; the statement joins `session left join scope on true`. */
export const scopeColumns = sql`
  scope.user_id as scope_user_id, scope.brand_id as scope_brand_id, scope.tenant_id as scope_tenant_id`;

export interface ScopeRow {
  scope_user_id: string | null;
  scope_brand_id: string | null;
  scope_tenant_id: string | null;
}

export interface Scope {
  userId: string;
  brandId: string | null;
  tenantId: string;
}

/** The scope of a statement's first row. No row: the session is over. No user: the brand is not the user's. */
export function requireScope(row: ScopeRow | undefined): Scope {
  if (!row) throw unauthenticated();
  if (row.scope_user_id === null || row.scope_tenant_id === null) {
    throw new Problem('not_found', 'There is no such brand.');
  }
  return { userId: row.scope_user_id, brandId: row.scope_brand_id, tenantId: row.scope_tenant_id };
}

export function unauthenticated(): Problem {
  return new Problem('unauthenticated', 'The session is missing or has ended. Sign in again.');
}

/** Whether the session lives, and nothing more. */
export function sessionStatement({ sessionId }: Caller) {
  return sql<{ user_id: string }>`
    select s.user_id from sessions s join users u on u.id = s.user_id
    where s.id = ${sessionId} and s.expires_at > now()`;
}

/** The caller's scope, for routes that need nothing else of the database. Throws as `requireScope` does. */
export async function checkScope({ postgres }: Services, caller: Caller): Promise<Scope> {
  const rows = await postgres.rows(
    sql<ScopeRow>`with ${callerTables(caller)} select ${scopeColumns} from session left join scope on true`,
  );
  return requireScope(rows[0]);
}
