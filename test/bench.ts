import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { convertV4MiniflareOptions, Miniflare, type V4MiniflareOptions } from 'miniflare';
import { z } from 'zod';
import { bundle, readModules } from './world/bundle.ts';
import { startPostgres } from './world/postgres.ts';
import { signStripe } from './world/providers/stripe/signature.ts';
import { applySchema, seed } from './world/seed.ts';
import { startWorld, WAY_OUT, wayOut } from './world/world.ts';

const ROUNDS = 6;
const SECONDS = 3;
/** One connection is written by one at a time. */
const CONCURRENCY: Record<string, number> = { list: 8, connect: 1, webhook: 8, queued: 8 };
/** What Stripe tells: something that is kept, and something that the agent is told, which goes to a queue, too. */
const TELLS: Record<string, string> = { webhook: 'invoice.paid', queued: 'invoice.created' };
const LEAST: Record<string, number> = { list: 0.8, webhook: 0.7 };

/** As much as an invoice of Stripe's has, some 4 KB. */
const LINES = Array.from({ length: 12 }, (_, at) => ({
  id: `il_${at}`,
  object: 'line_item',
  amount: 1_000 + at,
  currency: 'eur',
  description: 'A month of something that one pays for each month',
  period: { start: 1_790_000_000, end: 1_792_600_000 },
  metadata: {},
}));

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
  // Who tells the agent is another isolate than who acknowledges; here both would share two cores.
  unconsumed: true,
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
const connected = z.object({ id: z.string() }).parse(JSON.parse(await ask(product.connect ?? list)));
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
await postgres.run('bench', 'create table bare_inbox (id uuid primary key, body text not null)');
const [endpoint] = (await postgres.run('bench', 'select registered from webhooks')).rows;
const signingSecret = world.store('stripe').get<string>(`signing/${endpoint?.registered[0].id}`) ?? '';
product.webhook = { ...list, url: `${world.url}/api/webhooks/stripe/${connected.id}`, method: 'POST' };
product.queued = product.webhook;
bare.webhook = { ...list, url: `${bareUrl}/insert`, method: 'POST' };
bare.queued = bare.webhook;
const [ours, theirs] = [await ask(list), await ask(bare.list ?? list)];
if (!ours.includes('acct_') || !theirs.includes('acct_')) throw new Error('the two do not read the same row');

let failed = false;
for (const name of ['list', 'connect', 'webhook', 'queued']) {
  const [a, b] = [product[name] ?? list, bare[name] ?? list];
  await Promise.all([measure(name, a, 1), measure(name, b, 1)]);
  const rates = { product: 0, bare: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    rates.product += await measure(name, a, SECONDS);
    rates.bare += await measure(name, b, SECONDS);
  }
  const ratio = rates.product / rates.bare;
  const least = LEAST[name];
  const bound = least === undefined ? '' : `   (at least ${least})`;
  const each = (side: 'product' | 'bare') => `${side} ${(rates[side] / ROUNDS).toFixed(0)}/s`;
  console.log(`${name.padEnd(8)} ${each('product')}   ${each('bare')}   ratio ${ratio.toFixed(2)}${bound}`);
  if (least !== undefined && ratio < least) failed = true;
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
      const type = TELLS[name];
      await ask(type === undefined ? load : delivery(load, type));
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY[name] ?? 1 }, one));
  return (done * 1000) / (performance.now() - started);
}

/** The next delivery of Stripe's: both sides get the like, signed. */
function delivery(load: Load, type: string): Load {
  const body = JSON.stringify(
    {
      id: `evt_${randomBytes(12).toString('hex')}`,
      object: 'event',
      type,
      livemode: false,
      created: Math.floor(Date.now() / 1000),
      data: { object: { id: 'in_1', object: 'invoice', lines: LINES } },
    },
    null,
    2,
  );
  const signature = signStripe(body, signingSecret, Math.floor(Date.now() / 1000));
  const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
  return { ...load, headers, body };
}

async function ask({ url, method, headers, body }: Load): Promise<string> {
  const response = await fetch(url, { method, headers, body: body ?? null });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
  return text;
}
