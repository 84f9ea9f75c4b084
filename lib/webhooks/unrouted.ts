import { sql } from 'kysely';
import * as z from 'zod';
import type { Provider } from '../../providers/provider.ts';
import { toHex } from '../bytes.ts';
import { findProvider } from '../catalog.ts';
import { isLiving } from '../connections/living.ts';
import { EnvelopeError } from '../envelope.ts';
import { unavailable } from '../problem.ts';
import { sendEvents, sendWebhooks } from '../queue.ts';
import { Remembered } from '../remembered.ts';
import type { Services } from '../services.ts';
import { dueAtOnce } from './due.ts';
import { openParked, sealParked } from './parked.ts';
import type { Received } from './receive.ts';
import { storeForAll } from './store.ts';

// Deliveries to an app as a whole of something that no connection is known to see yet: it was made, or granted, just now.
// They wait until whoever may see it has been asked.

const PREFIX = 'unrouted:';
const UNSEEN = 'unseen:';
/** Seconds in which those who are known to be near are looked after, and in which all are: once an hour. */
const SOON = 12 * 60;
const BY_ALL = 75 * 60;
/** For so long what nobody sees is not asked about again. KV keeps nothing for less than a minute. */
const UNSEEN_SECONDS = 3_600;
const LISTED = 1_000;
const PER_FIRING = 200;
const MOST_BYTES = 8_000_000;
/** Of one installation, in an hour of an isolate's: anybody may install an app, and have us told of what is nobody's here. */
const MOST_OF_ONE = 200;
const kept = new Remembered<number>(1_000);

const metadata = z.object({ until: z.number() }).catch({ until: 0 });

/**
 * Keeps a delivery for which no connection is known, where it says among whose a connection may be found, and has these
 * looked after. Two operations on KV and a statement. Throws what KV throws.
 */
export async function keepUnrouted(
  services: Services,
  { id }: Provider,
  received: Received,
): Promise<'kept' | 'nobody’s'> {
  const { route, within } = received.told;
  if (route === undefined || within === undefined) return 'nobody’s';
  // Who sends it, or is asked for it, has it still.
  if (received.bytes.length > MOST_BYTES)
    throw unavailable('too large to wait until somebody is known to see it');
  const { env, config, meter } = services;
  const hour = Math.floor(Date.now() / 3_600_000);
  const count = (kept.get(`${id} ${within} ${hour}`) ?? 0) + 1;
  meter.kv += 1;
  if (count > MOST_OF_ONE || (await env.STATES.get(`${UNSEEN}${id}:${route}`)) !== null) return 'nobody’s';
  kept.set(`${id} ${within} ${hour}`, count);
  const isNear = await lookAfterThoseWithin(services, id, within);
  const until = Date.now() + 1000 * (isNear ? SOON : BY_ALL);
  const name = `${PREFIX}${id}:${route}:${toHex(received.hash)}`;
  meter.kv += 1;
  const value = await sealParked(config.STATE_KEY, name, { provider: id, connectionId: undefined, received });
  await env.STATES.put(name, value, { expirationTtl: 2 * BY_ALL, metadata: { until } });
  return 'kept';
}

/** Has connections looked after that a delivery may be for; whether there are any. */
async function lookAfterThoseWithin(services: Services, provider: string, within: string): Promise<boolean> {
  const rows = await services.postgres.rows(sql<{ connection_id: string; is_due: boolean }>`
    with near as (
      select w.connection_id, w.updated_at from webhooks w join connections c on c.id = w.connection_id
      where w.provider = ${provider} and w.routes @> ${[within]}::text[] and ${isLiving('c')}
    ),
    due as (
      update webhooks w set ${dueAtOnce} from near
      -- Not again for each of many deliveries.
      where w.connection_id = near.connection_id and w.updated_at < now() - interval '1 minute'
      returning w.connection_id
    )
    select near.connection_id, due.connection_id is not null as is_due from near left join due using (connection_id)`);
  const due = rows.filter(({ is_due: isDue }) => isDue).map(({ connection_id: id }) => id);
  // What the queue does not take the cron finds.
  if (due.length > 0) await sendWebhooks(services, due).catch(() => undefined);
  return rows.length > 0;
}

/** Stores what waits for somebody to be known to see it; how many deliveries, and how many are nobody's. */
export async function routeUnrouted(services: Services): Promise<{ stored: number; nobodys: number }> {
  const { env, config, meter } = services;
  const counts = { stored: 0, nobodys: 0 };
  meter.kv += 1;
  const { keys } = await env.STATES.list({ prefix: PREFIX, limit: LISTED });
  // From somewhere on, so that none is always behind others.
  const from = Math.floor(Math.random() * keys.length);
  const some = [...keys.slice(from), ...keys.slice(0, from)].slice(0, PER_FIRING);
  for (const { name, metadata: known } of some) {
    meter.kv += 1;
    const value = await env.STATES.get(name, 'arrayBuffer');
    if (value === null) continue;
    const isOver = metadata.parse(known).until <= Date.now();
    const outcome = await storeOne(services, config.STATE_KEY, name, new Uint8Array(value));
    // What cannot be stored for now is tried again for as long as KV has it.
    if (outcome === 'failed' || (outcome === 'waits' && !isOver)) continue;
    if (outcome === 'waits') {
      meter.kv += 1;
      const route = name.slice(PREFIX.length, name.lastIndexOf(':'));
      await env.STATES.put(`${UNSEEN}${route}`, '', { expirationTtl: UNSEEN_SECONDS });
      counts.nobodys += 1;
    }
    if (outcome === 'stored') counts.stored += 1;
    meter.kv += 1;
    await env.STATES.delete(name);
  }
  return counts;
}

async function storeOne(
  services: Services,
  stateKey: string,
  name: string,
  value: Uint8Array,
): Promise<'stored' | 'waits' | 'failed' | 'unreadable'> {
  try {
    const { provider: id, received, parkedAt } = await openParked(stateKey, name, value);
    const provider = findProvider(services.env, id);
    const ids = provider && (await storeForAll(services, provider, received, parkedAt));
    if (!ids) return 'waits';
    if (ids.length > 0) await sendEvents(services, ids).catch(() => undefined);
    return 'stored';
  } catch (error) {
    if (error instanceof EnvelopeError) {
      console.error(JSON.stringify({ level: 'error', event: 'kept_delivery_unreadable', name }));
      return 'unreadable';
    }
    return 'failed';
  }
}
