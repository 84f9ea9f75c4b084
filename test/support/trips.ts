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
 * same. Nothing else may be going on meanwhile.
 */
export async function tripsOf(
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

function counts(world: World): Trips {
  return {
    postgres: world.neon.count(),
    kms: world.kms.calls.length,
    kv: world.kv.get + world.kv.put,
    provider: world.gateway.calls.length,
  };
}
