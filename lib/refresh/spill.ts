import { sql } from 'kysely';
import * as z from 'zod';
import { findProvider } from '../catalog.ts';
import { isRevocable } from '../connections/revocable.ts';
import { sendRenewed, sendRevocations } from '../queue.ts';
import type { Services } from '../services.ts';
import { type Renewed, renewed, writeRenewed } from './renewed.ts';

const PREFIX = 'renewed:';
/** Seconds that a refresh waits in KV at most; its token has ended long before. */
const KEPT = 7 * 86_400;

/**
 * Keeps a refresh that PostgreSQL did not take in a second durable place, sealed as it is: the queue, and where
 * that does not take it either, KV. Never throws; what found no place is told loudly.
 */
export async function spill(services: Services, result: Renewed): Promise<void> {
  try {
    await sendRenewed(services, result);
    return;
  } catch {
    // The queue is down, too.
  }
  try {
    await keepInKv(services, result);
  } catch {
    const about = { provider_id: result.provider, connection_id: result.connection_id };
    console.error(JSON.stringify({ level: 'error', event: 'refresh_not_kept', ...about }));
  }
}

/** Where the cron looks before it asks the provider about anything. Throws what KV throws. */
export async function keepInKv({ env, meter }: Services, result: Renewed): Promise<void> {
  meter.kv += 1;
  const text = JSON.stringify(z.encode(renewed, result));
  await env.STATES.put(`${PREFIX}${result.connection_id}`, text, { expirationTtl: KEPT });
}

/**
 * Writes a refresh that has waited. What its owner has ended meanwhile goes to the revocations: the tokens that the
 * disconnect knew of may be none any more, and the grant live on with these. Doing it twice adds nothing.
 */
export async function writeSpilled(
  services: Services,
  result: Renewed,
): Promise<'renewed' | 'to_be_revoked' | 'superseded'> {
  if (await writeRenewed(services, result)) return 'renewed';
  const provider = findProvider(services.env, result.provider);
  if (!provider) return 'superseded';
  const isSignIn = provider.auth.type === 'oauth';
  const rows = await services.postgres.rows(sql<{ id: string }>`
    insert into revocations (
      id, connection_id, user_id, brand_id, tenant_id, provider, account_id, grant_id, config, version, data_key_id,
      credential, refresh_token, expires_at, next_attempt_at, give_up_at
    )
    select md5(encode(${result.credential}::bytea, 'hex'))::uuid, c.id, c.user_id, c.brand_id, c.tenant_id, c.provider,
      c.account_id, c.grant_id, c.config, ${result.version + 1}::integer, k.id, ${result.credential}::bytea,
      case when ${isSignIn} then ${result.refresh_token}::bytea end, ${result.expires_at}::timestamptz, now(),
      now() + interval '24 hours'
    from connections c join data_keys k on k.id = ${result.data_key_id}::uuid
    -- Ended as it stood when it was refreshed.
    where c.id = ${result.connection_id}::uuid and c.status = 'disconnected' and c.version = ${result.version + 1}::integer
      and ${isRevocable(provider, sql`c.config`)}
    on conflict (id) do nothing returning id`);
  if (!rows[0]) return 'superseded';
  // What the queue does not take the cron finds.
  await sendRevocations(services, [rows[0].id]).catch(() => undefined);
  return 'to_be_revoked';
}

/** Writes what waits in KV; how many it was. */
export async function unspill(services: Services): Promise<number> {
  const { env, meter } = services;
  meter.kv += 1;
  const { keys } = await env.STATES.list({ prefix: PREFIX, limit: 100 });
  let written = 0;
  for (const { name } of keys) {
    meter.kv += 2;
    const text = await env.STATES.get(name);
    // Not to be seen here yet, or gone already: the next firing looks again.
    if (text === null) continue;
    const parsed = readKept(text);
    if (parsed) await writeSpilled(services, parsed);
    else console.error(JSON.stringify({ level: 'error', event: 'kept_refresh_unreadable', name }));
    await env.STATES.delete(name);
    written += parsed ? 1 : 0;
  }
  return written;
}

function readKept(text: string): Renewed | undefined {
  try {
    return renewed.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
