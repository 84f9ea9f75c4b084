import * as z from 'zod';
import type { Told } from '../../providers/provider.ts';
import { fromBase64, toBase64 } from '../bytes.ts';
import { findProvider } from '../catalog.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type Received, store, storeForAll } from './receive.ts';

/** A message may hold 128 KB. */
const MOST = 90_000;

/** A delivery that PostgreSQL did not take, and that was verified: it waits in the queue until it does. */
export const spilled = z.object({
  kind: z.literal('delivery'),
  provider: z.string(),
  /** Null: to the app as a whole. */
  connection_id: z.guid().nullable(),
  told: z.record(z.string(), z.unknown()),
  occurred_at: z.iso.datetime().nullable(),
  text: z.string(),
  hash: z.base64(),
});

export type Spilled = z.infer<typeof spilled>;

/** The message that a delivery waits in; undefined where it is too large for one. */
export function toSpilled(
  provider: string,
  connectionId: string | undefined,
  { told: { occurredAt, ...told }, text, hash }: Received,
): Spilled | undefined {
  if (text.length > MOST || new TextEncoder().encode(JSON.stringify(text)).length > MOST) return undefined;
  return {
    kind: 'delivery',
    provider,
    connection_id: connectionId ?? null,
    told,
    occurred_at: occurredAt?.toISOString() ?? null,
    text,
    hash: toBase64(hash),
  };
}

/** Stores a delivery that has waited. Gives the ids of the events that are new. */
export async function storeSpilled(services: Services, message: Spilled): Promise<string[]> {
  const provider = findProvider(services.env, message.provider);
  if (!provider) return [];
  // What was read of it when it came, by the same code.
  const told = message.told as unknown as Told;
  const received = {
    told: { ...told, ...(message.occurred_at !== null && { occurredAt: new Date(message.occurred_at) }) },
    text: message.text,
    hash: fromBase64(message.hash),
  };
  try {
    return message.connection_id === null
      ? await storeForAll(services, provider, received)
      : await store(services, provider, message.connection_id, received);
  } catch (error) {
    const isRefused =
      error instanceof Problem && (error.code === 'not_found' || error.code === 'invalid_signature');
    if (isRefused) return [];
    throw error;
  }
}
