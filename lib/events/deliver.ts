import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { ownerOf } from '../connections/living.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { Problem } from '../problem.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';
import { type AgentColumns, type AgentTarget, findAgent, tell } from './agent.ts';
import { type EventRow, eventJson } from './body.ts';
import { act, type Meant } from './meaning.ts';
import { ATTEMPTS, WAITS, waitAfter } from './schedule.ts';

/** The platform's bound on connections that an invocation has open at once, but for PostgreSQL's. */
const AT_ONCE = 5;
/** Longer than telling it takes; who vanishes meanwhile has it told again, no sooner than its schedule has it. */
const LEASE_SECONDS = 30;
/** Longer after it was claimed, whose an event is may have changed: it is asked again. */
const FRESH_MS = 3_000;
/** Sooner than this, a message says when it is due; later, the cron finds it. */
const SOON = 60;

type Claimed = EventRow &
  AgentColumns &
  Meant & {
    attempts: number;
    replays: number;
    lease_id: string;
    last_error: string | null;
    /** It had its last attempt before. */
    is_spent: boolean;
    /** Somebody may hear of it: its owner is there, or it says why that is not so to those who are left. */
    may_be_told: boolean;
  };

/**
 * Tells the agent of those events that are due, a few at once, and the large among them one by one; each is settled on its
 * own, so that a bad one does not hold up its neighbours. How many came to what.
 */
export async function deliver(
  services: Services,
  ids: readonly string[],
  turn = new Turn(),
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const { rows, large } = await claim(services, ids, false);
  await tellAll(services, rows, counts);
  for (let left = large; left > 0; left -= 1) {
    const isOver = await turn.take(async () => {
      const [next] = (await claim(services, ids, true)).rows;
      if (next) await tellAll(services, [next], counts);
      return next === undefined;
    });
    if (isOver) break;
  }
  return counts;
}

/** Lets what takes much memory be done one after the other, however many in an invocation have some. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve();

  take<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

async function tellAll(services: Services, rows: Claimed[], counts: Record<string, number>): Promise<void> {
  const claimedAt = Date.now();
  const work = async () => {
    for (let row = rows.shift(); row; row = rows.shift()) {
      const isFresh = Date.now() - claimedAt < FRESH_MS;
      const outcome = row.is_spent
        ? died(row, row.last_error)
        : isFresh
          ? await deliverOne(services, row)
          : await goOn(services, row).catch(() => 'failed');
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** The ids of events that are due, the longest waiting first. */
export async function dueEvents({ postgres }: Services, limit: number): Promise<string[]> {
  const rows = await postgres.rows(sql<{ id: string }>`
    select id from events where status = 'pending' and next_attempt_at <= now() order by next_attempt_at limit ${limit}`);
  return rows.map((row) => row.id);
}

/** Bytes of a payload; PostgreSQL's answers have 64 MB at most, and an isolate 128. */
const LARGE = 256 * 1024;

/**
 * Takes events that are due: of all who ask at once one gets each; all that are not large, or one that is. How many large
 * ones are due. Whoever had the last attempt of one may have vanished with it: it is dead then, and not told again.
 */
async function claim(
  { postgres }: Services,
  ids: readonly string[],
  isLarge: boolean,
): Promise<{ rows: Claimed[]; large: number }> {
  const leaseId = uuidv7();
  const rows = await postgres.rows(sql<{ large: number } & (Claimed | { id: null })>`
    with due as (
      select id, octet_length(data) > ${LARGE} as is_large from events
      where id = any (${ids}::uuid[]) and status = 'pending' and next_attempt_at <= now()
    ),
    candidate as (
      select e.id, e.attempts >= ${ATTEMPTS} as is_spent from events e join due on due.id = e.id
      where due.is_large = ${isLarge} and e.status = 'pending' and e.next_attempt_at <= now()
      limit ${isLarge ? 1 : ids.length}
      for update of e skip locked
    ),
    claimed as (
      update events e set lease_id = ${leaseId}::uuid,
        status = case when candidate.is_spent then 'dead' else e.status end,
        last_error = case when candidate.is_spent then coalesce(e.last_error, 'whoever told it vanished') else e.last_error end,
        attempts = e.attempts + case when candidate.is_spent then 0 else 1 end,
        -- The same body once more is news from here on: what it means may have become so again.
        body_hash = case when e.meaning is null then e.body_hash end,
        -- Who vanishes with it has had an attempt: what comes next comes no sooner than after another's failure.
        next_attempt_at = now() + make_interval(
          secs => greatest(${LEASE_SECONDS}, coalesce((${WAITS}::integer[])[e.attempts + 1], 0)))
      from candidate where e.id = candidate.id
      returning e.*
    )
    select (select count(*) filter (where is_large) from due)::integer as large, told.* from (select) one left join (
    select e.id, e.type, e.provider, e.connection_id, coalesce(heard.by, e.tenant_id) as tenant_id, e.user_id, e.brand_id, e.account_id,
      e.occurred_at, e.received_at, e.data, e.attempts, e.replays, e.meaning, e.topic, e.lease_id, e.last_error,
      e.status = 'dead' as is_spent, a.url as agent_url,
      a.secret as agent_secret,
      owner.loss is null or (e.type = 'connection.disconnected' and heard.by is not null) as may_be_told,
      ${dataKeyColumns}
    from (
      select * from claimed
      union all
      -- What an earlier run of this very statement has taken, when its answer was lost.
      select * from events where id = any (${ids}::uuid[]) and lease_id = ${leaseId}::uuid
    ) e
    ${ownerOf('e')}
    -- Whose it is now. Of what is nobody's any more the end is told to the team that it was last known to be of.
    cross join lateral (
      select coalesce(owner.tenant_id, (
        select t.id from teams t
        where t.id = coalesce((select c.heard_by from connections c where c.id = e.connection_id), e.tenant_id)
      )) as by
    ) heard
    left join agents a on a.tenant_id = heard.by
    left join data_keys k on k.id = a.data_key_id
    order by e.received_at
    ) told on true`);
  return { rows: rows.filter((row) => row.id !== null), large: rows[0]?.large ?? 0 };
}

