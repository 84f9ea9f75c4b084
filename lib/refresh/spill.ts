import * as z from 'zod';
import { sendRenewed } from '../queue.ts';
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
    services.meter.kv += 1;
    const text = JSON.stringify(z.encode(renewed, result));
    await services.env.STATES.put(`${PREFIX}${result.connection_id}`, text, { expirationTtl: KEPT });
  } catch {
    const about = { provider_id: result.provider, connection_id: result.connection_id };
    console.error(JSON.stringify({ level: 'error', event: 'refresh_not_kept', ...about }));
  }
}

/** Writes what waits in KV; how many it was. */
export async function unspill(services: Services): Promise<number> {
  const { env, meter } = services;
  meter.kv += 1;
  const { keys } = await env.STATES.list({ prefix: PREFIX, limit: 100 });
  for (const { name } of keys) {
    meter.kv += 2;
    const parsed = renewed.safeParse(JSON.parse((await env.STATES.get(name)) ?? 'null'));
    if (parsed.success) await writeRenewed(services, parsed.data);
    await env.STATES.delete(name);
  }
  return keys.length;
}
