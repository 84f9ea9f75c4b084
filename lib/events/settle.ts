import { sql } from 'kysely';
import { SMALL_BYTES } from '../payloads/read.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';
import type { Answered } from './agent.ts';
import type { Claimed } from './claim.ts';
import { type LaneNews, laneTables } from './lanes.ts';
import { type Left, sendLeft } from './left.ts';
import { waitAfter } from './schedule.ts';

// What becomes of an event that was claimed, and what that says of its agent: each is written once, by who holds its lease.

/** Sooner than this, a message says when it is due; later, the cron finds it. */
const SOON = 60;

/** Writes that an event was told, or that nobody is to be told of it. */
export async function settle(
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
export async function failed(
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
  return answered.wait === undefined ? 'failed' : 'paused';
}

export function died({ id, type, connection_id }: Claimed, reason: string | null): 'dead' {
  const about = { event_id: id, type, connection_id, reason };
  console.error(JSON.stringify({ level: 'error', event: 'event_dead', ...about }));
  return 'dead';
}

/** What is under way, or has not been begun, is no failure. They were claimed together. */
export async function goOn(services: Services, rows: readonly Claimed[]): Promise<string> {
  await services.postgres.rows(sql`
    update events set attempts = attempts - 1, lease_id = null, lane = null, next_attempt_at = now()
    where id = any (${rows.map(({ id }) => id)}::uuid[]) and lease_id = ${rows[0]?.lease_id ?? null}::uuid
      and status = 'pending'`);
  await sendLeft(services, rows);
  return 'goes_on';
}

/** Until there is an agent: see `wakeWaiting`. */
export async function postpone(services: Services, row: Claimed): Promise<string> {
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
