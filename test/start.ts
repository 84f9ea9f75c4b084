import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { bundleOnce, readModules, root } from './world/bundle.ts';
import { requireLoopback } from './world/loopback.ts';
import { startPostgres } from './world/postgres.ts';
import { applySchema, brands, type Sessions, seed, users } from './world/seed.ts';
import type { World } from './world/world.ts';

/** Settings that the Worker takes from the environment; the rest of the environment is none of its business. */
const PASSED_ON =
  /^(\w+_CLIENT_(ID|SECRET)|AGENT_EVENTS_(URL|SECRET)|AWS_(REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY|ENDPOINT_URL_KMS)|KMS_KEY_ID|OAUTH_BROWSER_BINDING|GOOGLE_ADS_DEVELOPER_TOKEN|GITHUB_APP_\w+)$/;

const DATABASE = 'reeve';
const CRON_MS = 60_000;
const PARENT_MS = 500;

/** An empty setting is none. */
const settings = Object.fromEntries(
  Object.entries({ ...devVars(), ...process.env }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
  ),
);
const directory = path.resolve(root, settings.LOCAL_DIR ?? '.local');

/** What must be ended, the last begun first. */
const ending: Array<() => Promise<void>> = [];
let isEnding = false;
obeySignals();

start().catch((error: unknown) => {
  console.error(error);
  void end(1);
});

async function start(): Promise<void> {
  if (settings.PROVIDER_GATEWAY !== undefined) requireLoopback(settings.PROVIDER_GATEWAY);
  mkdirSync(directory, { recursive: true });
  rmSync(path.join(directory, 'stack.json'), { force: true });
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && void end(0), PARENT_MS).unref();
  const [postgres, bundled, { startWorld }] = await Promise.all([
    startPostgres(path.join(directory, 'postgres')).then((server) => {
      ending.push(() => server.stop());
      return server;
    }),
    bundleOnce('test/world/worker.ts', path.join(directory, 'bundle')),
    // What it imports takes seconds to load: meanwhile the others are at work.
    import('./world/world.ts'),
  ]);

  await postgres.create(DATABASE).catch((error: { code?: string }) => {
    if (error.code !== '42P04') throw error; // It stands already.
  });
  await applySchema(postgres, DATABASE);
  const sessions = await seed(postgres, DATABASE);

  const world = await startWorld({
    databaseUrl: postgres.url(DATABASE),
    modules: readModules(bundled),
    directory,
    port: Number(settings.PORT ?? 8787),
    env: passedOn(),
    ...(settings.PROVIDER_GATEWAY !== undefined && { providerGateway: settings.PROVIDER_GATEWAY }),
    rateLimits: settings.RATE_LIMITS !== 'off',
    onLog: (line) => console.log(line),
  });
  ending.push(() => world.close());
  obeySignals();
  const cron = setInterval(() => {
    fetch(`${world.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`).catch(
      () => undefined,
    );
  }, CRON_MS);
  ending.push(async () => clearInterval(cron));
  announce(world, postgres.url(DATABASE), sessions);
}

/**
 * Ends everything on a signal, and when whoever started us is gone. Packages in between have listeners of their own
 * that end the process before PostgreSQL has ended: ours stand alone.
 */
function obeySignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => void end(0));
  }
}

/** Says where everything is, on the screen and in stack.json. */
function announce(world: World, databaseUrl: string, sessions: Sessions): void {
  const stack = {
    url: world.url,
    cockpit_url: `${world.url}/cockpit`,
    database_url: databaseUrl,
    provider_gateway: settings.PROVIDER_GATEWAY ?? world.gateway.url,
    kms_endpoint: settings.AWS_ENDPOINT_URL_KMS ?? world.kms.url,
    agent_url: settings.AGENT_EVENTS_URL ?? world.agent.url,
    sessions,
    users,
    brands,
  };
  const file = path.join(directory, 'stack.json');
  writeFileSync(`${file}.new`, JSON.stringify(stack, null, 2));
  renameSync(`${file}.new`, file);

  console.log(`
ready

  page        ${stack.cockpit_url}   (sign in with a session below)
  API         ${stack.url}   (${stack.url}/openapi.json)
  PostgreSQL  ${stack.database_url}
  providers   ${stack.provider_gateway}
  KMS         ${stack.kms_endpoint}
  agent       ${stack.agent_url}

  Ada      ${sessions.ada}
  Grace    ${sessions.grace}
  Mallory  ${sessions.mallory}

  All of this stands in ${path.relative(process.cwd(), file)}; Ctrl-C ends it, what was stored stays.
`);
}

async function end(code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  setTimeout(() => process.exit(code), 12_000).unref();
  for (const step of ending.reverse()) await step().catch((error: unknown) => console.error(error));
  process.exit(code);
}

/** The settings that are the Worker's own. */
function passedOn(): Record<string, string> {
  const entries = Object.entries(settings).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(entries.filter(([name]) => PASSED_ON.test(name)));
}

/** What .dev.vars says; the process environment wins over it. */
function devVars(): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path.join(root, '.dev.vars'), 'utf8'));
  } catch {
    return {};
  }
}
