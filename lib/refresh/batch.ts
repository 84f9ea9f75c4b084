import type { Services } from '../services.ts';
import { type Claimed, claim } from './claim.ts';
import { refresh } from './refresh.ts';

/** The platform's bound on connections that an invocation has open at once. */
const AT_ONCE = 6;
/** Few enough that the last of them is asked well within its lease. */
const CHUNK = 24;

/**
 * Renews those of the ids that are due, six at once; while they are under way the next are claimed. How many came
 * to what. A row that cannot be refreshed does not hold up its neighbours.
 */
export async function refreshBatch(
  services: Services,
  ids: readonly string[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const next = () => claim(services, ids, { limit: CHUNK });
  let claimed = await next();
  while (claimed.length > 0) {
    const following = claimed.length < CHUNK ? Promise.resolve([]) : next();
    // What it throws is thrown when it is waited for, below.
    following.catch(() => undefined);
    await renewAll(services, claimed, count);
    claimed = await following;
  }
  return counts;
}

async function renewAll(services: Services, rows: Claimed[], count: (what: string) => void): Promise<void> {
  const waiting = [...rows];
  const work = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      try {
        count(await refresh(services, row));
      } catch {
        // The lease runs out, and the row is due again.
        count('failed');
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
