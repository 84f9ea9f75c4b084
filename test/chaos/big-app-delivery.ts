import { type Figure, figure } from './figures.ts';
import { type AppDelivery, githubAppEnv, LARGEST, plantListeners, pushOf, tellApp } from './github-app.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { wait } from './webhooks/faults.ts';

const REPOSITORY = 1;
const ACKNOWLEDGED_WITHIN_MS = 4_000;
/** What was put by in KV is a row once the cron has fired. */
const STORED_WITHIN_MS = 30_000;
/** Beside the payloads themselves: rows, indexes, and what PostgreSQL adds to what it cuts up. */
const SURPLUS = 1.15;

const WELL = 'all is well';
/** What the database is like while a delivery comes; what is given ends that. */
const conditions: Record<string, (world: StagedWorld) => () => void> = {
  [WELL]: () => () => undefined,
  'PostgreSQL is slow'(world) {
    world.neon.faults.delay(3_000);
    return () => world.neon.faults.delay(0);
  },
  'PostgreSQL is down'(world) {
    world.neon.faults.down(true);
    return () => world.neon.faults.down(false);
  },
};

/** What became of one delivery. */
interface Outcome {
  status: number | 'no answer';
  took: number;
  /** Event rows of it, and the tenants whose they are. */
  rows: number;
  tenants: number;
  /** Tenants with another number of payloads than one; undefined where payloads stand in no table of their own. */
  otherThanOne: number | undefined;
  /** What the database has grown by, in bytes. */
  grown: number;
}

/**
 * The largest delivery that there is, to a GitHub App, of a repository that many connections of several tenants see:
 * stored for all of them at once and acknowledged in time, or refused.
 */
export async function bigAppDelivery(
  stage: Stage,
  {
    connections,
    tenants,
    bytes = LARGEST,
    each,
  }: { connections: number; tenants: number; bytes?: number; each: number },
): Promise<Figure[]> {
  // Nobody is told: what is measured is what a delivery leaves in the database.
  const world = await stage.open({ rateLimits: false, unconsumed: true, env: githubAppEnv() });
  await plantListeners(world, connections, { tenants, repositoryOf: () => REPOSITORY });
  const figures: Figure[] = [];
  let number = 0;
  for (const [name, begin] of Object.entries(conditions)) {
    const outcomes: Outcome[] = [];
    for (let at = 0; at < each; at += 1) {
      number += 1;
      outcomes.push(await play(world, pushOf(world, { number, repository: REPOSITORY, bytes }), begin));
    }
    figures.push(...figuresOf(name, outcomes, { connections, tenants, bytes }));
  }
  return figures;
}

async function play(
  world: StagedWorld,
  delivery: AppDelivery,
  begin: (world: StagedWorld) => () => void,
): Promise<Outcome> {
  const before = await sizeOf(world);
  const end = begin(world);
  const { status, took } = await tellApp(world.url, delivery);
  end();
  for (const until = Date.now() + STORED_WITHIN_MS; status === 200 && Date.now() < until; ) {
    if ((await rowsOf(world, delivery)).rows > 0) break;
    await fire(world);
    await wait(200);
  }
  const { rows, tenants } = await rowsOf(world, delivery);
  return {
    status,
    took,
    rows,
    tenants,
    otherThanOne: await payloadsOtherThanOne(world, delivery),
    grown: (await sizeOf(world)) - before,
  };
}

async function rowsOf(world: StagedWorld, { id }: AppDelivery): Promise<{ rows: number; tenants: number }> {
  const [row] = await world.sql(
    `select count(*)::integer as rows, count(distinct tenant_id)::integer as tenants from events
     where delivery_id = $1`,
    [id],
  );
  return { rows: Number(row?.rows), tenants: Number(row?.tenants) };
}

async function payloadsOtherThanOne(world: StagedWorld, { id }: AppDelivery): Promise<number | undefined> {
  const [there] = await world.sql(`select to_regclass('payloads') is not null as payloads`);
  if (!there?.payloads) return undefined;
  const rows = await world.sql(
    `select from events where delivery_id = $1 group by tenant_id
     having count(distinct payload_id) <> 1 or count(payload_id) <> count(*)`,
    [id],
  );
  return rows.length;
}

async function sizeOf(world: StagedWorld): Promise<number> {
  const [row] = await world.sql(
    `select sum(pg_total_relation_size(oid))::float8 as bytes from pg_class
     where relkind = 'r' and relnamespace = 'public'::regnamespace`,
  );
  return Number(row?.bytes);
}

function figuresOf(
  name: string,
  outcomes: readonly Outcome[],
  { connections, tenants, bytes }: { connections: number; tenants: number; bytes: number },
): Figure[] {
  const stored = outcomes.filter(({ status }) => status === 200);
  const answers = outcomes.map(({ status, took }) => `${status} in ${(took / 1000).toFixed(2)} s`);
  const inVain = stored.filter((each) => each.rows !== connections || each.tenants !== tenants);
  const grown = Math.max(...stored.map((each) => each.grown)) / bytes;
  const copies = stored.filter((each) => each.otherThanOne !== 0);
  return [
    figure(
      `${name}: ${(bytes / 1024 / 1024).toFixed(0)} MB for ${connections} connections`,
      '200 within 4 s, or 503',
      answers.join(', '),
      outcomes.every(({ status, took }) =>
        status === 200 ? took <= ACKNOWLEDGED_WITHIN_MS : status === 503,
      ),
    ),
    figure(
      `${name}: acknowledged, without a row for each connection`,
      '0',
      `${inVain.length}${inVain.map((each) => `; ${each.rows} rows`).join('')}`,
      inVain.length === 0,
    ),
    // Where all is well one that was refused leaves nothing to be measured.
    ...(stored.length === 0 && name !== WELL
      ? []
      : [
          figure(
            `${name}: of ${stored.length} acknowledged, with another number of payloads a tenant than one; bodies that one takes in the database`,
            `0; at most ${tenants}`,
            stored.length === 0 ? 'none was acknowledged' : `${copies.length}; ${grown.toFixed(1)}`,
            stored.length > 0 && copies.length === 0 && grown > 0 && grown <= tenants * SURPLUS,
          ),
        ]),
  ];
}
