import { sql } from 'kysely';
import * as z from 'zod';
import { toHex } from '../bytes.ts';
import { findProvider } from '../catalog.ts';
import { PostgresUnavailable } from '../database.ts';
import { EnvelopeError } from '../envelope.ts';
import { Problem } from '../problem.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';
import { type FoundParked, openParked, type Parked, sealParked } from './parked.ts';
import { store, storeForAll } from './store.ts';
import { keepUnrouted } from './unrouted.ts';

const PREFIX = 'delivery:';
/** Of those that are nobody's fault but their own: nobody waits behind them. */
const ASIDE = 'aside:';
/** Seconds that a delivery waits at most. */
const KEPT = 7 * 86_400;
/** Each takes up to four of the 1,000 operations on KV that a firing may make. */
const PER_FIRING = 200;
const ASIDE_PER_FIRING = 10;
const ASIDE_LISTED = 1_000;
const ASIDE_EVERY_MS = 3_600_000;
/** So many in a row that PostgreSQL does not take are no fault of theirs. */
const IN_A_ROW = 3;
/** Firings in which one alone may fail before it is set aside. */
const FAILURES = 3;
/** Before its end in KV, in which what waits is given up aloud. */
const LAST_HOUR_SECONDS = 3_600;
/** A larger one is not acknowledged: who sends it, or is asked for it, has it still. */
const MOST_BYTES = 8_000_000;

const metadata = z.object({ failures: z.number().default(0), tried: z.number().default(0) }).catch({
  failures: 0,
  tried: 0,
});

type Found = KVNamespaceListKey<unknown, string>;

/**
 * Keeps a verified delivery in KV, sealed, until PostgreSQL and KMS take it: some send one once and never again. The same
 * one twice is one. Throws what KV throws, and `unavailable` for one of more than 8 MB.
 */
export async function spillDelivery({ env, config, meter }: Services, parked: Parked): Promise<void> {
  const { provider, connectionId, received } = parked;
  if (received.bytes.length > MOST_BYTES) throw new Problem('unavailable', 'Send it again in a while.');
  const name = `${PREFIX}${connectionId ?? provider}:${toHex(received.hash)}`;
  meter.kv += 1;
  const value = await sealParked(config.STATE_KEY, name, parked);
  await env.STATES.put(name, value, { expirationTtl: KEPT });
}

/**
 * Stores what waits in KV; how many deliveries it was, and how many were set aside. One that cannot be stored does not
 * hold up those behind it. Throws `unavailable` where PostgreSQL takes none.
 */
export async function unspillDeliveries(services: Services): Promise<{ stored: number; aside: number }> {
  const counts = { stored: 0, aside: 0 };
  const failed: Found[] = [];
  let inARow = 0;
  for (const found of await list(services, PREFIX, PER_FIRING)) {
    const outcome = await takeUp(services, found);
    if (outcome === 'stored') counts.stored += 1;
    if (outcome === 'unreadable') counts.aside += await setAside(services, found);
    if (outcome === 'failed') failed.push(found);
    if (outcome === 'refused') counts.aside += await setAside(services, found);
    inARow = outcome === 'failed' ? inARow + 1 : 0;
    if (inARow >= IN_A_ROW) break;
  }
  // Where PostgreSQL is down none can be stored, and it is the fault of none.
  if (failed.length > 0) await services.postgres.rows(sql`select 1`);
  for (const found of failed) {
    const failures = metadata.parse(found.metadata).failures + 1;
    if (failures >= FAILURES) counts.aside += await setAside(services, found);
    else await rewrite(services, found, found.name, { failures, tried: Date.now() });
  }
  const isDue = ({ metadata: known }: Found) => Date.now() - metadata.parse(known).tried >= ASIDE_EVERY_MS;
  const due = (await list(services, ASIDE, ASIDE_LISTED)).filter(isDue).slice(0, ASIDE_PER_FIRING);
  for (const found of due) {
    if ((await takeUp(services, found)) === 'stored') counts.stored += 1;
    else await rewrite(services, found, found.name, { failures: FAILURES, tried: Date.now() });
  }
  return counts;
}

async function list({ env, meter }: Services, prefix: string, limit: number): Promise<Found[]> {
  meter.kv += 1;
  return (await env.STATES.list({ prefix, limit })).keys;
}

/** Stores one, and takes it out of KV. `failed` is what PostgreSQL
 * did not take, `refused` what fails for itself, `gone` what is not to be seen here yet, or was given up. */
async function takeUp(
  services: Services,
  found: Found,
): Promise<'stored' | 'failed' | 'refused' | 'unreadable' | 'gone'> {
  const { env, config, meter } = services;
  meter.kv += 1;
  const value = await env.STATES.get(found.name, 'arrayBuffer');
  if (value === null) return 'gone';
  try {
    // It was sealed under the name that it came with.
    const name = found.name.replace(ASIDE, '');
    await storeParked(services, await openParked(config.STATE_KEY, name, new Uint8Array(value)));
  } catch (error) {
    if (isEnding(found)) return giveUp(services, found);
    if (error instanceof EnvelopeError) return 'unreadable';
    // A tenant's key that KMS refuses, say: it is nobody else's fault.
    return error instanceof PostgresUnavailable && error.isPassing ? 'failed' : 'refused';
  }
  meter.kv += 1;
  await env.STATES.delete(found.name);
  return 'stored';
}

async function storeParked(
  services: Services,
  { provider: providerId, connectionId, received, parkedAt }: FoundParked,
): Promise<void> {
  const provider = findProvider(services.env, providerId);
  if (!provider) return;
  try {
    const ids =
      connectionId === undefined
        ? await storeForAll(services, provider, received, parkedAt)
        : await store(services, provider, connectionId, received);
    if (!ids) await keepUnrouted(services, provider, received);
    // What the queue does not take the cron finds.
    if (ids && ids.length > 0) await sendEvents(services, ids).catch(() => undefined);
  } catch (error) {
    const isRefused =
      error instanceof Problem && (error.code === 'not_found' || error.code === 'invalid_signature');
    // Its connection has ended since.
    if (!isRefused) throw error;
  }
}

function isEnding({ expiration }: Found): boolean {
  return expiration !== undefined && expiration - Date.now() / 1000 < LAST_HOUR_SECONDS;
}

async function giveUp({ env, meter }: Services, { name }: Found): Promise<'gone'> {
  console.error(JSON.stringify({ level: 'error', event: 'kept_delivery_dead', name }));
  meter.kv += 1;
  await env.STATES.delete(name);
  return 'gone';
}

async function setAside(services: Services, found: Found): Promise<number> {
  console.error(JSON.stringify({ level: 'error', event: 'kept_delivery_set_aside', name: found.name }));
  await rewrite(services, found, `${ASIDE}${found.name}`, { failures: FAILURES, tried: Date.now() });
  services.meter.kv += 1;
  await services.env.STATES.delete(found.name);
  return 1;
}

/** Its end stays. */
async function rewrite(
  { env, meter }: Services,
  { name, expiration }: Found,
  as: string,
  next: z.infer<typeof metadata>,
): Promise<void> {
  meter.kv += 2;
  const value = await env.STATES.get(name, 'arrayBuffer');
  if (value === null) return;
  // KV takes no end that is less than a minute away.
  const end = Math.max(expiration ?? Date.now() / 1000 + KEPT, Date.now() / 1000 + 120);
  await env.STATES.put(as, value, { expiration: Math.ceil(end), metadata: next });
}
