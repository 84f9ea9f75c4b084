import { sql } from 'kysely';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type Left, sendLeft } from './left.ts';

/**
 * Has an event of the caller's told again, from the first attempt on, whatever became of it. One statement. Throws
 * `unauthenticated` and `not_found`.
 */
export async function redeliver(services: Services, caller: Caller, id: string): Promise<void> {
  const rows = await services.postgres.rows(sql<ScopeRow & (Left | { id: null })>`
    with ${callerTables(caller)},
    again as (
      update events e set status = 'pending', attempts = 0, next_attempt_at = now(), lease_id = null, lane = null,
        last_error = null,        replays = e.replays + 1
      from scope
      where e.id = ${id}::uuid and e.user_id = scope.user_id and e.brand_id is not distinct from scope.brand_id
        and e.status <> 'kept' and e.type <> ''
      returning e.id, e.payload_bytes
    )
    select ${scopeColumns}, again.id, again.payload_bytes from session left join scope on true left join again on true`);
  requireScope(rows[0]);
  const [row] = rows;
  if (!row || row.id === null) throw new Problem('not_found', 'There is no such event.');
  await sendLeft(services, [row]);
}
