import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { convertV4MiniflareOptions, Miniflare, type V4MiniflareOptions } from 'miniflare';
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from 'wrangler';
import { type Agent, startAgent } from './agent.ts';
import { type Module, root } from './bundle.ts';
import type { Descriptions } from './descriptions.ts';
import { type Gateway, REQUEST_ID, startGateway } from './gateway.ts';
import { watchMemory } from './isolate.ts';
import { type Kms, startKms } from './kms.ts';
import { KV_LOG, KV_SWITCH, QUEUE_SWITCH } from './kv-log.ts';
import { endLeftover } from './leftover.ts';
import { isLoopback, requireLoopback } from './loopback.ts';
import { type Neon, startNeon } from './neon.ts';
import { freePort } from './postgres.ts';
import { simulators } from './providers/index.ts';
import type { SimulatorContext, SimulatorFactory } from './simulator.ts';
import { openStores, type Store } from './store.ts';

export interface WorldOptions {
  /** The PostgreSQL connection string of the database to use; its schema stands already. */
  databaseUrl: string;
  modules: Module[];
  /** Where state outlives a restart; without it nothing does. */
  directory?: string;
  port?: number;
  /** Bindings that win over the local defaults. */
  env?: Record<string, string>;
  /** Where providers are reached instead of the simulators: a loopback URL. */
  providerGateway?: string;
  rateLimits?: boolean;
  /** What every request to a provider is checked against. */
  descriptions?: Descriptions | undefined;
  /** Milliseconds since 1970 for the clocks of the simulators and of KMS. */
  now?: () => number;
  /** Queues deliver at once, not when a batch is full or its time is over. */
  hurried?: boolean;
  /** Queues take what is sent, and deliver nothing: as where others consume it. */
  unconsumed?: boolean;
  /** Bounds of the platform that this world has not, for who wants to see what is beyond. */
  without?: readonly ('memory' | 'answers')[];
  /** How often its isolate is meant to be killed for its memory, where that is what a test is about. */
  kills?: number;
  onLog?: (line: string) => void;
  /** Stand in for the providers' simulators of the same ids. */
  simulators?: readonly SimulatorFactory[];
  /** Told every secret that the world hands out. */
  onSecret?: (secret: string) => void;
}

