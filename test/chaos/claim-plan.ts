import { randomUUID } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import { z } from 'zod';
import { compile } from '../../lib/database.ts';
import { claim } from '../../lib/refresh/claim.ts';
import { dueQuery } from '../../lib/refresh/due.ts';
import { writeRenewed } from '../../lib/refresh/renewed.ts';
import type { Services } from '../../lib/services.ts';
import { type Figure, figure } from './figures.ts';
import type { Stage, StagedWorld } from './stage.ts';

const LIMIT = 10_000;
const DUE = 2_000;

/** The cron's read of what is due, and what one refresh takes, with few and with many connections; as many are due each time. */
export async function claimPlan(
  stage: Stage,
  { few, many, say }: { few: number; many: number; say?: (plan: string) => void },
): Promise<Figure[]> {
  const world = await stage.open();
  const { text, parameters } = compile(sql`${dueQuery(LIMIT)}`);
  const one = await statementsOfOne();
  const small = await measure(world, text, parameters, few);
  const smallCost = await costOf(world, one);
  const large = await measure(world, text, parameters, many);
  const largeCost = await costOf(world, one);
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
    figure(
      `what one refresh costs by PostgreSQL's reckoning, claim and commit, against ${few} connections`,
      'at most 1.5',
      `${(largeCost / smallCost).toFixed(2)} (${largeCost.toFixed(1)}, ${smallCost.toFixed(1)})`,
      largeCost <= smallCost * 1.5,
    ),
  ];
}

type Compiled = ReturnType<typeof compile>;

/** The statements of a refresh, as the product makes them, of a connection that is not there: they change nothing. */
async function statementsOfOne(): Promise<Compiled[]> {
  const statements: Compiled[] = [];
  const rows = async (statement: RawBuilder<unknown>) => {
    statements.push(compile(statement));
    return [];
  };
  const services = { env: {}, postgres: { rows } } as unknown as Services;
  const [id, bytes, time] = [randomUUID(), new Uint8Array(64), new Date()];
  await claim(services, [id], { limit: 24 });
  await writeRenewed(services, {
    kind: 'renewed',
    client_id: null,
    connection_id: id,
    user_id: id,
    brand_id: null,
    tenant_id: id,
    provider: 'github',
    account_id: '1',
    grant_id: '1',
    config: {},
    version: 1,
    data_key_id: id,
    credential: bytes,
    credential_id: '1',
    refresh_token: bytes,
    previous_refresh_token: bytes,
    expires_at: time,
    refresh_token_expires_at: time,
    reauthorize_by: time,
    refresh_at: time,
    scopes: null,
    missing_scopes: null,
  });
  return statements;
}

const explanation = z.tuple([z.object({ Plan: z.object({ 'Total Cost': z.number() }) })]);

/**
 * What statements cost together by PostgreSQL's reckoning, when all connections have been refreshed: parts of a plan
 * that are run only now and then are in it, too.
 */
async function costOf(world: StagedWorld, statements: readonly Compiled[]): Promise<number> {
  await world.sql(`update connections set refresh_at = now() + interval '1 day'`);
  await world.sql('vacuum (analyze)');
  let cost = 0;
  for (const { text, parameters } of statements) {
    const [row] = await world.sql(`explain (format json) ${text}`, parameters);
    const [explained] = explanation.parse(row?.['QUERY PLAN']);
    cost += explained.Plan['Total Cost'];
  }
  return cost;
}

async function measure(world: StagedWorld, text: string, parameters: unknown[], total: number) {
  await world.sql(
    `with people as (
       insert into users (name) select 'Somebody' from generate_series(1, $1::integer) returning id
     )
     insert into connections (id, user_id, tenant_id, provider, type, status, account_id, grant_id, refresh_at)
     select gen_random_uuid(), id, id, 'github', 'oauth', 'connected', id::text, id::text,
       case when n <= $2 then now() - n * interval '1 millisecond' else now() + n * interval '1 second' end
     from (select id, row_number() over () as n from people) p`,
    [total - (await count(world)), Math.max(0, DUE - (await due(world)))],
  );
  await world.sql('vacuum (analyze) connections');
  const times: number[] = [];
  let plan = '';
  for (let round = 0; round < 15; round += 1) {
    const rows = await world.sql(`explain (analyze, buffers, costs off) ${text}`, parameters);
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
