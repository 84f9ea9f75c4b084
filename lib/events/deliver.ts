import { sql } from 'kysely';
import { openSmall, PayloadGone, SMALL_BYTES } from '../payloads/read.ts';
import { Problem } from '../problem.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';
import { type AgentTarget, type Answered, findAgent, tell } from './agent.ts';
import { bodyOf, bodyOfLarge, type EventBody } from './body.ts';
import { type Claimed, claim, type Left } from './claim.ts';
import { type LaneNews, laneTables, markSlow } from './lanes.ts';
import { act } from './meaning.ts';
import { waitAfter } from './schedule.ts';

/** The platform's bound on connections that an invocation has open at once, but for PostgreSQL's. */
const AT_ONCE = 5;
/** Longer after it was claimed, whose an event is may have changed: it is asked again. */
const FRESH_MS = 3_000;
/** Sooner than this, a message says when it is due; later, the cron finds it. */
const SOON = 60;
/** An agent that has not answered for so long has what else it is told begun one after the other. */
const SLOW_MS = 1_000;
/** Who takes longer is not waited for by what comes behind: it goes on beside it. */
const PATIENCE_MS = 400;

/** How many events came to what; `late` ends once those have, too, that are still under way. */
export interface Delivered {
  counts: Record<string, number>;
  late: Promise<Record<string, number>> | undefined;
}

/**
 * Tells the agents of those events that are due, a few at once; each is settled on its own, so that a bad one does not
 * hold up its neighbours, and neither does one whose agent is slow to answer. With `isLarge` it is one whose payload is
 * read part by part. What is left is sent on.
 */
