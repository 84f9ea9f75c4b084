import { sql } from 'kysely';
import type { Services } from '../services.ts';

/** Deletes spent states an hour past their end, when no copy in KV can name them any more. */
export async function sweepStates({ postgres }: Services): Promise<number> {
  const rows = await postgres.rows(
    sql`delete from consumed_states where expires_at < now() - interval '1 hour' returning state_hash`,
  );
  return rows.length;
}