async function deliverOne(services: Services, row: Claimed): Promise<string> {
  try {
    if (row.meaning !== null && !(await act(services, row))) return await goOn(services, row);
    if (row.type === '' || !row.may_be_told) return await settle(services, row, 'kept');
    const agent = await findAgent(services, row);
    if (!agent) return await postpone(services, row);
    return await tellOne(services, row, agent);
  } catch (error) {
    const reason = error instanceof Problem ? (error.reason ?? error.code) : 'internal_error';
    if (!(error instanceof Problem)) {
      const about = { event_id: row.id, provider_id: row.provider, connection_id: row.connection_id };
      console.error(JSON.stringify({ level: 'error', event: 'event_fault', ...about }));
    }
    return failed(services, row, reason).catch(() => 'failed');
  }
}

async function tellOne(services: Services, row: Claimed, agent: AgentTarget): Promise<string> {
  const event = { id: row.id, body: eventJson(row), replays: row.replays };
  const failure = await tell(agent, event, new Date());
  return failure === undefined ? settle(services, row, 'delivered') : failed(services, row, failure);
}

async function settle(services: Services, row: Claimed, status: 'delivered' | 'kept'): Promise<string> {
  await services.postgres.rows(sql`
    update events set status = ${status}, delivered_at = case when ${status} = 'delivered' then now() end,
      last_error = null, meaning = null, lease_id = null
    where id = ${row.id}::uuid and lease_id = ${row.lease_id}::uuid and status = 'pending'`);
  return status;
}

/** After the last attempt it is dead, and stays so until somebody asks for it again. */
async function failed(services: Services, row: Claimed, reason: string): Promise<string> {
  const wait = waitAfter(row.attempts, Math.random());
  await services.postgres.rows(sql`
    update events set status = ${wait === undefined ? 'dead' : 'pending'}, last_error = ${reason}, lease_id = null,
      tenant_id = ${row.tenant_id}::uuid,
      next_attempt_at = now() + make_interval(secs => ${wait ?? 0})
    where id = ${row.id}::uuid and lease_id = ${row.lease_id}::uuid and status = 'pending'`);
  if (wait === undefined) return died(row, reason);
  if (wait < SOON) await sendEvents(services, [row.id], wait).catch(() => undefined);
  return 'failed';
}

function died({ id, type, connection_id }: Claimed, reason: string | null): 'dead' {
  const about = { event_id: id, type, connection_id, reason };
  console.error(JSON.stringify({ level: 'error', event: 'event_dead', ...about }));
  return 'dead';
}

/** What is under way, or has not been begun, is no failure. */
async function goOn(services: Services, row: Claimed): Promise<string> {
  await services.postgres.rows(sql`
    update events set attempts = attempts - 1, lease_id = null, next_attempt_at = now()
    where id = ${row.id}::uuid and lease_id = ${row.lease_id}::uuid and status = 'pending'`);
  await sendEvents(services, [row.id]).catch(() => undefined);
  return 'goes_on';
}

/** Until there is an agent: see `wakeWaiting`. */
async function postpone(services: Services, row: Claimed): Promise<string> {
  await services.postgres.rows(sql`
    update events set attempts = attempts - 1, last_error = 'no agent', lease_id = null, meaning = null,
      tenant_id = ${row.tenant_id}::uuid,
      next_attempt_at = 'infinity'
    where id = ${row.id}::uuid and lease_id = ${row.lease_id}::uuid and status = 'pending'`);
  return 'no_agent';
}
