import { v5 as uuidv5 } from 'uuid';
import * as z from 'zod';
import { toBase64, toHex } from '../bytes.ts';
import { findProvider } from '../catalog.ts';
import { PostgresUnavailable } from '../database.ts';
import { park } from '../grants/obtained.ts';
import { canBeEnded } from '../grants/revocable.ts';
import { notDiscarded } from '../grants/revocation.ts';
import { sendObtained, sendRenewed, sendRevocations } from '../queue.ts';
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
 * Writes a refresh that has waited. Where its row has moved on, disconnected or connected anew, the tokens go to the
 * revocations: those that whoever ended it knew of may be none any more, and the grant live on with these. Doing it
 * twice adds nothing.
 */
export async function writeSpilled(
  services: Services,
  result: Renewed,
): Promise<'renewed' | 'to_be_revoked' | 'superseded'> {
  return (await writeRenewed(services, result)) ? 'renewed' : setAside(services, result);
}

/**
 * Puts tokens that a refresh has brought, and that no connection keeps, among those that are to be ended; into the queue
 * where PostgreSQL does not take them. Doing it twice adds nothing.
 */
export async function setAside(services: Services, result: Renewed): Promise<'to_be_revoked' | 'superseded'> {
  const provider = findProvider(services.env, result.provider);
  if (!provider) {
    notDiscarded(result.provider, result.connection_id);
    return 'superseded';
  }
  if (!canBeEnded(provider, result.config)) return 'superseded';
  const isSignIn = provider.auth.type === 'oauth';
  const tokens = {
    ...result,
    kind: 'obtained' as const,
    id: uuidv5(toBase64(result.credential), SET_ASIDE),
    version: result.version + 1,
    refresh_token: isSignIn ? result.refresh_token : null,
    data_key: null,
  };
  await park(services, tokens, sendObtained, 0);
  // What the queue does not take the cron finds.
  await sendRevocations(services, [tokens.id]).catch(() => undefined);
  return 'to_be_revoked';
}

/** The namespace of ids that are made of what is sealed (RFC 9562 section 5.5). */
const SET_ASIDE = '5c1d3f6e-9f5b-4c0e-8f0a-2b7d6e1a9c43';

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
