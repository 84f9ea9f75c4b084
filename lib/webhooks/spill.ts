import * as z from 'zod';
import type { Told } from '../../providers/provider.ts';
import { fromBase64, toBase64, toHex } from '../bytes.ts';
import { findProvider } from '../catalog.ts';
import { PostgresUnavailable } from '../database.ts';
import { parseJson } from '../json-text.ts';
import { Problem } from '../problem.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';
import { type Received, store, storeForAll } from './receive.ts';

const PREFIX = 'delivery:';
/** Seconds that a delivery waits at most. */
const KEPT = 7 * 86_400;
/** Each takes two of the 1,000 operations on KV that a firing may make. */
const PER_FIRING = 240;

/** A delivery that was verified, and that PostgreSQL did not take. */
const spilled = z.object({
  provider: z.string(),
  /** Null: to the app as a whole. */
  connection_id: z.guid().nullable(),
  told: z.record(z.string(), z.unknown()),
  occurred_at: z.iso.datetime().nullable(),
  text: z.string(),
  hash: z.base64(),
});

/**
 * Keeps a verified delivery in KV until PostgreSQL takes it: some send one once and never again. The same one twice is
 * one. Throws what KV throws.
 */
export async function spillDelivery(
  { env, meter }: Services,
  provider: string,
  connectionId: string | undefined,
  { told: { occurredAt, ...told }, text, hash }: Received,
): Promise<void> {
  const kept: z.infer<typeof spilled> = {
    provider,
    connection_id: connectionId ?? null,
    told,
    occurred_at: occurredAt?.toISOString() ?? null,
    text,
    hash: toBase64(hash),
  };
  meter.kv += 1;
  const key = `${PREFIX}${connectionId ?? provider}:${toHex(hash)}`;
  await env.STATES.put(key, JSON.stringify(kept), { expirationTtl: KEPT });
}

/** Stores what waits in KV; how many deliveries it was. Throws `unavailable` where PostgreSQL still takes none. */
export async function unspillDeliveries(services: Services): Promise<number> {
  const { env, meter } = services;
  meter.kv += 1;
  const { keys } = await env.STATES.list({ prefix: PREFIX, limit: PER_FIRING });
  let failure: unknown;
  let stored = 0;
  for (const { name } of keys) {
    meter.kv += 2;
    const text = await env.STATES.get(name);
    // Not to be seen here yet, or gone already: the next firing looks again.
    if (text === null) continue;
    try {
      const kept = spilled.safeParse(parseJson(text)).data;
      if (kept) await storeKept(services, kept);
      else console.error(JSON.stringify({ level: 'error', event: 'kept_delivery_unreadable', name }));
      await env.STATES.delete(name);
      stored += 1;
    } catch (error) {
      // One that cannot be stored does not hold up its neighbours; where PostgreSQL is down none can.
      if (error instanceof PostgresUnavailable && error.isPassing) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return stored;
}

async function storeKept(services: Services, kept: z.infer<typeof spilled>): Promise<void> {
  const provider = findProvider(services.env, kept.provider);
  if (!provider) return;
  // What was read of it when it came, by the same code.
  const told = kept.told as unknown as Told;
  const received = {
    told: { ...told, ...(kept.occurred_at !== null && { occurredAt: new Date(kept.occurred_at) }) },
    text: kept.text,
    hash: fromBase64(kept.hash),
  };
  try {
    const ids =
      kept.connection_id === null
        ? await storeForAll(services, provider, received)
        : await store(services, provider, kept.connection_id, received);
    // What the queue does not take the cron finds.
    if (ids.length > 0) await sendEvents(services, ids).catch(() => undefined);
  } catch (error) {
    const isRefused =
      error instanceof Problem && (error.code === 'not_found' || error.code === 'invalid_signature');
    // Its connection has ended since.
    if (!isRefused) throw error;
  }
}