export interface World {
  url: string;
  gateway: Gateway;
  neon: Neon;
  kms: Kms;
  agent: Agent;
  miniflare: Miniflare;
  /** What the Worker is set up with. */
  bindings: Readonly<Record<string, string>>;
  /** The Worker's log lines so far. */
  logs: string[];
  /** Of the Worker's isolate. One that takes more than the platform gives is killed, and another takes its place. */
  memory: {
    /** Bytes, the most that was found. */
    peak: number;
    /** How often it was killed since the start. */
    exceeded: number;
  };
  /** Operations on KV since the last reset. */
  kv: Record<'get' | 'put', number>;
  /** Makes every operation on KV fail, or work again. */
  kvDown(isDown: boolean): Promise<void>;
  /** Makes the queues take nothing, or work again. */
  queuesDown(areDown: boolean): Promise<void>;
  /** Makes the queues lose what they take, or work again: nothing goes on behind a request. */
  queuesDeaf(areDeaf: boolean): Promise<void>;
  /** Ends all misbehaviour, and starts all counts anew. */
  reset(): void;
  store(part: string): Store;
  /** Kills the Worker where it stands; the rest of the world goes on. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

const kmsDefaults = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'local-access-key',
  AWS_SECRET_ACCESS_KEY: 'local-secret-key',
  KMS_KEY_ID: 'alias/reeve-connectors',
};

/** What a simulator is made with to learn its id. */
const NOBODY = (store: Store): SimulatorContext => ({
  store,
  client: { id: '', secret: '', redirectUris: [], settings: {} },
  now: Date.now,
  secret: (value) => value,
});

/** The Worker on workerd, and everything it talks to, on this machine. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const port = options.port || (await freePort());
  endLeftover(port);
  const url = `http://127.0.0.1:${port}`;
  const stores = openStores(options.directory ? path.join(options.directory, 'world.sqlite') : ':memory:');
  const secret = (value: string) => {
    options.onSecret?.(value);
    return value;
  };
  const now = options.now ?? Date.now;
  const own = stores.of('world');
  const remembered = (key: string, make: () => string) => {
    const value = own.get<string>(key) ?? make();
    own.set(key, value);
    return secret(value);
  };

  const clients: Record<string, string> = {};
  const others = new Map(
    (options.simulators ?? []).map((make) => [make(NOBODY(stores.of('none'))).provider, make]),
  );
  const known = simulators.map((usual) => {
    const make = others.get(usual(NOBODY(stores.of('none'))).provider) ?? usual;
    // Each simulator is made more than once: its id names its store and its client.
    const { provider, settings: defaults = {} } = make(NOBODY(stores.of('none')));
    const prefix = provider.toUpperCase();
    const id = options.env?.[`${prefix}_CLIENT_ID`] ?? `reeve-${provider}-client`;
    const clientSecret =
      options.env?.[`${prefix}_CLIENT_SECRET`] ??
      remembered(`${provider}/client-secret`, () => randomBytes(24).toString('hex'));
    clients[`${prefix}_CLIENT_ID`] = id;
    clients[`${prefix}_CLIENT_SECRET`] = secret(clientSecret);
    const settings = settingsOf(prefix, options.env ?? {});
    for (const [name, make] of Object.entries(defaults)) {
      settings[name] ??= remembered(`${provider}/${name}`, make);
      clients[`${prefix}_${name}`] = settings[name];
    }
    return make({
      store: stores.of(provider),
      client: {
        id,
        secret: clientSecret,
        redirectUris: [`${url}/api/oauth/${provider}/callback`],
        settings,
      },
      now,
      secret,
    });
  });

  const agentSecret =
    options.env?.AGENT_EVENTS_SECRET ??
    remembered('agent-secret', () => `whsec_${randomBytes(24).toString('base64')}`);
  const aws = { ...kmsDefaults, ...pick(options.env ?? {}, Object.keys(kmsDefaults)) };
  const [gateway, neon, kms, agent] = await Promise.all([
    startGateway(known, options.descriptions),
    startNeon({ unbounded: options.without?.includes('answers') === true }),
    startKms({
      store: stores.of('kms'),
      region: aws.AWS_REGION,
      accessKeyId: aws.AWS_ACCESS_KEY_ID,
      secretAccessKey: aws.AWS_SECRET_ACCESS_KEY,
      keyIds: [aws.KMS_KEY_ID],
      now,
    }),
    startAgent(agentSecret, 0, now),
  ]);

  const providerGateway = requireLoopback(options.providerGateway ?? gateway.url);
  const bindings = {
    ...aws,
    ...clients,
    PUBLIC_URL: url,
    COCKPIT_URL: `${url}/cockpit`,
    STATE_KEY: remembered('state-key', () => randomBytes(32).toString('base64')),
    GRANT_KEY: remembered('grant-key', () => randomBytes(32).toString('base64')),
    DATABASE_URL: options.databaseUrl,
    NEON_FETCH_ENDPOINT: neon.url,
    AWS_ENDPOINT_URL_KMS: kms.url,
    AGENT_EVENTS_URL: agent.url,
    AGENT_EVENTS_SECRET: agentSecret,
    ...options.env,
    PROVIDER_GATEWAY: providerGateway,
  };

  const logs: string[] = [];
  const kv = { get: 0, put: 0 };
  // The secrets that wrangler misses in the environment are the bindings below.
  process.env.WRANGLER_LOG = 'none';
  const { workerOptions } = workerOptionsOf(path.join(root, 'wrangler.toml'));
  const miniflareOptions = convertV4MiniflareOptions({
    host: '127.0.0.1',
    port,
    cf: false,
    inspectorPort: 0,
    ...(options.directory !== undefined && {
      resourcePersistencePath: path.join(options.directory, 'workerd'),
    }),
    handleStructuredLogs: ({ message }) => {
      if (message.startsWith(KV_LOG)) {
        kv[message.slice(KV_LOG.length) as 'get' | 'put'] += 1;
        return;
      }
      logs.push(message);
      options.onLog?.(message);
    },
    workers: [
      {
        ...workerOptions,
        name: WORKER,
        modules: options.modules,
        modulesRoot: '/',
        bindings: { ...(workerOptions.bindings as object), ...bindings },
        ...(options.hurried && { queueConsumers: hurried(workerOptions.queueConsumers) }),
        ...(options.unconsumed && { queueConsumers: {} }),
        ...(options.rateLimits === false && { ratelimits: unlimited(workerOptions.ratelimits) }),
        outboundService: WAY_OUT,
      },
      wayOut(providerGateway),
    ],
    // wrangler's and miniflare's types of the same options differ in how they say 'absent'.
  } as V4MiniflareOptions);
  const miniflare = new Miniflare(miniflareOptions);
  await miniflare.ready;
  let isKilled = false;
  const memory = { peak: 0, exceeded: 0 };
  let unwatch = () => {};
  const watch = async () => {
    unwatch = await watchMemory(await miniflare.getInspectorURL(), WORKER, {
      isFound: (bytes) => {
        memory.peak = Math.max(memory.peak, bytes);
      },
      isExceeded: () => {
        memory.exceeded += 1;
        unwatch();
        // The world may be closed meanwhile.
        const again = isKilled ? undefined : miniflare.setOptions(miniflareOptions).then(watch);
        again?.catch(() => undefined);
      },
    });
  };
  if (!options.without?.includes('memory')) await watch();

  return {
    url,
    gateway,
    neon,
    kms,
    agent,
    miniflare,
    bindings,
    logs,
    memory,
    kv,
    kvDown: async (isDown) => void (await fetch(`${url}${KV_SWITCH}${isDown ? '?down' : ''}`)),
    queuesDown: async (areDown) => void (await fetch(`${url}${QUEUE_SWITCH}${areDown ? '?down' : ''}`)),
    queuesDeaf: async (areDeaf) => void (await fetch(`${url}${QUEUE_SWITCH}${areDeaf ? '?deaf' : ''}`)),
    reset: () => {
      gateway.reset();
      agent.fail(undefined);
      neon.faults.reset();
      kms.faults.reset();
      kms.calls.length = 0;
      Object.assign(kv, { get: 0, put: 0 });
      memory.peak = 0;
    },
    store: stores.of,
    kill: async () => {
      isKilled = true;
      unwatch();
      await miniflare.dispose();
    },
    close: async () => {
      unwatch();
      if (!isKilled) await miniflare.dispose();
      await Promise.all([gateway.close(), neon.close(), kms.close(), agent.close()]);
      stores.close();
    },
  };
}

/**
 * The one way out, a Worker of its own: what the local stack itself serves is reached as it is, all other hosts by the
 * gateway.
 */
export function wayOut(gateway: string) {
  return {
    name: WAY_OUT,
    compatibilityDate: '2026-11-01',
    modules: true,
    script: `
      const isLoopback = ${isLoopback};
      export default {
        fetch(request) {
          const { hostname, host, pathname, search } = new URL(request.url);
          if (isLoopback(hostname)) return fetch(request);
          const real = new Request(${JSON.stringify(gateway)} + '/' + host + pathname + search, request);
          real.headers.set(${JSON.stringify(REQUEST_ID)}, crypto.randomUUID());
          return fetch(real);
        },
      };`,
  };
}

export const WAY_OUT = 'way-out';
const WORKER = 'reeve-connectors';

function unlimited(limits: unknown): object {
  const lifted = Object.entries(limits as Record<string, object>).map(([name, limit]) => [
    name,
    { ...limit, simple: { limit: 1_000_000_000, period: 60 } },
  ]);
  return Object.fromEntries(lifted);
}

function hurried(consumers: unknown): object {
  const all = Object.entries(consumers as Record<string, object>).map(([name, consumer]) => [
    name,
    { ...consumer, maxBatchTimeout: 0 },
  ]);
  return Object.fromEntries(all);
}

/** What the environment says of a provider's client beside its id and secret. */
function settingsOf(prefix: string, env: Record<string, string>): Record<string, string> {
  const own = Object.entries(env).filter(
    ([name]) => name.startsWith(`${prefix}_`) && !/_CLIENT_(ID|SECRET)$/.test(name),
  );
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length + 1), value]));
}

function pick(from: Record<string, string>, names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));
}
