import { sql } from 'kysely';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { Problem } from '../problem.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';

/**
 * Has an event of the caller's told again, from the first attempt on, whatever became of it. One statement. Throws
 * `unauthenticated` and `not_found`.
 */
export async function redeliver(services: Services, caller: Caller, id: string): Promise<void> {
  const rows = await services.postgres.rows(sql<ScopeRow & { id: string | null }>`
    with ${callerTables(caller)},
    again as (
      update events e set status = 'pending', attempts = 0, next_attempt_at = now(), lease_id = null, last_error = null,
        replays = e.replays + 1
      from scope
      where e.id = ${id}::uuid and e.user_id = scope.user_id and e.brand_id is not distinct from scope.brand_id
        and e.status <> 'kept' and e.type <> ''
      returning e.id
    )
    select ${scopeColumns}, again.id from session left join scope on true left join again on true`);
  requireScope(rows[0]);
  if (rows[0]?.id == null) throw new Problem('not_found', 'There is no such event.');
  await sendEvents(services, [id]).catch(() => undefined);
}
