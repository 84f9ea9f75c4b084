import type { SimulatorContext } from '../../simulator.ts';
import { refuse } from './door.ts';

const MINUTE = 60_000;

/**
 * The secondary limit for what creates content (rate-limits-for-the-rest-api): 80 requests a minute, unless
 * `settings.contentLimit` says otherwise. The refusal, or nothing.
 */
export function contentLimit({ store, now }: SimulatorContext, login: string): Response | undefined {
  const kept = store.get<{ used: number; since: number }>(`content/${login}`);
  const current = kept && now() - kept.since < MINUTE ? kept : { used: 0, since: now() };
  if (current.used < (store.get<number>('settings.contentLimit') ?? 80)) {
    store.set(`content/${login}`, { ...current, used: current.used + 1 });
    return undefined;
  }
  const message =
    'You have exceeded a secondary rate limit and have been temporarily blocked from content creation. Please retry your request again later.';
  const response = refuse(403, message, '/using-the-rest-api/rate-limits-for-the-rest-api');
  response.headers.set('retry-after', String(Math.ceil((current.since + MINUTE - now()) / 1000)));
  return response;
}
