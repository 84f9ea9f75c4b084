import { sql } from 'kysely';
import type { Services } from './services.ts';

export type DependencyState = 'ok' | 'down';

export interface Health {
  status: 'ok' | 'degraded';
  dependencies: { postgres: DependencyState; kms: DependencyState; kv: DependencyState };
}

const MAX_AGE_MS = 10_000;

let last: { health: Health; at: number } | undefined;

/** Asks each dependency, once in ten seconds an isolate, since anybody may ask us. */
export async function checkHealth(services: Services, now: number): Promise<Health> {
  if (last && now - last.at < MAX_AGE_MS) return last.health;
  const [postgres, kms, kv] = await Promise.all([
    stateOf(async () => (await services.postgres.rows(sql`select 1`)).length === 1),
    stateOf(() => services.kms.isEnabled()),
    stateOf(async () => (await services.env.STATES.get('health')) === null),
  ]);
  const allOk = [postgres, kms, kv].every((state) => state === 'ok');
  const health: Health = { status: allOk ? 'ok' : 'degraded', dependencies: { postgres, kms, kv } };
  last = { health, at: now };
  return health;
}

async function stateOf(check: () => Promise<boolean>): Promise<DependencyState> {
  try {
    return (await check()) ? 'ok' : 'down';
  } catch {
    return 'down';
  }
}