export async function deliver(
  services: Services,
  ids: readonly string[],
  { isLarge = false } = {},
): Promise<Delivered> {
  const counts: Record<string, number> = {};
  const late: Promise<void>[] = [];
  const lateCounts: Record<string, number> = {};
  const { rows, left } = await claim(services, ids, isLarge);
  const claimedAt = Date.now();
  const work = async () => {
    for (let row = rows.shift(); row; row = rows.shift()) {
      const isFresh = Date.now() - claimedAt < FRESH_MS;
      const { outcome, isOverdue } = isFresh ? begin(services, row) : at(goOn(services, [row]));
      const first = await Promise.race([outcome, isOverdue]);
      if (first !== undefined) {
        count(counts, first);
        continue;
      }
      // It keeps its connection until it ends: there is one less for the rest.
      count(counts, 'late');
      late.push(outcome.then((end) => count(lateCounts, end)));
      return;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  // All connections are taken by those that are late.
  if (rows.length > 0) await goOn(services, rows).catch(() => undefined);
  for (const _ of rows) count(counts, 'goes_on');
  await sendLeft(services, left);
  return { counts, late: late.length > 0 ? Promise.all(late).then(() => lateCounts) : undefined };
}

function count(counts: Record<string, number>, outcome: string): void {
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}

/** The ids of events that are due, the longest waiting first; of those that wait for others of their lane fewer. */
export async function dueEvents({ postgres }: Services, limit: number): Promise<Left[]> {
  const [ofAll, held] = [limit, Math.ceil(limit / 5)];
  return postgres.rows(sql<Left>`
    (
      select id, payload_bytes from events where status = 'pending' and next_attempt_at <= now() and lane is null
      order by next_attempt_at limit ${ofAll}
    )
    union all
    (
      select id, payload_bytes from events where status = 'pending' and next_attempt_at <= now() and lane is not null
      order by next_attempt_at limit ${held}
    )`);
}

/** Sends pointers to events, each to the queue for its size. What the queue does not take the cron finds. */
export async function sendLeft(services: Services, left: readonly Left[]): Promise<void> {
  const [large, small] = [true, false].map((isLarge) =>
    left.filter(({ payload_bytes: bytes }) => bytes > SMALL_BYTES === isLarge).map(({ id }) => id),
  );
  if (small && small.length > 0) await sendEvents(services, small).catch(() => undefined);
  if (large && large.length > 0) await sendEvents(services, large, { isLarge: true }).catch(() => undefined);
}

interface Begun {
  /** What it comes to. Never rejects. */
  outcome: Promise<string>;
  /** Ends when it is not to be waited for any more. */
  isOverdue: Promise<undefined>;
}

function at(outcome: Promise<string>): Begun {
  return { outcome: outcome.catch(() => 'failed'), isOverdue: new Promise(() => undefined) };
}

function begin(services: Services, row: Claimed): Begun {
  if (row.is_spent) return at(Promise.resolve(died(row, row.last_error)));
  const sent = Promise.withResolvers<void>();
  const isSmall = row.payload_bytes <= SMALL_BYTES;
  const outcome = deliverOne(services, row, sent.resolve).catch(() => 'failed');
  // A slow agent's is not waited for at all; a large one is until it has been sent.
  const isOverdue = (isSmall ? Promise.resolve() : sent.promise).then(
    () => new Promise<undefined>((resolve) => setTimeout(resolve, row.is_slow ? 0 : PATIENCE_MS, undefined)),
  );
  return { outcome, isOverdue };
}

async function deliverOne(services: Services, row: Claimed, onSent: () => void): Promise<string> {
  try {
    if (row.meaning !== null) {
      const meant = { ...row, data: await openSmall(services, row) };
      if (!(await act(services, meant))) return await goOn(services, [row]);
    }
    if (row.type === '' || !row.may_be_told) return await settle(services, row, 'kept');
    const agent = await findAgent(services, row);
    if (!agent) return await postpone(services, row);
    return await tellOne(services, row, agent, onSent);
  } catch (error) {
    // It is told of once more: as of what is not there any more.
    if (error instanceof PayloadGone) return goOn(services, [row]).catch(() => 'failed');
    const reason = error instanceof Problem ? (error.reason ?? error.code) : 'internal_error';
    if (!(error instanceof Problem)) {
      const about = { event_id: row.id, provider_id: row.provider, connection_id: row.connection_id };
      console.error(JSON.stringify({ level: 'error', event: 'event_fault', ...about }));
    }
    return failed(services, row, { failure: reason, is: 'other' }).catch(() => 'failed');
  }
}

async function tellOne(
  services: Services,
  row: Claimed,
  agent: AgentTarget,
  onSent: () => void,
): Promise<string> {
  const event = { id: row.id, body: await bodyFor(services, row), replays: row.replays };
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isSlow = false;
  let isAnswered = false;
  const progress = {
    onSent: () => {
      onSent();
      // It may have answered before it had all of it.
      if (isAnswered) return;
      timer = setTimeout(() => {
        isSlow = true;
        if (!row.is_slow) void markSlow(services, row).catch(() => undefined);
      }, SLOW_MS);
    },
  };
  try {
    const answered = await tell(agent, event, new Date(), progress);
    row.is_slow ||= isSlow;
    if (answered !== 'taken') return await failed(services, row, answered);
    return await settle(services, row, 'delivered', isSlow ? 'slow' : 'fast');
  } finally {
    isAnswered = true;
    clearTimeout(timer);
  }
}

async function bodyFor(services: Services, row: Claimed): Promise<EventBody> {
  const { payload_id: id } = row;
  if (id !== null && row.payload_bytes > SMALL_BYTES)
    return bodyOfLarge(services, { ...row, payload_id: id });
  return bodyOf(row, await openSmall(services, row));
}

async function settle(
  services: Services,
  row: Claimed,
  status: 'delivered' | 'kept',
  news?: LaneNews,
): Promise<string> {
  const settled = sql`
    update events set status = ${status}, delivered_at = case when ${status} = 'delivered' then now() end,
      last_error = null, meaning = null, lease_id = null, lane = null
    where id = ${row.id}::uuid and lease_id = ${row.lease_id}::uuid and status = 'pending'`;
  if (!row.is_slow) await services.postgres.rows(settled);
  else await inLane(services, row, settled, news);
  return status;
}

/** Writes what became of an event together with what that says of its agent, whose next ones have their turn. */
async function inLane(
  services: Services,
  row: Claimed,
  written: ReturnType<typeof sql>,
  news: LaneNews | undefined,
): Promise<void> {
  const next = await services.postgres.rows(sql<Left>`
    with written as (${written}), ${laneTables(row, news)} select id, payload_bytes from next`);
  await sendLeft(services, next);
}

/** After the last attempt it is dead, and stays so until somebody asks for it again. */
async function failed(
  services: Services,
  row: Claimed,
  answered: Exclude<Answered, 'taken'>,
): Promise<string> {
  if (answered.is === 'gone') return isGone(services, row);
  const { failure: reason } = answered;
  const usual = waitAfter(row.attempts, Math.random());
  const wait = usual === undefined ? undefined : Math.max(usual, answered.wait ?? 0);
  const written = sql`
    update events set status = ${wait === undefined ? 'dead' : 'pending'}, last_error = ${reason}, lease_id = null,
      lane = null, tenant_id = ${row.tenant_id}::uuid,
      next_attempt_at = now() + make_interval(secs => ${wait ?? 0})
    where id = ${row.id}::uuid and lease_id = ${row.lease_id}::uuid and status = 'pending'`;
  const news =
    answered.is === 'slow' ? 'hangs' : answered.wait === undefined ? undefined : { pause: answered.wait };
  if (row.is_slow || news !== undefined) await inLane(services, row, written, news);
  else await services.postgres.rows(written);
  if (wait === undefined) return died(row, reason);
  if (wait < SOON) {
    const isLarge = row.payload_bytes > SMALL_BYTES;
    await sendEvents(services, [row.id], { isLarge, delaySeconds: wait }).catch(() => undefined);
  }
  return 'failed';
}

function died({ id, type, connection_id }: Claimed, reason: string | null): 'dead' {
  const about = { event_id: id, type, connection_id, reason };
  console.error(JSON.stringify({ level: 'error', event: 'event_dead', ...about }));
  return 'dead';
}

/** What is under way, or has not been begun, is no failure. They were claimed together. */
async function goOn(services: Services, rows: readonly Claimed[]): Promise<string> {
  await services.postgres.rows(sql`
    update events set attempts = attempts - 1, lease_id = null, lane = null, next_attempt_at = now()
    where id = any (${rows.map(({ id }) => id)}::uuid[]) and lease_id = ${rows[0]?.lease_id ?? null}::uuid
      and status = 'pending'`);
  await sendLeft(services, rows);
  return 'goes_on';
}

/** Until there is an agent: see `wakeWaiting`. */
async function postpone(services: Services, row: Claimed): Promise<string> {
  await services.postgres.rows(waitForAgent(row));
  return 'no_agent';
}

function waitForAgent(row: Claimed) {
  return sql`
    update events set attempts = attempts - 1, last_error = 'no agent', lease_id = null, lane = null, meaning = null,
      tenant_id = ${row.tenant_id}::uuid, next_attempt_at = 'infinity'
    where id = ${row.id}::uuid and lease_id = ${row.lease_id}::uuid and status = 'pending'`;
}

/** Its agent takes nothing any more (410): what it would be told waits until an address is set again. */
async function isGone(services: Services, row: Claimed): Promise<string> {
  await inLane(services, row, waitForAgent(row), 'gone');
  const about = { tenant_id: row.tenant_id, is_workers: row.agent_url === null };
  console.error(JSON.stringify({ level: 'error', event: 'agent_gone', ...about }));
  return 'gone';
}
