import { sql } from 'kysely';
import { NIL } from 'uuid';
import { findProvider } from '../catalog.ts';
import { PostgresUnavailable } from '../database.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { disconnectLost } from './disconnect.ts';
import { ownerOf } from './living.ts';

/** Few enough that they are read by the primary key alone, however many there are. */
const PER_STATEMENT = 10_000;
/** Parts looked at in a firing: with two million connections there are ten minutes between two looks at one. */
const PARTS = 20;
const MARK = 'lost';
const WORKING_MS = 8 * 60_000;
const AT_ONCE = 5;

/**
 * Ends what has lost its owner, by the ordinary disconnect (contract: "Living, and whose"). The Cockpit does not tell
 * when a user, a team, a brand or a membership goes, so connections are looked at in turn, a part of them a firing.
 * Agents of tenants that are not there any more are forgotten with them.
 */
export async function endLost(services: Services): Promise<Record<string, number>> {
  const { postgres } = services;
  const counts: Record<string, number> = { ended: 0 };
  const until = Date.now() + WORKING_MS;
  const [mark] = await postgres.rows(sql<{ reached: string | null }>`
    select reached from marks where name = ${MARK}`);
  let reached = mark?.reached ?? null;
  for (let part = 0; part < PARTS && Date.now() < until; part += 1) {
    const { lost, last } = await findLost(services, reached ?? NIL);
    await endAll(services, lost, counts, until);
    // The rest of the part is looked at again.
    if (Date.now() >= until) break;
    const next = last ?? NIL;
    // Another firing is at it, and further.
    if (!(await goOn(services, reached, next)) || last === undefined) break;
    reached = next;
  }
  await postgres.rows(sql`
    delete from agents a
    where not exists (select from teams t where t.id = a.tenant_id)
      and not exists (select from users u where u.id = a.tenant_id)`);
  return counts;
}

/** Moves the mark on, unless it is not where it was any more. */
async function goOn({ postgres }: Services, from: string | null, to: string): Promise<boolean> {
  const rows = await postgres.rows(sql`
    insert into marks as m (name, at, reached) values (${MARK}, now(), ${to}::uuid)
    on conflict (name) do update set at = excluded.at, reached = excluded.reached
    where m.reached is not distinct from ${from}::uuid or m.reached = excluded.reached
    returning name`);
  return rows.length > 0;
}

async function endAll(
  services: Services,
  lost: readonly Lost[],
  counts: Record<string, number>,
  until: number,
): Promise<void> {
  const waiting = [...lost];
  const work = async () => {
    for (let row = waiting.shift(); row && Date.now() < until; row = waiting.shift()) {
      const outcome = await endOne(services, row);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function endOne(
  services: Services,
  { id, provider: providerId }: Lost,
): Promise<'ended' | 'left' | 'fault'> {
  const provider = findProvider(services.env, providerId);
  if (!provider) return 'left';
  try {
    const isEnded = await disconnectLost(services, provider, id).catch((error: unknown) => {
      // The next look at it may be ten minutes away.
      if (error instanceof PostgresUnavailable) return disconnectLost(services, provider, id);
      throw error;
    });
    return isEnded ? 'ended' : 'left';
  } catch (error) {
    if (error instanceof Problem) return 'left';
    const about = { provider_id: providerId, connection_id: id };
    console.error(JSON.stringify({ level: 'error', event: 'lost_fault', ...about }));
    return 'fault';
  }
}

interface Lost {
  id: string;
  provider: string;
}

/**
 * What has lost its owner in the part of all connections behind an id; and the last id of it where there are more. It is
 * written down of all whose they are by now, be it the team that their brand has gone to without them: their end is told
 * there, when nobody's they are.
 */
async function findLost(
  { postgres }: Services,
  behind: string,
): Promise<{ lost: Lost[]; last: string | undefined }> {
  const rows = await postgres.rows(sql<Lost & { is_last: boolean }>`
    with part as materialized (
      select c.id, c.provider, c.user_id, c.brand_id, c.status, coalesce(c.heard_by, c.tenant_id) as heard_by
      from connections c
      where c.id > ${behind}::uuid order by c.id limit ${PER_STATEMENT}
    ),
    moved as (
      update connections c set heard_by = owner.tenant_id from part ${ownerOf('part')}
      where c.id = part.id and owner.tenant_id <> part.heard_by
    )
    select part.id, part.provider, false as is_last from part ${ownerOf('part')}
    where part.status <> 'disconnected' and owner.loss is not null
    union all
    (select id, '', true from part where (select count(*) from part) = ${PER_STATEMENT} order by id desc limit 1)`);
  return { lost: rows.filter((row) => !row.is_last), last: rows.find((row) => row.is_last)?.id };
}
