import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';

/** How a test makes the endpoint misbehave. */
export interface NeonFaults {
  /** Every request is answered with a 500, as when the database cannot be started. */
  down(isDown: boolean): void;
  /** Every request waits this long before it is looked at. */
  delay(ms: number): void;
  /**
   * Drops the connection of the next `n` requests with a statement that `match` fits (any, without it):
   * `after` the work is done and committed, a lost acknowledgement, or before it.
   */
  failNext(n: number, options: { after: boolean; match?: RegExp }): void;
  /** Decides about each request that no other fault is for: a drop, `holdMs` before it. */
  decide(
    bend: (sql: string, parameters: readonly unknown[]) => { after: boolean; holdMs?: number } | undefined,
  ): void;
  /** Ends all faults, forgets `queries` and the counts. */
  reset(): void;
}

export interface Neon {
  url: string;
  /** The last 10,000 round trips; the statements of a batch are joined by `;\n`. */
  queries: Array<{ sql: string; database: string; ms: number; error?: string }>;
  /** Round trips since the start or the last `reset`; a batch is one. */
  count(database?: string): number;
  faults: NeonFaults;
  close(): Promise<void>;
}

const BODY_LIMIT = 64 * 1024 * 1024;
const ANSWER_LIMIT = 64 * 1024 * 1024;
/** https://neon.com/docs/serverless/serverless-driver: what a statement over HTTP may take. */
const STATEMENT_MS = 15_000;
const QUERIES_KEPT = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;

const Statement = z.object({
  query: z.string(),
  params: z.array(z.union([z.string(), z.number(), z.boolean()]).nullable()).default([]),
});
const Payload = z.union([
  z.object({ queries: z.array(Statement) }),
  Statement.transform((statement) => ({ statement })),
]);

type Statement = z.infer<typeof Statement>;

/**
 * Neon's SQL over HTTP in front of a PostgreSQL: the part of it that `neon()` of `@neondatabase/serverless`
 * 1.2.0 speaks, answered as neondatabase/neon's `proxy/src/serverless/sql_over_http.rs` answers.
 *
 * `resolve` turns the connection string that a request names, without the `application_name` the driver adds,
 * into that of the database behind.
 */
