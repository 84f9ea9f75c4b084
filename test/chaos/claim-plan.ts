import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely';
import { dueQuery } from '../../lib/refresh/due.ts';
import { type Figure, figure } from './figures.ts';
import type { Stage, StagedWorld } from './stage.ts';

const LIMIT = 10_000;
const DUE = 2_000;

/** The cron's read of what is due, with few and with many connections; as many are due each time. */
export async function claimPlan(
  stage: Stage,
  { few, many, say }: { few: number; many: number; say?: (plan: string) => void },
): Promise<Figure[]> {
  const world = await stage.open();
  const { text, parameters } = compiled();
  const small = await measure(world, text, parameters, few);
  const large = await measure(world, text, parameters, many);
  const ratio = large.milliseconds / small.milliseconds;
  say?.(large.plan);
  return [
    figure(
      `the claim query with ${many} connections`,
      'index only',
      large.scan,
      large.scan === 'Index Only Scan',
    ),
    figure(
      `its time against ${few} connections`,
      'at most 1.5',
      `${ratio.toFixed(2)} (${large.milliseconds.toFixed(2)} ms, ${small.milliseconds.toFixed(2)} ms)`,
      ratio <= 1.5,
    ),
  ];
}

function compiled(): { text: string; parameters: readonly unknown[] } {
  const database = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
  const query = sql`${dueQuery(LIMIT)}`.compile(database);
  return { text: query.sql, parameters: query.parameters };
}

async function measure(world: StagedWorld, text: string, parameters: readonly unknown[], total: number) {
  await world.sql(
    `insert into connections (id, user_id, tenant_id, provider, type, status, account_id, grant_id, refresh_at)
     select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'github', 'oauth', 'connected', '1', '1',
       case when n <= $2 then now() - n * interval '1 millisecond' else now() + n * interval '1 second' end
     from generate_series(1, $1) n`,
    [total - (await count(world)), Math.max(0, DUE - (await due(world)))],
  );
  await world.sql('vacuum (analyze) connections');
  const times: number[] = [];
  let plan = '';
  for (let round = 0; round < 15; round += 1) {
    const rows = await world.sql(`explain (analyze, buffers, costs off) ${text}`, [...parameters]);
    plan = rows.map((row) => String(row['QUERY PLAN'])).join('\n');
    times.push(Number(/Execution Time: ([\d.]+)/.exec(plan)?.[1]));
  }
  const milliseconds = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Infinity;
  const scan = /(Index Only Scan|Index Scan|Bitmap Heap Scan|Seq Scan)/.exec(plan)?.[1] ?? 'none';
  return { milliseconds, plan, scan };
}

async function count(world: StagedWorld): Promise<number> {
  const [row] = await world.sql('select count(*)::integer as n from connections');
  return Number(row?.n);
}

async function due(world: StagedWorld): Promise<number> {
  const [row] = await world.sql('select count(*)::integer as n from connections where refresh_at <= now()');
  return Number(row?.n);
}
