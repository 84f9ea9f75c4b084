import { sql } from 'kysely';
import type { Services } from '../services.ts';
import { isOwned } from './living.ts';

/** Longer after it was read, whose a connection is may have changed. */
const FRESH_MS = 3_000;

/**
 * Whether a connection may be used still that was read, its owner being there, at `readAt` (milliseconds since 1970):
 * asked where that is long enough ago for them to have left, before anything else is begun for it.
 */
export async function isStillOwned({ postgres }: Services, id: string, readAt: number): Promise<boolean> {
  if (Date.now() - readAt < FRESH_MS) return true;
  const rows = await postgres.rows(sql`
    select c.id from connections c where c.id = ${id}::uuid and ${isOwned('c')}`);
  return rows.length > 0;
}
