import type { Agent } from '../world/agent.ts';
import { type Figure, figure } from './figures.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { kinds, startFaults, wait } from './webhooks/faults.ts';
import { openShops, orderOf, post } from './webhooks/orders.ts';
import { openStanding } from './webhooks/standing.ts';

const SHOPS = 5;
const MINUTE = 60_000;
/** A sender that was refused comes again, after this many milliseconds at most. */
const RETRIES_WITHIN = 500;
/** No sender goes on for ever. */
const TRIES = 500;
/** What PostgreSQL did not take is tried again after a minute. */
const QUIET = 90_000;
const CALM = 300;

/**
 * Deliveries by senders that come again until they are acknowledged, and now and then after that, while everything
 * that they depend on fails `kills` times, each for some time of `lasting` (milliseconds).
 */
export async function webhooks(
  stage: Stage,
  {
    deliveries,
    senders,
    kills,
    lasting,
    seed,
  }: {
    deliveries: number;
    senders: number;
    kills: number;
    lasting: readonly [least: number, most: number];
    seed: number;
  },
): Promise<Figure[]> {
  const standing = await openStanding(stage);
  const { agent, world } = standing;
  const crons = setInterval(() => void fire(standing.world).catch(() => undefined), MINUTE);
  const ending = new AbortController();
  try {
    const orderAt = await openShops(world, SHOPS);
    const acknowledged = new Set<number>();
    const tries = { refused: 0, unanswered: 0, again: 0 };
    const times: { from: number; to: number }[] = [];
    let longest = 0;
    const faults = startFaults(standing, {
      each: kills,
      lasting,
      progress: () => acknowledged.size / deliveries,
      seed,
      signal: ending.signal,
    });

    const send = async (number: number) => {
      const order = orderAt(number);
      for (let tried = 0; tried < TRIES; tried += 1) {
        const from = performance.now();
        const { status, took } = await post(world.url, order);
        longest = Math.max(longest, took);
        if (status === 200) {
          times.push({ from, to: from + took });
          acknowledged.add(number);
          return;
        }
        if (status === 'no answer') tries.unanswered += 1;
        else tries.refused += 1;
        await wait(RETRIES_WITHIN * Math.random());
      }
    };
    let next = 0;
    const sender = async () => {
      while (next < deliveries) {
        const number = next;
        next += 1;
        // Some come twice at once, and some again after they were acknowledged.
        await Promise.all(number % 10 === 7 ? [send(number), send(number)] : [send(number)]);
        if (number % 10 === 3) await send(number);
        if (number % 10 === 3 || number % 10 === 7) tries.again += 1;
      }
    };
    await Promise.all(Array.from({ length: senders }, sender));
    await faults.over;
    const untold = () => {
      const ids = idsOf(agent);
      return [...acknowledged].filter((number) => !ids.has(number)).length;
    };
    const left = await tellAll(standing.world, () => untold() === 0);
    const lost = untold();
    const doubled = [...idsOf(agent).values()].filter((each) => each.size > 1).length;
    const well = times.filter(faults.isWell).map(({ from, to }) => to - from);
    const p99 = well.sort((a, b) => a - b)[Math.floor(well.length * 0.99)] ?? Infinity;
    return [
      figure(
        `acknowledged of ${deliveries}, ${tries.again} sent again; refused ${tries.refused} times, not answered ${tries.unanswered} times`,
        'all',
        acknowledged.size,
        acknowledged.size === deliveries,
      ),
      figure(
        `acknowledged, and the agent never got them (${kinds.join(', ')}: ${faults.count} faults)`,
        '0',
        `${lost}; ${left} pending`,
        lost === 0 && left === 0 && faults.count === kinds.length * kills,
      ),
      figure('the agent got under two ids', '0', doubled, doubled === 0),
      figure(
        'the longest that a sender waited',
        'at most 4 s',
        `${(longest / 1000).toFixed(2)} s`,
        longest <= 4_000,
      ),
      figure(
        `p99 of ${well.length} acknowledgements while all was well`,
        'less than 500 ms',
        `${p99.toFixed(0)} ms`,
        p99 < 500,
      ),
    ];
  } finally {
    clearInterval(crons);
    ending.abort();
    await standing.close();
  }
}

/**
 * Minutes pass, and the cron is fired, until everything is told, or nothing has happened for long; how many are left
 * pending.
 */
async function tellAll(world: StagedWorld, isAllTold: () => boolean): Promise<number> {
  let left = Infinity;
  for (let since = Date.now(); Date.now() < since + QUIET; ) {
    const [row] = await world.sql(`select count(*)::integer as left from events where status = 'pending'`);
    if (row?.left !== left) since = Date.now();
    left = Number(row?.left);
    if (left === 0 && isAllTold()) break;
    // Whoever is at it is done soon.
    if (Date.now() < since + CALM || left === 0) {
      await wait(100);
      continue;
    }
    await world.sql(
      `update events set next_attempt_at = next_attempt_at - interval '1 minute' where status = 'pending'`,
    );
    await fire(world);
    await wait(CALM);
  }
  return left;
}

/** The ids under which the agent was told of each order. */
function idsOf({ deliveries }: Agent): Map<number, Set<string>> {
  const ids = new Map<number, Set<string>>();
  for (const delivery of deliveries) {
    const number = orderOf(delivery);
    ids.set(number, (ids.get(number) ?? new Set()).add(delivery.id));
  }
  return ids;
}
