import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, inject, test } from 'vitest';
import { bundle, root } from './world/bundle.ts';
import { freePort } from './world/postgres.ts';

const directory = mkdtempSync(path.join(inject('directory'), 'stack-'));
const port = await freePort();
let stack: ChildProcess | undefined;

interface Stack {
  url: string;
  cockpit_url: string;
  database_url: string;
  provider_gateway: string;
  sessions: Record<string, string>;
  users: Record<string, string>;
  brands: Record<string, string>;
}

/** Starts the local stack as `npm start` does, in a process group of its own; gives what it says of itself. */
async function start(env: Record<string, string> = {}): Promise<Stack> {
  const file = path.join(directory, 'stack.json');
  rmSync(file, { force: true });
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'test/start.ts'], {
    cwd: root,
    env: { ...process.env, PORT: String(port), LOCAL_DIR: directory, RATE_LIMITS: 'off', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  stack = child;
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      said += chunk;
    });
  }
  for (let waited = 0; waited < 25_000; waited += 100) {
    if (said.includes('\nready') && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Stack;
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the stack did not start:\n${said}`);
}

/** Ends the whole process group; gives the milliseconds it took. */
async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
  const child = stack;
  if (!child?.pid || child.exitCode !== null) return 0;
  const started = Date.now();
  const exited = new Promise((resolve) => child.once('exit', resolve));
  process.kill(signal === 'SIGKILL' ? -child.pid : child.pid, signal);
  const code = await exited;
  if (signal === 'SIGTERM') expect(code).toBe(0);
  stack = undefined;
  return Date.now() - started;
}

afterEach(() => end('SIGKILL'));

/** What is left of a process group, the dead that nobody has asked after left out. */
function survivors(group: number | undefined): string[] {
  const lines = execFileSync('ps', ['-eo', 'pgid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.trim().startsWith(`${group} `) && !/^\s*\d+\s+Z/.test(line));
}

const isUp = (url: string) =>
  fetch(`${url}/health`).then(
    () => true,
    () => false,
  );

async function connectStripe({ url, provider_gateway, sessions }: Stack) {
  const issued = (await (
    await fetch(`${provider_gateway}/_world/stripe/keys`, { method: 'POST' })
  ).json()) as { api_key: string };
  const answer = await fetch(`${url}/api/connectors/connect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${sessions.ada}`, 'content-type': 'application/json' },
    body: JSON.stringify({ provider: 'stripe', api_key: issued.api_key }),
  });
  expect(answer.status).toBe(201);
}

const testStripe = ({ url, sessions }: Stack) =>
  fetch(`${url}/api/connectors/stripe/test`, {
    method: 'POST',
    headers: { authorization: `Bearer ${sessions.ada}` },
  }).then((answer) => answer.json() as Promise<{ status: string }>);

test('the local stack keeps what it acknowledged over kill -9 of everything, and ends on SIGTERM within 15 s', async () => {
  const first = await start();
  expect(Object.keys(first).sort()).toEqual([
    'agent_url',
    'brands',
    'cockpit_url',
    'database_url',
    'kms_endpoint',
    'provider_gateway',
    'sessions',
    'url',
    'users',
  ]);
  expect(first.url).toBe(`http://127.0.0.1:${port}`);
  expect(Object.keys(first.sessions)).toEqual(['ada', 'grace', 'mallory']);
  expect(Object.keys(first.brands)).toEqual(['north', 'south', 'rival']);
  await connectStripe(first);
  await end('SIGKILL');

  const second = await start();
  expect(second.sessions.ada).not.toBe(first.sessions.ada);
  expect(await testStripe(second)).toMatchObject({ status: 'connected' });
  const cron = await fetch(`${second.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`);
  expect(cron.status).toBe(200);
  const group = stack?.pid;
  expect(await end('SIGTERM')).toBeLessThan(15_000);
  expect(await isUp(second.url)).toBe(false);
  expect(survivors(group)).toEqual([]);
}, 90_000);

test('a provider gateway that is not loopback is refused', async () => {
  await expect(start({ PROVIDER_GATEWAY: 'https://example.com' })).rejects.toThrow(/loopback/);
}, 60_000);

test('the stack ends with NotFoundException where KMS_KEY_ID is an ARN, which is what an operator has', async () => {
  const stack = await start({
    KMS_KEY_ID: 'arn:aws:kms:eu-central-1:123456789012:key/1f2e3d4c-0000-4000-8000-000000000009',
  });
  const answer = await fetch(`${stack.url}/health`);
  expect(await answer.json()).toMatchObject({ dependencies: { kms: 'ok' } });
  await end('SIGTERM');
}, 60_000);

test('another loopback gateway takes the simulators’ place, in authorization URLs, too', async () => {
  const { url, sessions, provider_gateway } = await start({ PROVIDER_GATEWAY: 'http://127.0.0.1:9' });
  expect(provider_gateway).toBe('http://127.0.0.1:9');
  const answer = await fetch(`${url}/api/oauth/github/authorize`, {
    headers: { authorization: `Bearer ${sessions.ada}` },
  });
  const { authorization_url } = (await answer.json()) as { authorization_url: string };
  expect(authorization_url).toMatch(/^http:\/\/127\.0\.0\.1:9\/github\.com\/login\/oauth\/authorize\?/);
  await end('SIGTERM');
}, 60_000);

test('the deployed script holds nothing of the local world', async () => {
  const out = path.join(directory, 'deployed');
  await bundle('functions/index.ts', out);
  const script = readFileSync(path.join(out, 'index.js'), 'utf8');
  expect(script).not.toMatch(/PROVIDER_GATEWAY|world:/);
});
