import { setAgent } from '../../lib/events/set-agent.ts';
import { openServices } from '../../lib/services.ts';
import { type Figure, figure, seeded } from './figures.ts';
import { type Behaviour, startTenantAgent, type TenantAgent } from './lanes/agents.ts';
import { figuresOfGone, figuresOfHanging, figuresOfLimited } from './lanes/judge.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { quantile, steadily } from './steady.ts';
import { foundTeams } from './teams.ts';
import { wait } from './webhooks/faults.ts';
import { type Order, openShops, post } from './webhooks/orders.ts';

const MINUTE = 60_000;
/** An event of the others that comes later than this is one that somebody else has held up. */
const LATE_MS = 10_000;
/** In which what is set again is told in full. */
const TOLD_AGAIN_WITHIN = MINUTE;

/** The tenants whose agents are not well, by their number; all others take what they are told. */
const HANGING = 0;
const GONE = 1;
const LIMITED = 2;

/** A tenant with an agent of its own, and the orders of its shop. */
export interface Tenant {
  id: string;
  agent: TenantAgent;
  numbers: Set<number>;
}

/**
 * Tenants with an agent each, whose events come in mixed and at a steady rate. One agent never answers, one says 410 and
 * one 429: what becomes of their own events, and how long everybody else's take.
 */
export async function lanes(
  stage: Stage,
  {
    tenants: count,
    events,
    perSecond,
    retryAfter,
    seed,
  }: { tenants: number; events: number; perSecond: number; retryAfter: number; seed: number },
): Promise<Figure[]> {
  const world = await stage.open({ rateLimits: false });
  const orderAt = await openShops(world, count, { tenants: count });
  await foundTeams(world);
  const behaviours: Behaviour[] = ['hangs', 'gone', { retryAfter }];
  const tenants = await openTenants(world, count, orderAt, (at) => behaviours[at] ?? 'takes');
  const crons = setInterval(() => void fire(world).catch(() => undefined), MINUTE);
  try {
    const numbers = shuffled(count * events, seed);
    for (const number of numbers) tenants[number % count]?.numbers.add(number);
    const acknowledged = new Map<number, number>();
    const started = performance.now();
    const rate = await steadily(numbers, perSecond, async (number) => {
      const { status } = await post(world.url, orderAt(number));
      if (status === 200) acknowledged.set(number, performance.now());
    });
    const others = tenants.slice(behaviours.length);
    await until(() => others.every(({ agent, numbers }) => firstOf(agent).size === numbers.size), LATE_MS);
    // Two of the times that the one asks for have begun by then.
    await wait(Math.max(0, started + 2.2 * retryAfter * 1000 - performance.now()));

    const lasted = others.flatMap(({ agent, numbers }) => {
      const first = firstOf(agent);
      return [...numbers].map((number) =>
        Math.max(0, (first.get(number) ?? Infinity) - (acknowledged.get(number) ?? -Infinity)),
      );
    });
    const late = lasted.filter((ms) => ms > LATE_MS).length;
    const p99 = quantile(lasted, 0.99);
    const [hanging, gone, limited] = [tenants[HANGING], tenants[GONE], tenants[LIMITED]];
    if (!hanging || !gone || !limited) throw new Error('there are too few tenants');
    return [
      figure(
        `acknowledged of ${numbers.length} events of ${count} tenants, ${rate.toFixed(0)} a second`,
        'all',
        acknowledged.size,
        acknowledged.size === numbers.length,
      ),
      figure(
        `of ${lasted.length} events of the ${others.length} others, told after ${LATE_MS / 1000} s or not at all`,
        '0',
        late,
        late === 0,
      ),
      figure(
        'from the 200 to the agent of the others, p99',
        'under 2000 ms',
        `${p99.toFixed(0)} ms, half within ${quantile(lasted, 0.5).toFixed(0)} ms, at most ${Math.max(...lasted).toFixed(0)} ms`,
        p99 < 2_000,
      ),
      ...(await figuresOfHanging(world, hanging, performance.now() - started)),
      ...figuresOfLimited(limited, retryAfter),
      ...(await figuresOfGone(world, gone)),
      await toldAgain(world, gone),
    ];
  } finally {
    clearInterval(crons);
    await Promise.all(tenants.map(({ agent }) => agent.close()));
  }
}

async function openTenants(
  world: StagedWorld,
  count: number,
  orderAt: (number: number) => Order,
  behaviourOf: (at: number) => Behaviour,
): Promise<Tenant[]> {
  const rows = await world.sql('select id, tenant_id from connections');
  const byConnection = new Map(rows.map(({ id, tenant_id }) => [String(id), String(tenant_id)]));
  const tenants: Tenant[] = [];
  for (let at = 0; at < count; at += 1) {
    const id = byConnection.get(orderAt(at).path.split('/').at(-1) ?? '') ?? '';
    const agent = await startTenantAgent(behaviourOf(at));
    await direct(world, id, agent);
    tenants.push({ id, agent, numbers: new Set() });
  }
  return tenants;
}

/** Sends a tenant's events to an agent, as `npm run agent:set` does. */
async function direct(world: StagedWorld, tenantId: string, agent: TenantAgent): Promise<void> {
  const { postgres, kms } = openServices(world.bindings as unknown as Env);
  await setAgent({ postgres, kms, say: () => undefined }, tenantId, agent);
}

/** The address that was gone is set again, to an agent that takes what it is told. */
async function toldAgain(world: StagedWorld, { id, numbers }: Tenant): Promise<Figure> {
  const agent = await startTenantAgent('takes');
  try {
    await direct(world, id, agent);
    const from = performance.now();
    const isTold = () => firstOf(agent).size === numbers.size;
    while (!isTold() && performance.now() < from + TOLD_AGAIN_WITHIN) {
      await fire(world);
      await until(isTold, MINUTE / 10);
    }
    const told = firstOf(agent).size;
    return figure(
      'told of those that waited for another address, once there is one',
      String(numbers.size),
      `${told}, in ${((performance.now() - from) / 1000).toFixed(1)} s`,
      told === numbers.size,
    );
  } finally {
    await agent.close();
  }
}

/** When an agent first took each order. */
function firstOf({ requests }: TenantAgent): Map<number, number> {
  const first = new Map<number, number>();
  for (const { number, at, isTaken } of requests) if (isTaken && !first.has(number)) first.set(number, at);
  return first;
}

/** The numbers from 0 on, in an order that the seed repeats. */
function shuffled(count: number, seed: number): number[] {
  const random = seeded(seed);
  const numbers = Array.from({ length: count }, (_, at) => at);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [numbers[at], numbers[other]] = [numbers[other] as number, numbers[at] as number];
  }
  return numbers;
}

async function until(isSo: () => boolean, milliseconds: number): Promise<void> {
  for (const end = performance.now() + milliseconds; !isSo() && performance.now() < end; ) await wait(20);
}
