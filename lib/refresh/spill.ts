import { sql } from 'kysely';
import * as z from 'zod';
import { toHex } from '../bytes.ts';
import { findProvider } from '../catalog.ts';
import { isRevocable } from '../connections/revocable.ts';
import { PostgresUnavailable } from '../database.ts';
import { sendRenewed, sendRevocations } from '../queue.ts';
import type { Services } from '../services.ts';
import { type Renewed, renewed, writeRenewed } from './renewed.ts';

const PREFIX = 'renewed:';
/** Seconds that a refresh waits in KV at most; its token has ended long before. */
const KEPT = 7 * 86_400;
/** Each takes two of the 1,000 operations on KV that a firing may make. */
const PER_FIRING = 250;

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
  // By what is sealed, too: no put takes another's place, and what was read is what is deleted.
  const key = `${PREFIX}${result.connection_id}:${result.version}:${toHex(result.credential.slice(-8))}`;
  await env.STATES.put(key, text, { expirationTtl: KEPT });
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

/**
 * Writes what waits in KV; how many it was, and whether more waits. Throws `unavailable` where PostgreSQL still takes
 * none; one that it refuses for itself is told, and does not hold up the others.
 */
export async function unspill(services: Services): Promise<{ written: number; hasMore: boolean }> {
  const { env, meter } = services;
  meter.kv += 1;
  const { keys, list_complete } = await env.STATES.list({ prefix: PREFIX, limit: PER_FIRING });
  let written = 0;
  for (const { name } of keys) {
    meter.kv += 1;
    const text = await env.STATES.get(name);
    // Not to be seen here yet, or gone already: the next firing looks again.
    if (text === null || !(await writeKept(services, name, text))) continue;
    meter.kv += 1;
    await env.STATES.delete(name);
    written += 1;
  }
  return { written, hasMore: !list_complete && written > 0 };
}

/** Whether it need not be kept any longer. */
async function writeKept(services: Services, name: string, text: string): Promise<boolean> {
  const kept = readKept(text);
  if (!kept) {
    console.error(JSON.stringify({ level: 'error', event: 'kept_refresh_unreadable', name }));
    return true;
  }
  try {
    await writeSpilled(services, kept);
    return true;
  } catch (error) {
    if (!(error instanceof PostgresUnavailable) || error.isPassing) throw error;
    console.error(JSON.stringify({ level: 'error', event: 'kept_refresh_refused', name }));
    return false;
  }
}

function readKept(text: string): Renewed | undefined {
  try {
    return renewed.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