export async function startNeon(
  options: {
    resolve?: (connectionString: string) => string;
    port?: number;
    maxConnections?: number;
    /** Lets an answer be of any size, and a statement take any time. */
    unbounded?: boolean;
  } = {},
): Promise<Neon> {
  const pools = new Map<string, pg.Pool>();
  const queries: Neon['queries'] = [];
  const counts = new Map<string, number>();
  let isDown = false;
  let delayMs = 0;
  let drop: { left: number; after: boolean; match: RegExp | undefined } | undefined;
  let bend: Parameters<NeonFaults['decide']>[0] = () => undefined;

  function poolOf({ connectionString, applicationName }: Target): pg.Pool {
    const real = options.resolve?.(connectionString) ?? connectionString;
    let pool = pools.get(real);
    if (!pool) {
      pool = new pg.Pool({
        connectionString: real,
        application_name: applicationName,
        max: options.maxConnections ?? 20,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        ...(!options.unbounded && { statement_timeout: STATEMENT_MS }),
      });
      // PostgreSQL may go away under a connection, idle or not; the pool drops an idle one by itself.
      pool.on('connect', (client) => client.on('error', () => {}));
      pool.on('error', () => {});
      pools.set(real, pool);
    }
    return pool;
  }

  function log(entry: Neon['queries'][number]): void {
    counts.set(entry.database, (counts.get(entry.database) ?? 0) + 1);
    queries.push(entry);
    if (queries.length > QUERIES_KEPT) queries.shift();
  }

  /** Whether this round trip is one of those to be dropped, which it then counts as. */
  function drops(sql: string): { after: boolean } | undefined {
    if (!drop || drop.left === 0 || drop.match?.test(sql) === false) return undefined;
    drop.left -= 1;
    return drop;
  }

  async function answer(request: IncomingMessage, gone: AbortSignal): Promise<object> {
    const started = performance.now();
    const body = await bodyOf(request);
    if (request.method !== 'POST' || request.url !== '/sql') throw new Refusal(400, 'query is not supported');
    const target = targetOf(request.headers);
    const begin = beginOf(request.headers);
    const payload = Payload.safeParse(parsed(body));
    if (!payload.success) throw new Refusal(400, z.prettifyError(payload.error));
    const statements = 'queries' in payload.data ? payload.data.queries : [payload.data.statement];
    const sql = statements.map(({ query }) => query).join(';\n');
    const entry: Neon['queries'][number] = { sql, database: target.database, ms: 0 };
    try {
      if (delayMs > 0) await sleep(delayMs);
      if (isDown) throw unavailable();
      const dropped: { after: boolean; holdMs?: number } | undefined =
        drops(sql) ??
        bend(
          sql,
          statements.flatMap(({ params }) => params),
        );
      if (dropped?.after === false) {
        await sleep(dropped.holdMs ?? 0);
        throw new Dropped('dropped before');
      }
      const results = await work(poolOf(target), statements, {
        begin: 'queries' in payload.data ? begin : null,
        limit: options.unbounded ? Infinity : ANSWER_LIMIT,
        gone,
      });
      if (dropped) {
        await sleep(dropped.holdMs ?? 0);
        throw new Dropped('dropped after');
      }
      return 'queries' in payload.data ? { results } : (results[0] ?? {});
    } catch (error) {
      entry.error = error instanceof pg.DatabaseError ? (error.code ?? error.message) : String(error);
      throw error;
    } finally {
      entry.ms = performance.now() - started;
      log(entry);
    }
  }

  const server = createServer(async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    let status = 200;
    let body: object;
    try {
      body = await answer(request, gone.signal);
    } catch (error) {
      if (error instanceof Dropped) return void request.socket.destroy();
      const refusal = error instanceof Refusal ? error : refusalOf(error);
      status = refusal.status;
      body = refusal.body;
    }
    if (response.destroyed) return;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('Neon has no port');

  return {
    url: `http://127.0.0.1:${address.port}/sql`,
    queries,
    count: (database) =>
      database === undefined ? counts.values().reduce((sum, n) => sum + n, 0) : (counts.get(database) ?? 0),
    faults: {
      down(value) {
        isDown = value;
      },
      delay(ms) {
        delayMs = ms;
      },
      failNext(n, { after, match }) {
        drop = { left: n, after, match };
      },
      decide(decided) {
        bend = decided;
      },
      reset() {
        isDown = false;
        delayMs = 0;
        drop = undefined;
        bend = () => undefined;
        queries.length = 0;
        counts.clear();
      },
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await Promise.all(pools.values().map((pool) => pool.end()));
    },
  };
}

class Refusal extends Error {
  readonly status: number;
  readonly body: object;

  constructor(status: number, message: string, more: object = {}) {
    super(message);
    this.status = status;
    this.body = { message, ...more };
  }
}

class Dropped extends Error {}

function unavailable(): Refusal {
  return new Refusal(500, 'Control plane request failed', { 'neon:retryable': true });
}

const ERROR_FIELDS = [
  'code',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'severity',
  'where',
  'table',
  'column',
  'schema',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const;

/** What PostgreSQL says is passed on with a 400, even that it is shutting down; its silence is a 500. */
function refusalOf(error: unknown): Refusal {
  if (!(error instanceof pg.DatabaseError)) return unavailable();
  const fields = Object.fromEntries(ERROR_FIELDS.map((name) => [name, error[name] ?? null]));
  return new Refusal(400, error.message, fields);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refusal(413, `request is too large (max is ${BODY_LIMIT} bytes)`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Refusal(400, `could not parse the HTTP request body: ${error}`);
  }
}

interface Target {
  connectionString: string;
  applicationName: string | undefined;
  database: string;
}

function targetOf(headers: IncomingHttpHeaders): Target {
  // The driver asks for nothing else, and here is nothing else.
  if (headers['neon-raw-text-output'] !== 'true' || headers['neon-array-mode'] !== 'true') {
    throw new Refusal(400, 'only rows as arrays of raw text are served');
  }
  const header = String(headers['neon-connection-string'] ?? '');
  const url = URL.parse(header);
  const database = decodeURIComponent(url?.pathname.slice(1) ?? '');
  if (!url || !/^postgres(ql)?:$/.test(url.protocol) || database === '') {
    throw new Refusal(400, 'invalid connection string: malformed, of another protocol or without a database');
  }
  const applicationName = url.searchParams.get('application_name') ?? undefined;
  if (applicationName?.startsWith('pkg:npm/') !== true) {
    return { connectionString: header, applicationName: undefined, database };
  }
  url.searchParams.delete('application_name');
  return { connectionString: url.href, applicationName, database };
}

const LEVELS = new Map([
  ['ReadUncommitted', 'read uncommitted'],
  ['ReadCommitted', 'read committed'],
  ['RepeatableRead', 'repeatable read'],
  ['Serializable', 'serializable'],
]);

function beginOf(headers: IncomingHttpHeaders): string {
  const header = headers['neon-batch-isolation-level'];
  const level = LEVELS.get(String(header));
  if (header !== undefined && level === undefined) throw new Refusal(400, 'invalid isolation level');
  const isolation = level === undefined ? '' : ` isolation level ${level}`;
  const readOnly = headers['neon-batch-read-only'] === 'true' ? ' read only' : '';
  const deferrable = headers['neon-batch-deferrable'] === 'true' ? ' deferrable' : '';
  return `begin${isolation}${readOnly}${deferrable}`;
}

/**
 * Runs the statements on one connection, in a transaction where `begin` is given. When the caller has gone
 * the running statement is cancelled, as Neon's proxy does it. Rows of more than `limit` bytes in all are no answer, as
 * there: a statement alone has done its work all the same, a transaction has not.
 */
async function work(
  pool: pg.Pool,
  statements: Statement[],
  { begin, limit, gone }: { begin: string | null; limit: number; gone: AbortSignal },
) {
  const client = await connected(pool);
  let cancelling: Promise<void> | undefined;
  const cancel = () => {
    cancelling = cancelBackend(pool, client);
  };
  gone.addEventListener('abort', cancel);
  let isBroken = false;
  try {
    if (begin !== null) await client.query(begin);
    const results: object[] = [];
    let size = 0;
    for (const statement of statements) {
      if (gone.aborted) throw new Dropped('the caller has gone');
      const result = await execute(client, statement);
      size += sizeOf(result.rows);
      if (size > limit) throw new Refusal(507, `response is too large (max is ${limit} bytes)`);
      results.push(result);
    }
    if (begin !== null) await client.query('commit');
    return results;
  } catch (error) {
    const isError = error instanceof pg.DatabaseError && error.severity === 'ERROR';
    isBroken = !(isError || error instanceof Dropped);
    if (begin !== null && !isBroken) {
      await client.query('rollback').catch(() => {
        isBroken = true;
      });
    }
    throw error;
  } finally {
    gone.removeEventListener('abort', cancel);
    await cancelling;
    // A transaction left open by a single statement must not be the next caller's.
    client.release(isBroken || cancelling !== undefined || client.getTransactionStatus() !== 'I');
  }
}

/** Who may not connect, or to no such database, is told so; anything else looks like an outage. */
async function connected(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    if (error instanceof pg.DatabaseError && /^(28|3D)/.test(error.code ?? '')) throw error;
    throw unavailable();
  }
}

async function cancelBackend(pool: pg.Pool, client: pg.PoolClient): Promise<void> {
  const pid = 'processID' in client ? client.processID : null;
  const { connectionString } = pool.options;
  const other = new pg.Client(connectionString);
  other.on('error', () => {});
  try {
    await other.connect();
    await other.query('select pg_cancel_backend($1)', [pid]);
  } catch {
    // Without PostgreSQL there is nothing left to cancel.
  } finally {
    await other.end().catch(() => {});
  }
}

const RAW_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (value: string) => value };
/** One statement a query, and never the simple protocol's several. */
const EXTENDED = { queryMode: 'extended' };

/** Bytes of rows as PostgreSQL sends them: a count of columns a row, and a length before each that is not null. */
function sizeOf(rows: (string | null)[][]): number {
  let size = 0;
  for (const row of rows) {
    size += 2;
    for (const cell of row) size += 4 + (cell === null ? 0 : Buffer.byteLength(cell));
  }
  return size;
}

async function execute(client: pg.PoolClient, { query, params }: Statement) {
  // Unnamed: a named plan would outlive a change of its table and then fail, as it cannot behind Neon.
  const { command, rowCount, rows, fields } = await client.query<(string | null)[]>({
    ...EXTENDED,
    text: query,
    values: params.map((param) => (param === null ? null : String(param))),
    rowMode: 'array',
    types: RAW_TEXT,
  });
  return {
    command,
    rowCount,
    rowAsArray: true,
    rows,
    fields: fields.map(({ name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format }) => ({
      name,
      tableID,
      columnID,
      dataTypeID,
      dataTypeSize,
      dataTypeModifier,
      format,
    })),
  };
}
