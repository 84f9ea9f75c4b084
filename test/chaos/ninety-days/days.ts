import pg from 'pg';
import { openClock } from '../../world/clock.ts';
import { fire, type Stage } from '../stage.ts';
import { type Event, look, type Row, type Seen } from './rows.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const WEEK = 7 * DAY;

/** A warning is looked for at each point of the grid that much before its last moment. */
const AHEAD = HOUR + 2 * MINUTE;
/** Real milliseconds in which the queue is worked off. */
const PATIENCE = 10_000;
/** The longest that the cron is not fired. */
const IDLE = 6 * HOUR;

/** Where people go to sign in. */
const BROWSER = /(\/authorize|\/dialog\/oauth|\/portal\/auth|\/oauth2\/v2\/auth)$/;

/** What is looked for around each firing of the cron. */
export interface Watch {
  /** The rows as the cron finds them; nothing has looked after them since the firing before. */
  found(rows: readonly Row[]): void;
  left(rows: readonly Row[]): void;
  happened(events: readonly Event[]): void;
}

/**
 * A world whose days pass. The cron fires on a grid of `step` milliseconds, at each point at which any row may be due,
 * and every six hours besides; at the others it would find nothing.
 */
export async function openDays(
  stage: Stage,
  { begin, step, env }: { begin: number; step: number; env: Record<string, string> },
) {
  const clock = openClock(begin);
  /** When each provider was asked. */
  const calls = new Map<string, number[]>();
  /** What else is to be done when. */
  const agenda: { at: number; run: () => unknown }[] = [];
  const counts = { firings: 0, unsettled: [] as string[] };

  const world = await stage.open({ now: clock.now, hurried: true, rateLimits: false, env });
  // Nothing crashes here, and the disk is slow.
  await world.sql(`alter database ${world.database} set synchronous_commit = off`);
  await clock.rule(world);
  world.gateway.decide(({ provider, path }) => {
    if (BROWSER.test(path)) return undefined;
    const times = calls.get(provider) ?? [];
    calls.set(provider, times);
    times.push(clock.now());
    return undefined;
  });
  const connectionString = world.databases.url(world.database);
  const pool = new pg.Pool({ connectionString, max: 1, allowExitOnIdle: true });
  pool.on('error', () => undefined);

  let fired = clock.now();
  let seen: Seen = { rows: [], events: [], revocation: Infinity };
  /** What is to be done with a row at a moment: it is not looked at while it is to be renewed. */
  const dueOf = ({ id, refresh, looked, status }: Row, at: number) => [
    ...(refresh <= at ? [`refresh ${id}`] : []),
    ...(status === 'connected' && looked <= at && refresh > at ? [`look ${id}`] : []),
  ];

  /** Seconds from now until what is to be done with a connection. */
  const stateOf = ({ id, refresh, leased, looked }: Row) => {
    const seconds = (at: number) => Math.round((at - clock.now()) / 1000);
    return `${id} refresh ${seconds(refresh)} leased ${seconds(leased)} looked at ${seconds(looked)}`;
  };

  async function firing(watch: Watch): Promise<void> {
    const since = fired - MINUTE;
    const begun = clock.now();
    const found = (await look(pool, begun)).rows;
    watch.found(found);
    // What comes due once the cron has looked is for the next firing.
    const due = new Set(found.flatMap((row) => dueOf(row, begun)));
    const isBusy = (row: Row) =>
      row.leased > clock.now() || dueOf(row, clock.now()).some((each) => due.has(each));
    fired = clock.now();
    counts.firings += 1;
    world.logs.length = 0;
    await fire(world);
    const until = Date.now() + PATIENCE;
    while (!isWorkedOff(world.logs) && Date.now() < until) await wait(1);
    seen = await look(pool, since);
    while (seen.rows.some(isBusy) && Date.now() < until) {
      await wait(10);
      seen = await look(pool, since);
    }
    const busy = seen.rows.filter(isBusy);
    if (busy.length > 0) {
      const jobs = world.logs.filter((line) => /"job":"(refresh|sweep|check)"|"level":"error"/.test(line));
      counts.unsettled.push(
        `${new Date(fired).toISOString()} ${busy.map(stateOf).join(', ')}, after ${jobs.join(' ')}`,
      );
    }
    watch.left(seen.rows);
    watch.happened(seen.events);
    world.gateway.calls.length = 0;
  }

  /** The next point of the grid at which the cron may find something. */
  function next(): number {
    const moments = [fired + IDLE, seen.revocation, ...seen.rows.map(({ refresh }) => refresh)];
    for (const { status, ends, looked, wasTold } of seen.rows) {
      if (status !== 'connected') continue;
      moments.push(ends, looked, ...(wasTold ? [] : [ends - WEEK - AHEAD]));
    }
    return Math.ceil(Math.max(Math.min(...moments), fired + 1) / step) * step;
  }

  async function pass(until: number, watch: Watch): Promise<void> {
    seen = await look(pool, clock.now());
    while (clock.now() < until) {
      agenda.sort((a, b) => a.at - b.at);
      const [first] = agenda;
      const at = Math.min(until, first?.at ?? Infinity, next());
      await clock.advance(Math.max(0, at - clock.now()));
      if (first && first.at <= at) {
        agenda.shift();
        await first.run();
        // Whoever is connected by it may be due at once.
        seen = await look(pool, clock.now());
      }
      if (next() <= at) await firing(watch);
    }
  }

  return { clock, world, calls, agenda, counts, pass };
}

/** Whether there is the cron's line and, where it has sent anything, the one of the queue's consumer. */
function isWorkedOff(logs: readonly string[]): boolean {
  const lines = logs.filter((line) => line.includes('"job":"refresh"'));
  return lines.length > 1 || lines.some((line) => line.includes('"queued":0'));
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
