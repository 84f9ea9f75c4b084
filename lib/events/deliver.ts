import { openSmall, openText, PayloadGone, SMALL_BYTES } from '../payloads/read.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type AgentTarget, findAgent, sendingMs, tell } from './agent.ts';
import { bodyOf, bodyOfLarge, type EventBody } from './body.ts';
import { type Claimed, claim } from './claim.ts';
import { markSlow } from './lanes.ts';
import { sendLeft } from './left.ts';
import { act } from './meaning.ts';
import { died, failed, goOn, postpone, settle } from './settle.ts';

/** The platform's bound on connections that an invocation has open at once, but for PostgreSQL's. */
const AT_ONCE = 5;
/** Longer after it was claimed, whose an event is may have changed: it is asked again. */
const FRESH_MS = 3_000;
/** An agent that takes longer is slow: who comes behind does not wait for it, and what else it is told goes one after the other. */
const SLOW_MS = 400;
/** In which more is claimed of what there is. */
const WORKING_MS = 1_000;

/** How many events came to what; `late` ends once those have, too, that are still under way. */
export interface Delivered {
  counts: Record<string, number>;
  late: Promise<Record<string, number>> | undefined;
}

/** What one invocation has under way. */
interface Run {
  services: Services;
  counts: Record<string, number>;
  late: Promise<void>[];
  lateCounts: Record<string, number>;
  /** Lanes that have asked for a pause, or are gone: what was claimed of them is not told. */
  quiet: Set<string>;
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
  const run: Run = { services, counts: {}, late: [], lateCounts: {}, quiet: new Set() };
  const end = Date.now() + WORKING_MS;
  for (let named = ids; ; ) {
    const { rows, left } = await claim(services, named, isLarge);
    const isProgress = rows.length > 0;
    await tellAll(run, rows);
    const isOver = isLarge || !isProgress || run.late.length > 0 || Date.now() >= end;
    if (isOver || left.length === 0) {
      await sendLeft(services, left);
      break;
    }
    named = left.map(({ id }) => id);
  }
  const { counts, late, lateCounts } = run;
  return { counts, late: late.length > 0 ? Promise.all(late).then(() => lateCounts) : undefined };
}

async function tellAll(run: Run, rows: Claimed[]): Promise<void> {
  const claimedAt = Date.now();
  const back: Claimed[] = [];
  const work = async () => {
    for (let row = rows.shift(); row; row = rows.shift()) {
      if (Date.now() - claimedAt >= FRESH_MS || run.quiet.has(row.lane)) {
        back.push(row);
        continue;
      }
      const { outcome, isOverdue } = begin(run, row);
      const first = await Promise.race([outcome, isOverdue]);
      if (first !== undefined) {
        count(run.counts, first);
        continue;
      }
      // It keeps its connection until it ends: there is one less for the rest.
      count(run.counts, 'late');
      run.late.push(outcome.then((end) => count(run.lateCounts, end)));
      return;
    }
  };
  for (const row of rows.filter(({ is_spent: isSpent }) => isSpent))
    count(run.counts, died(row, row.last_error));
  const alive = rows.filter(({ is_spent: isSpent }) => !isSpent);
  rows.length = 0;
  rows.push(...alive);
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  // All connections are taken by those that are late.
  back.push(...rows.splice(0));
  if (back.length > 0) await goOn(run.services, back).catch(() => undefined);
  for (const _ of back) count(run.counts, 'goes_on');
}

function count(counts: Record<string, number>, outcome: string): void {
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}

interface Begun {
  /** What it comes to. Never rejects. */
  outcome: Promise<string>;
  /** Ends when it is not to be waited for any more. */
  isOverdue: Promise<undefined>;
}

function begin({ services, quiet }: Run, row: Claimed): Begun {
  const sent = Promise.withResolvers<void>();
  const outcome = deliverOne(services, row, sent.resolve).then(
    (end) => {
      if (end === 'gone' || end === 'paused') quiet.add(row.lane);
      return end;
    },
    () => 'failed',
  );
  // A slow agent's is not waited for at all; a large one until it has been sent, or should have been.
  const isLarge = row.payload_bytes > SMALL_BYTES;
  const isBegun = isLarge
    ? Promise.race([sent.promise, after(sendingMs({ length: row.payload_bytes }))])
    : undefined;
  const isOverdue = Promise.resolve(isBegun).then(() => after(row.is_slow ? 0 : SLOW_MS));
  return { outcome, isOverdue };
}

function after(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, undefined));
}

async function deliverOne(services: Services, row: Claimed, onSent: () => void): Promise<string> {
  try {
    if (row.meaning !== null) {
      const meant = { ...row, data: await openText(services, row) };
      if (!(await act(services, meant))) return await goOn(services, [row]);
    }
    if (row.type === '' || !row.may_be_told) return await settle(services, row, 'kept');
    const agent = await findAgent(services, row);
    if (!agent) return await postpone(services, row);
    return await tellOne(services, row, agent, onSent);
  } catch (error) {
    const isGone = error instanceof PayloadGone;
    // It is told of once more: as of what is not there any more.
    if (isGone && row.meaning === null) return goOn(services, [row]).catch(() => 'failed');
    const reason =
      error instanceof Problem
        ? (error.reason ?? error.code)
        : isGone
          ? 'its payload is gone'
          : 'internal_error';
    if (!(error instanceof Problem || isGone)) {
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
  let timer: ReturnType<typeof setTimeout> | undefined;
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
  const answered = await tell(agent, event, new Date(), progress).finally(() => {
    isAnswered = true;
    if (timer !== undefined) clearTimeout(timer);
  });
  row.is_slow ||= isSlow;
  if (answered !== 'taken') return failed(services, row, answered);
  // It was taken: where that cannot be written it is told again, and that is no failure of the agent's.
  return settle(services, row, 'delivered', isSlow ? 'slow' : 'fast').catch(() => 'not_written');
}

async function bodyFor(services: Services, row: Claimed): Promise<EventBody> {
  const { payload_id: id } = row;
  if (id !== null && row.payload_bytes > SMALL_BYTES)
    return bodyOfLarge(services, { ...row, payload_id: id });
  return bodyOf(row, await openSmall(services, row));
}
