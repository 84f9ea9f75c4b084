import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { agentDown } from './chaos/agent-down.ts';
import { bigAppDelivery } from './chaos/big-app-delivery.ts';
import { callersGone } from './chaos/callers-gone.ts';
import { changedColumns } from './chaos/changed-columns.ts';
import { claimPlan } from './chaos/claim-plan.ts';
import { clientSecret } from './chaos/client-secret.ts';
import { connects } from './chaos/connects.ts';
import { deadGrants } from './chaos/dead-grants.ts';
import { deletes } from './chaos/deletes.ts';
import { disconnectOrders } from './chaos/disconnect-orders.ts';
import { failedSignIns } from './chaos/failed-sign-ins.ts';
import type { Figure } from './chaos/figures.ts';
import { githubBrands } from './chaos/github-brands.ts';
import { keyRotation } from './chaos/key-rotation.ts';
import { keysEnded } from './chaos/keys-ended.ts';
import { kills } from './chaos/kills.ts';
import { lanes } from './chaos/lanes.ts';
import { largeEvents } from './chaos/large-events.ts';
import { ninetyDays } from './chaos/ninety-days.ts';
import { ownEvents } from './chaos/own-events.ts';
import { ownersLeave } from './chaos/owners-leave.ts';
import { poison } from './chaos/poison.ts';
import { race } from './chaos/race.ts';
import { neighbourOptions, type Stage, type StagedWorld } from './chaos/stage.ts';
import { strangersBodies } from './chaos/strangers-bodies.ts';
import { strangersFlood } from './chaos/strangers-flood.ts';
import { sweeps } from './chaos/sweeps.ts';
import { throughput } from './chaos/throughput.ts';
import { webhooks } from './chaos/webhooks.ts';
import { bundle, readModules } from './world/bundle.ts';
import { startPostgres } from './world/postgres.ts';
import { applySchema, seed } from './world/seed.ts';
import { startWorld, type World, type WorldOptions } from './world/world.ts';

/**
 * npm run chaos [-- NAME …]: the scenarios in their full size, with fixed seeds, and their figures. Ends with 1 where
 * a figure is not reached.
 */
const scenarios: Record<string, (stage: Stage) => Promise<Figure[]>> = {
  // First, when nothing else is under way yet.
  throughput: (stage) => throughput(stage, { connections: 10_000, latencyMs: 100 }),
  race: (stage) => race(stage, { rounds: 1_000, racers: 60 }),
  sweeps: (stage) => sweeps(stage, { connections: 1_000, rounds: 20 }),
  'client-secret': (stage) => clientSecret(stage, { connections: 1_000, sweeps: 5 }),
  'dead-grants': (stage) => deadGrants(stage, { connections: 100, sweeps: 5 }),
  kills: (stage) => kills(stage, { each: 100, atOnce: 20 }),
  'claim-plan': (stage) => claimPlan(stage, { few: 10_000, many: 1_000_000, say: console.log }),
  'key-rotation': (stage) => keyRotation(stage, { rows: 10_000, kills: 5 }),
  'ninety-days': (stage) => ninetyDays(stage, { days: 90, stepMinutes: 1 }),
  deletes: (stage) => deletes(stage, { connections: 200 }),
  'failed-sign-ins': (stage) => failedSignIns(stage, { every: 1 }),
  'owners-leave': (stage) => ownersLeave(stage, { owners: 5, minutes: 10 }),
  'callers-gone': (stage) => callersGone(stage, { each: 100 }),
  'strangers-flood': (stage) => strangersFlood(stage, { signIns: 100, strangers: 4_000, atOnce: 400 }),
  'github-brands': (stage) => githubBrands(stage, { signIns: 30, rests: 0.5 }),
  'disconnect-orders': (stage) => disconnectOrders(stage, { orders: 10_000, atOnce: 12 }),
  'keys-ended': (stage) => keysEnded(stage, { hoursBefore: 24, stepMinutes: 60 }),
  connects: (stage) => connects(stage, { grants: 1_000, sharers: 50 }),
  'own-events': (stage) => ownEvents(stage, { connections: 500 }),
  webhooks: (stage) =>
    webhooks(stage, { deliveries: 100_000, senders: 8, kills: 8, lasting: [1_000, 12_000], seed: 31 }),
  poison: (stage) => poison(stage, { neighbours: 200, hangs: true }),
  'agent-down': (stage) => agentDown(stage, { events: 300, minutes: 30 }),
  lanes: (stage) => lanes(stage, { tenants: 50, events: 600, perSecond: 60, retryAfter: 120, seed: 31 }),
  'large-events': (stage) =>
    largeEvents(stage, { events: 10_000, bytes: 6_000_000_000, tenants: 50, minutes: 60, seed: 31 }),
  'big-app-delivery': (stage) => bigAppDelivery(stage, { connections: 200, tenants: 8, each: 3 }),
  'strangers-bodies': (stage) =>
    strangersBodies(stage, { callers: 100, perSecond: 1_000, seconds: 60, addresses: 40, seed: 31 }),
  'changed-columns': (stage) => changedColumns(stage, { every: 1 }),
};

const directory = mkdtempSync(path.join(tmpdir(), 'reeve-chaos-'));
const [postgres] = await Promise.all([
  startPostgres(path.join(directory, 'postgres')),
  bundle('test/world/worker.ts', path.join(directory, 'bundle')),
]);
const modules = readModules(path.join(directory, 'bundle'));
const asked = process.argv.slice(2);
let failures = 0;
for (const [name, play] of Object.entries(scenarios)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const worlds: World[] = [];
  const stage = stageOf(worlds);
  const started = Date.now();
  try {
    for (const { name: what, must, got, ok } of await play(stage)) {
      if (!ok) failures += 1;
      console.log(`${ok ? 'ok  ' : 'NOT '} ${name}: ${what}: ${got} (must be ${must})`);
    }
  } catch (error) {
    failures += 1;
    console.log(`NOT  ${name}: ${error instanceof Error ? error.stack : error}`);
  } finally {
    for (const world of worlds.reverse()) await world.close();
    console.log(`     ${name}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
  }
}
await postgres.stop();
rmSync(directory, { recursive: true, force: true });
process.exit(failures === 0 ? 0 : 1);

function stageOf(worlds: World[]): Stage {
  const start = async (database: string, options: Partial<WorldOptions>): Promise<StagedWorld> => {
    const world = await startWorld({
      databaseUrl: postgres.url(database),
      modules,
      rateLimits: false,
      directory: mkdtempSync(path.join(directory, 'world-')),
      ...options,
    });
    worlds.push(world);
    return {
      ...world,
      database,
      databases: postgres,
      sql: async (text, values) => (await postgres.run(database, text, values ?? [])).rows,
    };
  };
  return {
    async open(options = {}) {
      const database = `chaos_${process.hrtime.bigint()}`;
      await postgres.create(database);
      await applySchema(postgres, database);
      await seed(postgres, database);
      return start(database, options);
    },
    beside: (world) => start(world.database, neighbourOptions(world)),
  };
}
