import { expect } from 'vitest';
import type { World } from '../world/world.ts';
import type { Reply } from './client.ts';

export interface Trips {
  postgres: number;
  kms: number;
  kv: number;
  provider: number;
}

/**
 * What a request costs in round trips, as the world outside counts them; the Worker's log line must say the
 * same. What goes on besides is waited for, and what the request leaves to the queues does not begin.
 */
export async function tripsOf(
  world: World,
  ask: () => Promise<Reply>,
): Promise<{ reply: Reply; trips: Trips }> {
  await world.queuesDeaf(true);
  try {
    await quiet(world);
    return await countedTrips(world, ask);
  } finally {
    await world.queuesDeaf(false);
  }
}

async function countedTrips(
  world: World,
  ask: () => Promise<Reply>,
): Promise<{ reply: Reply; trips: Trips }> {
  const before = counts(world);
  const reply = await ask();
  const logged = await loggedTrips(world, reply);
  const after = counts(world);
  const trips = {
    postgres: after.postgres - before.postgres,
    kms: after.kms - before.kms,
    kv: after.kv - before.kv,
    provider: after.provider - before.provider,
  };
  expect(logged, 'the log line').toEqual(trips);
  return { reply, trips };
}

/** The round trips that the Worker's log line of a request tells of; it also counts hosts that do not exist. */
export async function loggedTrips(world: World, reply: Reply): Promise<Trips> {
  const id = reply.headers.get('x-request-id') ?? '';
  const line = await until(() => world.logs.findLast((each) => each.includes(`"request_id":"${id}"`)));
  const { postgres, kms, kv, provider } = JSON.parse(line) as Trips;
  return { postgres, kms, kv, provider };
}

/** Asks again until there is something to give. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  milliseconds = 10_000,
): Promise<T> {
  for (const end = Date.now() + milliseconds; ; ) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`nothing came in ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const QUIET_MS = 150;

/** Waits until the jobs that earlier requests have left to the queues are over: nobody outside is asked for a while. */
export async function quiet(world: World): Promise<void> {
  let seen = '';
  let since = Date.now();
  await until(() => {
    const now = JSON.stringify([counts(world), world.logs.length]);
    if (now !== seen) {
      seen = now;
      since = Date.now();
    }
    return Date.now() - since >= QUIET_MS ? true : undefined;
  });
}

function counts(world: World): Trips {
  return {
    postgres: world.neon.count(),
    kms: world.kms.calls.length,
    kv: world.kv.get + world.kv.put,
    provider: world.gateway.calls.length,
  };
}
