import { NeonDbError, neon, neonConfig } from '@neondatabase/serverless';
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from 'kysely';
import type { DatabaseConfig } from './config.ts';
import type { Meter } from './meter.ts';
import { Problem } from './problem.ts';

const DEADLINE_MS = 5_000;
const ATTEMPTS = 3;
const BUDGET_MS = 2_000;
const BACKOFF_MS = 100;

const compiler = new Kysely<unknown>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (database) => new PostgresIntrospector(database),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** A statement's text and parameters; who runs it is the driver of Neon's. */
export function compile(statement: RawBuilder<unknown>): { text: string; parameters: unknown[] } {
  const { sql: text, parameters } = statement.compile(compiler);
  return { text, parameters: [...parameters] };
}

/** PostgreSQL did not do it, or did and could not say so. */
export class PostgresUnavailable extends Problem {
  /** Whether the statement may have been executed all the same. */
  readonly isUnknown: boolean;
  /** Whether PostgreSQL may do it another time; else it has refused the statement itself. */
  readonly isPassing: boolean;

  constructor(state: string, isUnknown: boolean) {
    super('unavailable', isUnknown ? UNCLEAR : 'Nothing was changed. Please try again in a moment.', {
      retryAfter: 5,
      reason: `postgres: ${state}`,
    });
    this.isUnknown = isUnknown;
    this.isPassing = worthRetrying(state);
  }
}

const NO_ANSWER = 'no answer';
const UNCLEAR = 'It is not clear whether this was done. Look at your connectors, and try again in a moment.';

/** Runs one statement, one round trip. */
export interface Postgres {
  /**
   * Every statement here may run twice: it carries a natural key or a version guard, so that a repeat after a
   * lost answer changes nothing more. It is tried three times within two seconds; then, or when PostgreSQL
   * refuses for a reason of its own, the problem is `unavailable`. No text of the statement leaves.
   */
  rows<Row>(statement: RawBuilder<Row>): Promise<Row[]>;
}

/**
 * PostgreSQL through Neon's HTTP endpoint (https://neon.com/docs/serverless/serverless-driver). Each try has
 * `deadlineMs`.
 */
export function postgres(config: DatabaseConfig, meter: Meter, deadlineMs = DEADLINE_MS): Postgres {
  if (config.NEON_FETCH_ENDPOINT !== undefined) neonConfig.fetchEndpoint = config.NEON_FETCH_ENDPOINT;
  const sql = neon(config.DATABASE_URL);
  const options = () => ({ fetchOptions: { signal: AbortSignal.timeout(deadlineMs) } });

  const attempt = async <Row>(run: () => Promise<Row[]>): Promise<Row[]> => {
    const started = Date.now();
    let isUnknown = false;
    for (let tries = 1; ; tries += 1) {
      try {
        return await run();
      } catch (error) {
        const state = sqlState(error);
        // One try whose answer was lost may have done it, whatever the later ones say.
        isUnknown ||= mayHaveRun(state);
        const isLast = tries === ATTEMPTS || Date.now() - started > BUDGET_MS;
        if (!worthRetrying(state) || isLast) throw new PostgresUnavailable(state, isUnknown);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * BACKOFF_MS * 2 ** tries));
      }
    }
  };

  return {
    rows: <Row>(statement: RawBuilder<Row>) => {
      const { text, parameters } = compile(statement);
      return attempt(async () => {
        meter.postgres += 1;
        return (await sql.query(text, parameters, options())) as Row[];
      });
    },
  };
}

/** The SQLSTATE, or `no answer` where none came. */
function sqlState(error: unknown): string {
  return error instanceof NeonDbError && error.code ? error.code : NO_ANSWER;
}

/** Whether a statement that ended so may have been executed all the same. */
function mayHaveRun(state: string): boolean {
  return state === NO_ANSWER || /^(08|57P)/.test(state);
}

/**
 * No answer, connection trouble (08), shutting down (57P), serialization (40), no connections left (53), a lock that
 * others held for too long (55P03).
 */
function worthRetrying(state: string): boolean {
  return state === NO_ANSWER || /^(08|57P|40|53|55P03)/.test(state);
}
