import { ATTEMPTS } from '../../lib/events/schedule.ts';
import { type Figure, figure } from './figures.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { openShops, orderOf, postAll } from './webhooks/orders.ts';

const POISON = 0;
/** Of the attempts at the poison, this many find an agent that says nothing at all. */
const HANGS_EVERY = 10;

/** One event that the agent never takes, while others come in and go out beside it. */
export async function poison(
  stage: Stage,
  { neighbours, hangs }: { neighbours: number; hangs: boolean },
): Promise<Figure[]> {
  const world = await stage.open({ hurried: true, rateLimits: false });
  const orderAt = await openShops(world, 3);
  const isPoison = (delivery: Parameters<typeof orderOf>[0]) => orderOf(delivery) === POISON;
  const each = Math.ceil(neighbours / ATTEMPTS);

  world.agent.fail('error', isPoison);
  await postAll(world.url, [orderAt(POISON)]);
  const poisonId = await attempted(world, 1);
  let sent = 0;
  for (let attempts = 2; attempts <= ATTEMPTS + 2; attempts += 1) {
    world.agent.fail(hangs && attempts % HANGS_EVERY === 0 ? 'hang' : 'error', isPoison);
    const some = Array.from({ length: Math.min(each, neighbours - sent) }, (_, at) => orderAt(sent + at + 1));
    sent += some.length;
    // What is due and what is new goes out together, and the poison is first.
    await world.queuesDown(true);
    await postAll(world.url, some);
    await world.queuesDown(false);
    await world.sql(
      `update events set next_attempt_at = now() where status = 'pending' and lease_id is null`,
    );
    await fire(world);
    if (attempts <= ATTEMPTS) await attempted(world, attempts);
  }
  await quiet(world);

  const rows = await world.sql(
    `select id, status, attempts,
       extract(epoch from delivered_at - received_at)::float8 as delay from events`,
  );
  const dead = rows.find(({ id }) => id === poisonId);
  const told = world.agent.attempts.get(String(dead?.id));
  const delays = rows.filter(({ status }) => status === 'delivered').map(({ delay }) => Number(delay));
  const longest = Math.max(...delays);
  return [
    figure(
      'attempts at the event that is never taken',
      `${ATTEMPTS}, then dead`,
      `${told}, then ${dead?.status}`,
      told === ATTEMPTS && dead?.attempts === ATTEMPTS && dead.status === 'dead',
    ),
    figure('neighbours delivered', String(neighbours), delays.length, delays.length === neighbours),
    figure('the longest delay of a neighbour', 'less than 10 s', `${longest.toFixed(2)} s`, longest < 10),
  ];
}

/** Waits until an attempt at the poison, which was there first, has failed, and that is written; its id. */
async function attempted(world: StagedWorld, attempts: number): Promise<unknown> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const [row] = await world.sql(
      'select id, attempts, lease_id from events where topic is not null order by id limit 1',
    );
    if (Number(row?.attempts) >= attempts && row?.lease_id === null) return row?.id;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`attempt ${attempts} did not come to an end`);
}

/** Waits until nothing but the poison is left to tell. */
async function quiet(world: StagedWorld): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const [row] = await world.sql(`select count(*)::integer as left from events where status = 'pending'`);
    if (row?.left === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
