import { NeonDbError, neon, neonConfig } from '@neondatabase/serverless';
import { type Kysely as Database, Kysely, type RawBuilder } from 'kysely';
import { NeonDialect } from 'kysely-neon';
import type { Config } from './config.ts';
import type { Meter } from './meter.ts';
import { unavailable } from './problem.ts';

const DEADLINE_MS = 5_000;
const ATTEMPTS = 3;
const BUDGET_MS = 2_000;
const BACKOFF_MS = 100;

/** Runs one statement, one round trip. */
export interface Postgres {
  /**
   * Every statement here may run twice: it carries a natural key or a version guard, so that a repeat after a
   * lost answer changes nothing more. It is tried three times within two seconds; then, or when PostgreSQL
   * refuses for a reason of its own, the problem is `unavailable`. No text of the statement leaves.
   */
  rows<Row>(statement: RawBuilder<Row>): Promise<Row[]>;
}

/** PostgreSQL through Neon's HTTP endpoint (https://neon.com/docs/serverless/serverless-driver). */
export function postgres(config: Config, meter: Meter): Postgres {
  if (config.NEON_FETCH_ENDPOINT !== undefined) neonConfig.fetchEndpoint = config.NEON_FETCH_ENDPOINT;
  const sql = neon(config.DATABASE_URL);
  const database: Database<unknown> = new Kysely({
    dialect: new NeonDialect({
      neon: () => ({
        query: (text, params, options) => {
          meter.postgres += 1;
          return sql.query(text, params, {
            ...options,
            fetchOptions: { signal: AbortSignal.timeout(DEADLINE_MS) },
          });
        },
      }),
    }),
  });

  return {
    async rows<Row>(statement: RawBuilder<Row>) {
      const started = Date.now();
      for (let attempt = 1; ; attempt += 1) {
        try {
          return (await statement.execute(database)).rows;
        } catch (error) {
          const state = sqlState(error);
          const spent = Date.now() - started;
          if (!worthRetrying(state) || attempt === ATTEMPTS || spent > BUDGET_MS)
            throw unavailable(`postgres: ${state}`);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * BACKOFF_MS * 2 ** attempt));
        }
      }
    },
  };
}

/** The SQLSTATE, or `no answer` where none came. */
function sqlState(error: unknown): string {
  return error instanceof NeonDbError && error.code ? error.code : 'no answer';
}

/** No answer, connection trouble (08), shutting down (57P), serialization (40), no connections left (53). */
function worthRetrying(state: string): boolean {
  return state === 'no answer' || /^(08|57P|40|53)/.test(state);
}
