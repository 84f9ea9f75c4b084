import { GrantBook } from './disconnect-orders/book.ts';
import { type Disconnected, type Fault, Verdict } from './disconnect-orders/judge.ts';
import { type Member, type Order, orderMaker } from './disconnect-orders/orders.ts';
import { prepare } from './disconnect-orders/planting.ts';
import { grantServers } from './disconnect-orders/servers.ts';
import { type Figure, figure, seeded } from './figures.ts';
import { headersOf } from './sign-in.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';

const SEED = 73;
/** Orders that are planted, played and looked at together. */
const BATCH = 1_400;
/** How often what is pending is made due again, and after how long without progress it is given up. */
const AGAIN_MS = 3_000;
const PATIENCE_MS = 60_000;

const FAULTS: readonly [fault: Fault, name: string][] = [
  ['answer', 'disconnects that were not answered as the contract says'],
  ['shared with nobody', '`shared` where nobody else lived on the grant'],
  ['not shared with the living', 'other than `shared` where somebody else lived on the grant'],
  ['revoked and not confirmed', '`revoked` where the provider had confirmed nothing'],
  ['confirmed and not revoked', 'other than `revoked` where the provider had confirmed it'],
  ['living lost', 'living connections that lost their token'],
  ['left alive', 'grants of which something lives at the provider in the end'],
];

/**
 * Two to five connections on one grant, some dead, of the same or of other people and teams, are disconnected in a
 * generated order, some at the same instant; now and then the provider is down. The faults are told as `order: answers`:
 * L lives, d is dead, x is dead and past its time, + joins what happens at once.
 */
export async function disconnectOrders(
  stage: Stage,
  { orders, atOnce }: { orders: number; atOnce: number },
): Promise<Figure[]> {
  const book = new GrantBook();
  const world = await stage.open({ simulators: grantServers(book), rateLimits: false });
  const ground = await prepare(world);
  const make = orderMaker(book, ground.teams, seeded(SEED));
  const verdict = new Verdict();
  const left: string[] = [];
  for (let from = 0; from < orders; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, orders - from) }, (_, at) => make(from + at));
    await ground.plant(batch);
    const queue = batch.values();
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (const order of queue) await play(world, book, order, verdict);
      }),
    );
    left.push(...(await settle(world)));
    for (const order of batch) {
      const alive = book.living(order.grant);
      if (alive > 0) verdict.note('left alive', order, `${alive} tokens`);
    }
  }
  const told = [...verdict.revocations].map(([what, count]) => `${count} ${what}`).join(', ');
  return [
    ...FAULTS.map(([fault, name]) => figure(name, '0', verdict.of(fault), verdict.of(fault) === 0)),
    figure('revocations left to do', '0', [left.length, ...left.slice(0, 5)].join('; '), left.length === 0),
    figure(
      `disconnects in ${orders} orders`,
      'all',
      `${verdict.disconnects}: ${told}`,
      verdict.disconnects > orders,
    ),
  ];
}

async function play(world: StagedWorld, book: GrantBook, order: Order, verdict: Verdict): Promise<void> {
  const standing = new Set(order.members);
  for (const step of order.steps) {
    const leaving = step.map((at) => order.members[at] as Member);
    for (const member of leaving) standing.delete(member);
    const answers = await Promise.all(leaving.map((member) => disconnect(world, order, member)));
    const living = [...standing].filter(({ isLiving }) => isLiving);
    verdict.step(book, order, answers, living);
  }
}

async function disconnect(world: StagedWorld, { kind }: Order, member: Member): Promise<Disconnected> {
  const begun = performance.now();
  const answer = await fetch(`${world.url}/api/connectors/${kind.provider}`, {
    method: 'DELETE',
    headers: headersOf({ token: member.person.token, brand: member.brand }),
  });
  const body = (await answer.json()) as { revocation?: string; code?: string };
  const revocation = body.revocation ?? body.code ?? '';
  return { member, status: answer.status, revocation, begun, ended: performance.now() };
}

/** Has what is pending tried until nothing is; gives how each of those stands that still are. */
async function settle(world: StagedWorld): Promise<string[]> {
  const count = async () => {
    const [row] = await world.sql('select count(*)::integer as n from revocations');
    return Number(row?.n);
  };
  let [left, since, tried] = [await count(), Date.now(), 0];
  while (left > 0 && Date.now() - since < PATIENCE_MS) {
    if (Date.now() - tried >= AGAIN_MS) {
      await world.sql('update revocations set next_attempt_at = now()');
      tried = Date.now();
    }
    await fire(world);
    await new Promise((resolve) => setTimeout(resolve, 250));
    const now = await count();
    if (now < left) since = Date.now();
    left = now;
  }
  const rows = await world.sql(`
    select concat_ws(' ', provider, last_error_code, attempts || ' attempts', 'due in', next_attempt_at - now(), 'given up',
      give_up_at, 'under way', under_way_until - now(), 'handed', now() - handed_at) as row from revocations`);
  return rows.map(({ row }) => String(row));
}
