import { PostgresUnavailable } from '../database.ts';
import type { Services } from '../services.ts';
import { type Claimed, claim, release } from './claim.ts';
import { REFUSALS, writeFailure } from './failed.ts';
import { refresh } from './refresh.ts';
import { isLimitShared } from './shared-limit.ts';

/** The platform's bound on connections that an invocation has open at once. */
const AT_ONCE = 6;
/** Few enough that the last of them is asked well within its lease. */
const CHUNK = 24;
/** Of the quarter of an hour that a consumer has; what is left then is due again in a minute. */
const WORK_MS = 10 * 60_000;
/** With fewer than these waiting, the next are claimed meanwhile. */
const LOW = 12;

/**
 * Renews those of the ids that are due, six at once; while they are under way the next are claimed. How many came
 * to what. A row that cannot be refreshed does not hold up its neighbours.
 */
export async function refreshBatch(
  services: Services,
  ids: readonly string[],
): Promise<Record<string, number>> {
  const batch = new Batch(services, ids);
  await batch.run();
  return batch.counts;
}

class Batch {
  readonly counts: Record<string, number> = {};
  readonly #services: Services;
  readonly #ids: readonly string[];
  readonly #waiting: Claimed[] = [];
  readonly #untouched: Claimed[] = [];
  /** Refusals in a row that concern all connections of a provider: who is claimed already need not hear them too. */
  readonly #refusals = new Map<string, number>();
  #claiming: Promise<void> | undefined;
  /** How many of the ids have been claimed, or were not to be. */
  #seen = 0;
  readonly #until = Date.now() + WORK_MS;

  constructor(services: Services, ids: readonly string[]) {
    this.#services = services;
    this.#ids = ids;
  }

  async run(): Promise<void> {
    await this.#claimMore();
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#work()));
    if (this.#untouched.length === 0) return;
    await release(this.#services, this.#untouched);
    this.#count('released', this.#untouched.length);
  }

  async #work(): Promise<void> {
    for (;;) {
      if (this.#waiting.length < LOW) {
        const claiming = this.#claimMore();
        if (this.#waiting.length === 0) await claiming;
      }
      const row = this.#waiting.shift();
      if (!row && !this.#hasMore()) return;
      if (!row) continue;
      if (this.#isPaused(row.provider)) this.#untouched.push(row);
      else await this.#renew(row);
    }
  }

  /** One claim at a time. What PostgreSQL does not give now is due again in a minute. */
  #claimMore(): Promise<void> {
    if (!this.#hasMore()) return Promise.resolve();
    this.#claiming ??= claim(this.#services, this.#ids.slice(this.#seen, this.#seen + CHUNK), {
      limit: CHUNK,
    })
      .then((rows) => {
        this.#waiting.push(...rows);
        const isOver = rows.length === 0 && [...this.#refusals.values()].some((count) => count >= REFUSALS);
        this.#seen = isOver ? this.#ids.length : this.#seen + CHUNK;
      })
      .catch(() => {
        this.#seen = this.#ids.length;
        this.#count('not_claimed', 1);
      })
      .finally(() => {
        this.#claiming = undefined;
      });
    return this.#claiming;
  }

  #hasMore(): boolean {
    return this.#seen < this.#ids.length && Date.now() < this.#until;
  }

  async #renew(row: Claimed): Promise<void> {
    try {
      const result = await refresh(this.#services, row);
      this.#count(result, 1);
      const isLimited = result === 'rate_limited' && isLimitShared(row.provider);
      const weight = isLimited ? REFUSALS : result === 'client_refused' ? 1 : 0;
      const before = result === 'renewed' ? 0 : (this.#refusals.get(row.provider) ?? 0);
      this.#refusals.set(row.provider, before + weight);
    } catch (error) {
      // Where PostgreSQL is silent the lease runs out, and the row is due again.
      this.#count('failed', 1);
      if (!(error instanceof PostgresUnavailable)) await this.#backOff(row, error);
    }
  }

  async #backOff(row: Claimed, error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.name : 'unknown';
    const about = { provider_id: row.provider, connection_id: row.connection_id };
    console.error(JSON.stringify({ level: 'error', event: 'refresh_fault', ...about, reason }));
    await writeFailure(this.#services, row, { outcome: 'fault', reason }, { name: row.provider }).catch(
      () => undefined,
    );
  }

  #isPaused(provider: string): boolean {
    return (this.#refusals.get(provider) ?? 0) >= REFUSALS;
  }

  #count(what: string, many: number): void {
    this.counts[what] = (this.counts[what] ?? 0) + many;
  }
}
