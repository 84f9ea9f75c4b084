import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { convertV4MiniflareOptions, Miniflare, type V4MiniflareOptions } from 'miniflare';
import { bundle, readModules } from './world/bundle.ts';
import { startPostgres } from './world/postgres.ts';
import { applySchema, seed } from './world/seed.ts';
import { startWorld, WAY_OUT, wayOut } from './world/world.ts';

const ROUNDS = 6;
const SECONDS = 3;
/** One connection is written by one at a time. */
const CONCURRENCY: Record<string, number> = { list: 8, connect: 1 };
const LEAST_LIST_RATIO = 0.8;

interface Load {
  url: string;
  method: 'GET' | 'POST';
  headers: Record<string, string>;
  body?: string;
}

const directory = mkdtempSync(path.join(tmpdir(), 'reeve-bench-'));
const [postgres] = await Promise.all([
  startPostgres(path.join(directory, 'postgres')),
  bundle('test/world/worker.ts', path.join(directory, 'product')),
  bundle('test/bench/bare.ts', path.join(directory, 'bare')),
]);
await postgres.create('bench');
await applySchema(postgres, 'bench');
const sessions = await seed(postgres, 'bench');
const databaseUrl = postgres.url('bench');
const world = await startWorld({
  databaseUrl,
  modules: readModules(path.join(directory, 'product')),
  rateLimits: false,
});

const authorization = { authorization: `Bearer ${sessions.ada}` };
const key = world.gateway.simulator('stripe').issueKey?.().api_key ?? '';
const connect = { provider: 'stripe', api_key: key };
const list: Load = { url: `${world.url}/api/connectors/list`, method: 'GET', headers: authorization };
const product: Record<string, Load> = {
  list,
  connect: {
    url: `${world.url}/api/connectors/connect`,
    method: 'POST',
    headers: { ...authorization, 'content-type': 'application/json' },
    body: JSON.stringify(connect),
  },
};
await ask(product.connect ?? list);
world.reset();
await ask(list);
const statement = world.neon.queries.at(-1)?.sql ?? '';
const count = Math.max(...[...statement.matchAll(/\$(\d+)/g)].map((match) => Number(match[1])));
const session = createHash('sha256').update(sessions.ada).digest('hex');
// The session first, no brand, and at last whether the team is asked for.
const parameters = Array.from({ length: count }, (_, at) =>
  at === 0 ? session : at === count - 1 ? false : null,
);

const bareWorker = new Miniflare(
  convertV4MiniflareOptions({
    host: '127.0.0.1',
    port: 0,
    cf: false,
    workers: [
      {
        name: 'bare',
        compatibilityDate: '2026-11-01',
        compatibilityFlags: ['nodejs_compat'],
        modules: readModules(path.join(directory, 'bare')),
        modulesRoot: '/',
        bindings: {
          DATABASE_URL: databaseUrl,
          NEON_FETCH_ENDPOINT: world.neon.url,
          STATEMENT: statement,
          PARAMETERS: JSON.stringify(parameters),
        },
        outboundService: WAY_OUT,
      },
      wayOut(world.gateway.url),
    ],
  } as V4MiniflareOptions),
);
const bareUrl = (await bareWorker.ready).href.replace(/\/$/, '');
const bare: Record<string, Load> = {
  list: { url: `${bareUrl}/list`, method: 'GET', headers: {} },
  connect: {
    url: `${bareUrl}/connect`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(connect),
  },
};
const [ours, theirs] = [await ask(list), await ask(bare.list ?? list)];
if (!ours.includes('acct_') || !theirs.includes('acct_')) throw new Error('the two do not read the same row');

let failed = false;
for (const name of ['list', 'connect']) {
  const [a, b] = [product[name] ?? list, bare[name] ?? list];
  await Promise.all([measure(name, a, 1), measure(name, b, 1)]);
  const rates = { product: 0, bare: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    rates.product += await measure(name, a, SECONDS);
    rates.bare += await measure(name, b, SECONDS);
  }
  const ratio = rates.product / rates.bare;
  console.log(
    `${name.padEnd(8)} product ${(rates.product / ROUNDS).toFixed(0)}/s   bare ${(rates.bare / ROUNDS).toFixed(0)}/s   ratio ${ratio.toFixed(2)}${name === 'list' ? `   (at least ${LEAST_LIST_RATIO})` : ''}`,
  );
  if (name === 'list' && ratio < LEAST_LIST_RATIO) failed = true;
}

await Promise.all([world.close(), bareWorker.dispose()]);
await postgres.stop();
rmSync(directory, { recursive: true, force: true });
process.exit(failed ? 1 : 0);

/** Requests a second, of as many as end within `seconds`. */
async function measure(name: string, load: Load, seconds: number): Promise<number> {
  const started = performance.now();
  let done = 0;
  const one = async () => {
    while (performance.now() - started < seconds * 1000) {
      await ask(load);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY[name] ?? 1 }, one));
  return (done * 1000) / (performance.now() - started);
}

async function ask({ url, method, headers, body }: Load): Promise<string> {
  const response = await fetch(url, { method, headers, body: body ?? null });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
  return text;
}
