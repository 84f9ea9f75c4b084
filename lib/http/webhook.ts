import type { Context } from 'hono';
import * as z from 'zod';
import { requireProvider } from '../catalog.ts';
import { PostgresUnavailable, postgres } from '../database.ts';
import { sendLeft } from '../events/left.ts';
import { Problem, type ProblemCode, unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import { Room } from '../webhooks/large-bodies.ts';
import { type Received, readDelivery } from '../webhooks/receive.ts';
import { spillDelivery } from '../webhooks/spill.ts';
import { store, storeForAll } from '../webhooks/store.ts';
import { keepUnrouted } from '../webhooks/unrouted.ts';
import { within } from '../within.ts';
import type { AppEnv } from './app.ts';
import { type Endpoint, endpoint } from './endpoint.ts';
import { clientAddress, refuseSpent, spend } from './rate-limit.ts';

const problems = [
  'invalid_request',
  'invalid_signature',
  'not_found',
  'payload_too_large',
  'rate_limited',
  'unavailable',
  'internal_error',
] as const satisfies ProblemCode[];

/** Where a provider tells a connection what happens there. */
export function connectionWebhook(providerId: string): Endpoint {
  return endpoint(
    {
      method: 'post',
      path: `/api/webhooks/${providerId}/:connection_id`,
      summary: 'A delivery to a connection: stored before it is acknowledged',
      access: 'public',
      params: z.object({ connection_id: z.string() }),
      responses: { 200: { description: 'Stored, now or before' } },
      problems,
    },
    async (c, { params }) => {
      const id = z.guid().safeParse(params.connection_id.toLowerCase()).data;
      if (id === undefined) throw new Problem('not_found', 'There is no such connection.');
      return receive(c, providerId, id, (services, received, provider) =>
        store(services, provider, id, received),
      );
    },
  );
}

/** Where a provider tells our app as a whole. */
export function appWebhook(providerId: string): Endpoint {
  return endpoint(
    {
      method: 'post',
      path: `/api/webhooks/${providerId}`,
      summary: 'A delivery to the app as a whole, for every connection that it is for',
      access: 'public',
      responses: { 200: { description: 'Stored, now or before' } },
      problems,
    },
    (c) =>
      receive(c, providerId, undefined, async (services, received, provider) => {
        const ids = await storeForAll(services, provider, received);
        if (!ids)
          c.set('logged', { ...c.get('logged'), stored: await keepUnrouted(services, provider, received) });
        return ids ?? [];
      }),
  );
}

/** A sender gives up on us after five seconds, and takes us for down; who sends 25 MB, after ten. */
const DEADLINE_MS = 1_200;
const BYTES_PER_MS = 5_000;

/** Whoever sends waits for ten seconds at most. */
const ANSWER_MS = 8_500;

function hasty(services: Services, bytes = 0): Services {
  const deadlineMs = DEADLINE_MS + Math.round(bytes / BYTES_PER_MS);
  return { ...services, postgres: postgres(services.config, services.meter, deadlineMs) };
}

async function receive(
  c: Context<AppEnv>,
  providerId: string,
  connectionId: string | undefined,
  keep: (
    services: Services,
    received: Received,
    provider: ReturnType<typeof requireProvider>,
  ) => Promise<string[]>,
): Promise<Response> {
  const address = clientAddress(c);
  // A minute's worth of tries at a connection, and at guessing one. A platform sends for all its customers from a few
  // addresses: what is rightly signed with a key that is known is never refused for what others have sent from there.
  const [wrong, unknown] = [`${address} ${connectionId ?? providerId}`, `${address} unknown`];
  const beforeAsking = () => {
    refuseSpent('UNAUTHENTICATED_LIMIT', wrong);
    refuseSpent('UNAUTHENTICATED_LIMIT', unknown);
  };
  const services = hasty(c.get('services'));
  const provider = requireProvider(c.env, providerId);
  c.set('logged', { provider_id: provider.id, ...(connectionId && { connection_id: connectionId }) });
  let received: Received | undefined;
  let ids: string[];
  const room = new Room();
  try {
    received = await readDelivery(services, provider, c.req.raw, { connectionId, beforeAsking, room });
    c.set('logged', { ...c.get('logged'), topic: received.told.topic });
    const keeping = keep(hasty(services, received.bytes.length), received, provider);
    // Who is told to come again finds done what goes on meanwhile.
    c.executionCtx.waitUntil(keeping.catch(() => undefined).finally(() => room.leave()));
    ids = await within(ANSWER_MS, keeping, () => unavailable('storing it takes too long'));
  } catch (error) {
    // Who has much read and does not end it has used up a try like who signs it wrongly.
    const isBroken = !received && room.isTaken;
    if (!received) room.leave();
    if (isBroken || (error instanceof Problem && error.code === 'invalid_signature'))
      await spend(c, 'UNAUTHENTICATED_LIMIT', wrong);
    if (error instanceof Problem && error.code === 'not_found')
      await spend(c, 'UNAUTHENTICATED_LIMIT', unknown);
    if (!received || !isPassing(error)) throw error;
    const parked = { provider: provider.id, connectionId, received };
    await spillDelivery(services, parked).catch(() => Promise.reject(error));
    c.set('logged', { ...c.get('logged'), stored: 'in KV' });
    return c.body(null, 200);
  }
  // It is stored: what the queue does not take the cron finds.
  const left = ids.map((id) => ({ id, payload_bytes: received.bytes.length }));
  c.executionCtx.waitUntil(sendLeft(services, left));
  return c.body(null, 200);
}

/** Whether PostgreSQL, or KMS, may do it another time. */
function isPassing(error: unknown): boolean {
  if (error instanceof PostgresUnavailable) return error.isPassing;
  return error instanceof Problem && error.code === 'unavailable';
}
