import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { callerTables } from '../access.ts';
import { sha256Hex } from '../bytes.ts';
import { type Snapshot, type SnapshotRow, snapshotSelect, toSnapshot } from '../connections/snapshot.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Flow } from './state.ts';

/** The same for every state that is not good, whatever is wrong with it. */
export function invalidState(): Problem {
  return new Problem(
    'invalid_state',
    'It was used before, has expired, or was begun in another browser. Start connecting again.',
  );
}

/**
 * Spends a state: of all who present it exactly one wins, and only before its end by the database's clock. The
 * same statement tells who asks and what stands there. Throws `invalid_state` for the others, `unauthenticated`
 * or `not_found` where the session or the brand is gone since.
 */
export async function claim({ postgres }: Services, state: string, flow: Flow): Promise<Snapshot> {
  const claimId = uuidv7();
  const askedAt = Date.now();
  const rows = await postgres.rows(sql<{ claimed: boolean } & SnapshotRow>`
    with claim as (
      insert into consumed_states as s (state_hash, claim_id, expires_at)
      select ${await sha256Hex(state)}, ${claimId}, ${new Date(flow.expiresAt)}::timestamptz
      where ${new Date(flow.expiresAt)}::timestamptz > now()
      -- A repeat of this very statement finds its own row; nobody else's claim changes.
      on conflict (state_hash) do update set claim_id = s.claim_id where s.claim_id = excluded.claim_id
      returning state_hash
    ),
    ${callerTables(flow)},
    snapshot as (${snapshotSelect(flow.provider)})
    select claim.state_hash is not null as claimed, snapshot.*
    from (select) one left join claim on true left join snapshot on true`);
  const row = rows[0];
  if (!row?.claimed) throw invalidState();
  return toSnapshot(row.session_user_id === null ? undefined : row, askedAt);
}
