import { sql } from 'kysely';
import { NotDone } from '../command-tools.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { rotate } from './rotate.ts';

const AGE = sql`interval '30 days'`;
/**
 * 2^20, of the 2^32 that random IVs of 96 bits bear under one key (NIST SP 800-38D section 8.3): the count is an
 * estimate, and does not hold what was sealed and never written.
 */
const SEALINGS = sql`1048576`;
/** An operator who was interrupted has begun it again by then. */
const STOPPED = sql`interval '1 hour'`;

/** Longer than a lease of those who renew or revoke. */
const PATIENCE_MS = 100_000;
const WORKING_MS = 20_000;

/** Each waits most of its time for statements of before. */
const AT_ONCE = 10;

/**
 * Rotates the data keys that have sealed for 30 days, or about a million times, and goes on with rotations that have
 * stopped: a few tenants at once, for some seconds. How many tenants. One whose rotation does not come to its end is told
 * loudly, and does not hold up the others.
 */
export async function rotateDue(services: Services): Promise<Record<string, number>> {
  const end = Date.now() + WORKING_MS;
  const seen: string[] = [];
  let rotated = 0;
  while (Date.now() < end) {
    // They are looked up when they are begun: another firing may have rotated some meanwhile.
    const due = await services.postgres.rows(sql<{ tenant_id: string }>`
      select distinct k.tenant_id from data_keys k
      where k.tenant_id <> all (${seen}::uuid[]) and (
        k.retired_at is null and (k.created_at < now() - ${AGE} or k.sealings >= ${SEALINGS})
        or k.resealed_at is null and k.retired_at < now() - ${STOPPED}
      ) limit ${AT_ONCE}`);
    if (due.length === 0) break;
    seen.push(...due.map(({ tenant_id: id }) => id));
    const done = await Promise.all(due.map(({ tenant_id: id }) => rotateOne(services, id)));
    rotated += done.filter((isDone) => isDone).length;
  }
  return { rotated, not_done: seen.length - rotated };
}

async function rotateOne({ postgres, kms }: Services, tenantId: string): Promise<boolean> {
  const about = { tenant_id: tenantId };
  const say = (line: object) => console.log(JSON.stringify({ level: 'info', ...about, ...line }));
  try {
    await rotate({ postgres, kms, say }, tenantId, PATIENCE_MS);
    return true;
  } catch (error) {
    const line = { ...about, reason: reasonOf(error) };
    console.error(JSON.stringify({ level: 'error', event: 'rotation_not_done', ...line }));
    return false;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Problem) return error.reason ?? error.code;
  return error instanceof NotDone ? error.message : 'internal_error';
}
