import { sql } from 'kysely';
import { NIL } from 'uuid';
import { ownerOf } from '../connections/living.ts';
import type { Services } from '../services.ts';
import { type AgentColumns, findAgent, workersUrl } from './agent.ts';
import { WORKERS_LANE } from './lanes.ts';
import { isWaiting } from './schedule.ts';

// Events that wait for want of an agent.

const NO_AGENT_OF_ITS_OWN = { agent_url: null, agent_secret: null } as AgentColumns;
/** Of each tenant in a firing, however many others there are. */
const LEAST_PER_TENANT = 20;
/** Looked at in a firing, to see whose they are by now. */
const PER_FIRING = 5_000;
const MARK = 'waiting';

/**
 * Has events told that wait for want of an agent, `limit` at most, where there is one by now: the Worker's, or the
 * tenant's own. How many they were.
 */
export async function wakeWaiting(services: Services, limit: number): Promise<number> {
  await followOwners(services);
  const isForAll = (await findAgent(services, NO_AGENT_OF_ITS_OWN)) !== undefined;
  const woken = await services.postgres.rows(sql`
    with recursive tenants (id) as (
      (select tenant_id from events where ${isWaiting} order by tenant_id limit 1)
      union all
      select (
        select e.tenant_id from events e
        where e.status = 'pending' and e.last_error = 'no agent' and e.tenant_id > t.id order by e.tenant_id limit 1
      ) from tenants t where t.id is not null
    ),
    -- Who has an agent by now, which is not gone.
    heard as (
      select t.id from tenants t left join agents a on a.tenant_id = t.id
      where (a.tenant_id is not null or ${isForAll}) and not exists (
        select from lanes l where l.gone_at is not null and l.id = coalesce(a.tenant_id, ${WORKERS_LANE}::uuid)
          and l.url = coalesce(a.url, ${workersUrl(services)})
      )
    ),
    waiting as (
      select e.id from heard cross join lateral (
        select id from events where tenant_id = heard.id and ${isWaiting}
        order by id limit (select greatest(${LEAST_PER_TENANT}, ${limit} / greatest(1, count(*))) from heard)
        for update skip locked
      ) e limit ${limit}
    )
    update events e set next_attempt_at = now(), last_error = null from waiting where e.id = waiting.id returning 1`);
  return woken.length;
}

/**
 * Has what waits be found by the agent of whose it is by now: its owner may have joined a team, and its brand moved to
 * another. A part of them at a firing, in turn.
 */
async function followOwners({ postgres }: Services): Promise<void> {
  await postgres.rows(sql`
    with part as (
      select e.id, e.tenant_id, e.user_id, e.brand_id from events e
      where ${isWaiting} and e.id > coalesce((select m.reached from marks m where m.name = ${MARK}), ${NIL}::uuid)
      order by e.id limit ${PER_FIRING}
    ),
    moved as (
      update events e set tenant_id = owner.tenant_id from part ${ownerOf('part')}
      where e.id = part.id and owner.tenant_id <> part.tenant_id
    )
    insert into marks (name, at, reached)
    select ${MARK}, now(), case when (select count(*) from part) = ${PER_FIRING}
      then (select p.id from part p order by p.id desc limit 1) end
    on conflict (name) do update set at = excluded.at, reached = excluded.reached`);
}
