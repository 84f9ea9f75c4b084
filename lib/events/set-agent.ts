import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { NotDone, type Tools } from '../command-tools.ts';
import { isSafeUrl } from '../config.ts';
import { insertDataKey } from '../connections/insert-data-key.ts';
import { type DataKeyColumns, dataKeyColumns, toDataKey } from '../connections/snapshot.ts';
import { generateDataKey, openDataKey } from '../data-keys.ts';
import type { Postgres } from '../database.ts';
import { seal } from '../envelope.ts';
import { agentBinding } from './agent-binding.ts';
import { forgetLane, WORKERS_LANE } from './lanes.ts';
import { isWaiting } from './schedule.ts';

const ATTEMPTS = 3;
/** Events that are woken by a statement, and told in a minute: fewer than the cron takes, so that others have a share. */
const PER_MINUTE = 2_000;

/**
 * Sends a tenant's events to an agent of its own from now on, signed with a secret of its own (standardwebhooks.com,
 * `whsec_` and 24 to 64 bytes in base64). What has waited for an agent is due at once, and where that is more than is
 * told in a minute the rest in the minutes after that. Throws `NotDone`.
 */
export async function setAgent(
  { postgres, kms, say }: Tools,
  tenantId: string,
  { url, secret }: { url: string; secret: string },
): Promise<void> {
  requireUrl(url);
  requireSecret(secret);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const [tenant] = await postgres.rows(sql<DataKeyColumns>`
      select ${dataKeyColumns}
      from (
        select id from teams
        union all
        select u.id from users u where (select count(*) from team_members m where m.user_id = u.id) <> 1
      ) t
      left join lateral (
        select * from data_keys where tenant_id = t.id order by generation desc limit 1
      ) k on true
      where t.id = ${tenantId}::uuid limit 1`);
    if (!tenant) throw new NotDone(`There is no team ${tenantId}, nor a person in none or in several.`);
    const known = toDataKey(tenant);
    const { row: made, ...key } = known
      ? { ...(await openDataKey(known, kms, Date.now())), row: undefined }
      : await generateDataKey(tenantId, 1, kms, Date.now());
    const sealed = await seal(secret, key.key, key.id, agentBinding(tenantId, url));
    const [written] = await postgres.rows(sql`
      with new_key as (${insertDataKey(made)}),
      written as (
        insert into agents (tenant_id, url, data_key_id, secret)
        select ${tenantId}::uuid, ${url}, ${key.id}::uuid, ${sealed}::bytea
        -- One that is being rotated out seals nothing more.
        where exists (select from new_key) or ${key.id}::uuid = (
          select id from data_keys where tenant_id = ${tenantId}::uuid order by generation desc limit 1
        )
        on conflict (tenant_id) do update set url = excluded.url, data_key_id = excluded.data_key_id,
          secret = excluded.secret, updated_at = now()
        returning tenant_id
      ),
      reopened as (${forgetLane(tenantId)})
      select from written`);
    if (!written) continue;
    return say({ event: 'agent_set', tenant_id: tenantId, waiting: await wake(postgres, tenantId) });
  }
  throw new NotDone('The team’s keys are being rotated. Run it again.');
}

/** Oldest first; how many events have waited. What is left by whoever stops within, or comes just now, the cron wakes. */
async function wake(postgres: Postgres, tenantId: string): Promise<number> {
  let waiting = 0;
  let last = '00000000-0000-0000-0000-000000000000';
  for (let minutes = 0; ; minutes += 1) {
    const woken = await postgres.rows(sql<{ id: string }>`
      with part as (
        select id from events where tenant_id = ${tenantId}::uuid and ${isWaiting} and id > ${last}::uuid
        order by id limit ${PER_MINUTE} for update skip locked
      )
      update events e set next_attempt_at = now() + make_interval(mins => ${minutes}), last_error = null
      from part where e.id = part.id returning e.id`);
    if (woken.length === 0) return waiting;
    waiting += woken.length;
    last =
      woken
        .map(({ id }) => id)
        .sort()
        .at(-1) ?? last;
  }
}

/** Sends a tenant's events to the Worker's own agent again. Throws `NotDone` where it had no other. */
export async function unsetAgent(
  { postgres, say }: Pick<Tools, 'postgres' | 'say'>,
  tenantId: string,
): Promise<void> {
  const gone = await postgres.rows(sql`
    with reopened as (${forgetLane(tenantId)})
    delete from agents where tenant_id = ${tenantId}::uuid returning tenant_id`);
  if (gone.length === 0) throw new NotDone(`${tenantId} has no agent of its own.`);
  say({ event: 'agent_unset', tenant_id: tenantId });
}

/**
 * Has an agent told again that had said it was gone (410), or asked for a pause: a tenant's own, or the Worker's. What has
 * waited for it is told in the minutes after that. Throws `NotDone` where nothing is known of it.
 */
export async function openAgent(
  { postgres, say }: Pick<Tools, 'postgres' | 'say'>,
  tenantId: string | undefined,
): Promise<void> {
  const rows = await postgres.rows(sql`${forgetLane(tenantId ?? WORKERS_LANE)} returning id`);
  if (rows.length === 0) {
    throw new NotDone(
      `${tenantId ? `The agent of ${tenantId}` : 'The Worker’s agent'} is told all there is.`,
    );
  }
  say({ event: 'agent_opened', ...(tenantId !== undefined && { tenant_id: tenantId }) });
}

function requireUrl(url: string): void {
  if (isSafeUrl(url)) return;
  throw new NotDone('Give the address where the agent takes events: https, without a password in it.');
}

function requireSecret(secret: string): void {
  const bytes = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  try {
    new Webhook(secret);
    const length = atob(bytes ?? '').length;
    if (length >= 24 && length <= 64) return;
  } catch {
    // Told below.
  }
  throw new NotDone(
    'Set AGENT_SECRET to the secret that events are signed with: whsec_ and 24 to 64 bytes in base64.',
  );
}
