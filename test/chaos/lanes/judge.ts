import { SLOW } from '../../../lib/events/lanes.ts';
import { ATTEMPTS, WAITS } from '../../../lib/events/schedule.ts';
import { type Figure, figure } from '../figures.ts';
import type { Tenant } from '../lanes.ts';
import { fire, type StagedWorld } from '../stage.ts';
import { wait } from '../webhooks/faults.ts';

/** Requests that an agent which does not answer may have open at once, so that others have theirs. */
const SHARE = SLOW.first;
/** Requests that were under way when an agent said 410, and those that found it out. */
const HANDFUL = 10;
/** What was under way when an answer came has arrived by then. */
const UNDER_WAY_MS = 500;
const LOOKED_AFTER_MS = 3_000;

interface Row {
  id: string;
  status: string;
  attempts: number;
}

async function rowsOf(world: StagedWorld, { numbers }: Tenant): Promise<Row[]> {
  const rows = await world.sql(
    `select id, status, attempts from events where delivery_id = any ($1::text[])`,
    [[...numbers].map((number) => `delivery-${number}`)],
  );
  return rows as unknown as Row[];
}

/** Of the agent that never answers, after so many milliseconds of it. */
export async function figuresOfHanging(
  world: StagedWorld,
  tenant: Tenant,
  lasted: number,
): Promise<Figure[]> {
  const rows = await rowsOf(world, tenant);
  const { mostOpen, requests } = tenant.agent;
  const dead = rows.filter(({ status }) => status === 'dead').length;
  const most = Math.max(...rows.map(({ attempts }) => attempts));
  const bound = attemptsWithin(lasted);
  return [
    figure(
      `requests open at once to the agent that never answers, of ${requests.length}`,
      `at most its share, ${SHARE}`,
      mostOpen,
      requests.length > 0 && mostOpen <= SHARE,
    ),
    figure(
      `of its ${rows.length} events, dead within ${(lasted / 1000).toFixed(0)} s; attempts at one`,
      `0; at most ${bound}, as the schedule has it`,
      `${dead}; ${most}`,
      rows.length === tenant.numbers.size && dead === 0 && most <= bound,
    ),
  ];
}

/** How often an event can have been told by then, each time after the least of what is waited. */
function attemptsWithin(lasted: number): number {
  let [attempts, passed] = [1, 0];
  for (const seconds of WAITS) {
    passed += (seconds * 1000) / 2;
    if (passed > lasted) break;
    attempts += 1;
  }
  return Math.min(attempts, ATTEMPTS);
}

/** Of the agent that says 429: whatever comes to it in the time that it asked for, but for what was under way. */
export function figuresOfLimited({ agent: { requests } }: Tenant, retryAfter: number): Figure[] {
  const said = requests.flatMap(({ over }) => (over === undefined ? [] : [over]));
  const after = (least: number) =>
    requests.filter(({ at }) => said.some((over) => at - over > least && at - over < retryAfter * 1000));
  const [within, sooner] = [after(0), after(UNDER_WAY_MS)];
  return [
    figure(
      `of ${requests.length} requests to the agent that says 429, sooner than the ${retryAfter} s that it asks for`,
      '0',
      `${sooner.length}, and ${within.length - sooner.length} under way`,
      requests.length > 1 && sooner.length === 0,
    ),
  ];
}

/** Of the agent that says 410: asked a few times, and not again; what it was not asked about has no attempt. */
export async function figuresOfGone(world: StagedWorld, tenant: Tenant): Promise<Figure[]> {
  const { requests } = tenant.agent;
  const first = Math.min(...requests.map(({ over }) => over ?? Infinity));
  const asked = requests.length;
  const later = requests.filter(({ at }) => at > first + UNDER_WAY_MS).length;
  const before = await rowsOf(world, tenant);
  await fire(world);
  await wait(LOOKED_AFTER_MS);
  const rows = await rowsOf(world, tenant);
  const pending = rows.filter(({ status }) => status === 'pending').length;
  const asks = Map.groupBy(requests, ({ id }) => id);
  const unseen = rows.filter(({ id, attempts }) => attempts > (asks.get(id)?.length ?? 0)).length;
  const attempts = (of: Row[]) => of.reduce((sum, row) => sum + row.attempts, 0);
  return [
    figure(
      'requests to the agent that says 410; of them after it had said so; with the next firing of the cron',
      `1 to ${HANDFUL}; 0; 0`,
      `${asked}; ${later}; ${requests.length - asked}`,
      asked > 0 && asked <= HANDFUL && later === 0 && requests.length === asked,
    ),
    figure(
      'of its events, pending; with more attempts than it was asked; attempts that the cron has added',
      `${tenant.numbers.size}; 0; 0`,
      `${pending}; ${unseen}; ${attempts(rows) - attempts(before)}`,
      pending === tenant.numbers.size && unseen === 0 && attempts(rows) === attempts(before),
    ),
  ];
}
