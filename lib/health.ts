import { sql } from 'kysely';
import { isOutage } from './refresh/failed.ts';
import type { Services } from './services.ts';
import { landingOf } from './shared-flight.ts';

export type DependencyState = 'ok' | 'down';

export interface Health {
  status: 'ok' | 'degraded';
  dependencies: { postgres: DependencyState; kms: DependencyState; kv: DependencyState };
  /** Providers that refuse our own client, or limit it, at the moment. */
  providers: Record<string, 'client_refused' | 'rate_limited'>;
}

const MAX_AGE_MS = 10_000;

let last: { health: Health; at: number } | undefined;
let shared: Promise<Health> | undefined;

/** Asks each dependency, once in ten seconds an isolate, however many ask us at the same time, since anybody may. */
export async function checkHealth(services: Services, now: number): Promise<Health> {
  if (last && now - last.at < MAX_AGE_MS) return last.health;
  // Where one takes long, another may have set out meanwhile.
  for (let waited: typeof shared; shared && shared !== waited; ) {
    waited = shared;
    const landed = await landingOf(waited);
    if (landed) return landed;
  }
  const flight = ask(services);
  shared = flight;
  try {
    const health = await flight;
    last = { health, at: now };
    return health;
  } finally {
    if (shared === flight) shared = undefined;
  }
}

async function ask(services: Services): Promise<Health> {
  const providers: Health['providers'] = {};
  const [postgres, kms, kv] = await Promise.all([
    stateOf(async () => {
      for (const { provider, reason } of await services.postgres.rows(troubled)) providers[provider] = reason;
      return true;
    }),
    stateOf(() => services.kms.isEnabled()),
    stateOf(async () => (await services.env.STATES.get('health')) === null),
  ]);
  const allOk = [postgres, kms, kv].every((state) => state === 'ok');
  const isRefused = Object.values(providers).includes('client_refused');
  const status = allOk && !isRefused ? 'ok' : 'degraded';
  return { status, dependencies: { postgres, kms, kv }, providers };
}

const troubled = sql<{ provider: string; reason: 'client_refused' | 'rate_limited' }>`
  select s.provider, case when ${isOutage} then 'client_refused' else 'rate_limited' end as reason from provider_states s
  where ${isOutage} or s.reason = 'rate_limited' and s.paused_until > now()`;

async function stateOf(check: () => Promise<boolean>): Promise<DependencyState> {
  try {
    return (await check()) ? 'ok' : 'down';
  } catch {
    return 'down';
  }
}
