import type { SimulatorContext } from '../../simulator.ts';
import { KlaviyoRefusal } from './errors.ts';

/** Calls a second and calls a minute, as `x-klaviyo-ratelimit` has them. */
export interface Limit {
  burst: number;
  steady: number;
}

/**
 * Counts a call in the account's fixed windows, and gives the headers of the steady one; a refusal carries
 * Retry-After instead. The windows only refuse once `settings.rateLimits` is true, since tests connect faster
 * than people do; `settings.retryAfter` (seconds) refuses everything.
 */
export function countCall(
  { store, now }: SimulatorContext,
  account: string,
  endpoint: string,
  { burst, steady }: Limit,
): Record<string, string> {
  const seconds = now() / 1000;
  const count = (name: string, width: number) => {
    const window = Math.floor(seconds / width);
    const slot = `rate/${account}/${endpoint}/${name}`;
    const kept = store.get<{ window: number; used: number }>(slot);
    const used = (kept?.window === window ? kept.used : 0) + 1;
    store.set(slot, { window, used });
    return { used, reset: Math.max(1, Math.ceil((window + 1) * width - seconds)) };
  };
  const second = count('burst', 1);
  const minute = count('steady', 60);
  const always = store.get<number>('settings.retryAfter');
  if (always !== undefined) throw throttled(always);
  if (store.get<boolean>('settings.rateLimits')) {
    if (minute.used > steady) throw throttled(minute.reset);
    if (second.used > burst) throw throttled(second.reset);
  }
  return {
    'ratelimit-limit': String(steady),
    'ratelimit-remaining': String(Math.max(0, steady - minute.used)),
    'ratelimit-reset': String(minute.reset),
  };
}

function throttled(seconds: number): KlaviyoRefusal {
  return new KlaviyoRefusal(
    429,
    'throttled',
    `Request was throttled. Expected available in ${seconds} seconds.`,
    {
      headers: { 'retry-after': String(seconds) },
    },
  );
}
