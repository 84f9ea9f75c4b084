import { sql } from 'kysely';
import { findProvider } from '../catalog.ts';
import { Problem } from '../problem.ts';
import { sendChecks } from '../queue.ts';
import { isOutage } from '../refresh/failed.ts';
import type { Services } from '../services.ts';
import { nextCheck, nextTry, soon } from './check-times.ts';
import { isLiving } from './living.ts';
import { retestById } from './retest.ts';

const PER_FIRING = 2_000;
/** The platform's bound on connections that an invocation has open at once, but for PostgreSQL's. */
const AT_ONCE = 5;

/**
 * SQL: whether a connection `c` is being renewed, or about to be: it is asked about after that, unless its provider lets
 * nobody be renewed for a while.
 */
const isRenewing = sql`coalesce(
  c.lease_until > now() or c.refresh_at <= now() and not exists (
    select from provider_states s where s.provider = c.provider and (s.paused_until > now() or ${isOutage})
  ), false)`;

/** Sends the ids of connections whose provider is to be asked whether they work still to the queue; how many. */
export async function queueChecks(services: Services): Promise<number> {
  const rows = await services.postgres.rows(sql<{ id: string }>`
    select c.id from connections c where c.check_at <= now() and not ${isRenewing}
    order by c.check_at limit ${PER_FIRING}`);
  if (rows.length > 0)
    await sendChecks(
      services,
      rows.map((row) => row.id),
    );
  return rows.length;
}

/**
 * Asks the providers of those connections that are due whether they work still, a few at once, and writes down what
 * they say. How many came to what. One that cannot be asked does not hold up its neighbours.
 */
export async function check(services: Services, ids: readonly string[]): Promise<Record<string, number>> {
  const due = await claim(services, ids);
  const counts: Record<string, number> = {};
  const work = async () => {
    for (let row = due.shift(); row; row = due.shift()) {
      const outcome = await checkOne(services, row.id, row.provider);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return counts;
}

async function checkOne(services: Services, id: string, providerId: string): Promise<string> {
  const provider = findProvider(services.env, providerId);
  if (!provider) return 'unknown_provider';
  try {
    return (await retestById(services, provider, id)).status;
  } catch (error) {
    if (error instanceof Problem) return error.code;
    const about = { provider_id: providerId, connection_id: id };
    console.error(JSON.stringify({ level: 'error', event: 'check_fault', ...about }));
    return 'fault';
  }
}

/**
 * Takes connections that are due: of all who ask at once one gets each. What comes to nothing, or is just being renewed,
 * is due again in an hour; what cannot be renewed is told by its refresh, and there is nothing else to be asked.
 */
async function claim(
  { postgres }: Services,
  ids: readonly string[],
): Promise<{ id: string; provider: string }[]> {
  return postgres.rows(sql<{ id: string; provider: string }>`
    with due as (
      select c.id, ${isLiving('c')} as is_living,
        c.failures > 0 as is_failing, ${isRenewing} as is_renewing
      from connections c
      where c.id = any (${ids}::uuid[]) and c.check_at <= now() for update of c skip locked
    ),
    claimed as (
      update connections c set check_at = case when not due.is_living then ${soon} when due.is_failing then ${nextCheck} else ${nextTry} end
      from due where c.id = due.id
      returning c.id, c.provider, due.is_living and not due.is_failing and not due.is_renewing as is_to_ask
    )
    select id, provider from claimed where is_to_ask`);
}
