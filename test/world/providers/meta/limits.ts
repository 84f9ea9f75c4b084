import type { SimulatorContext } from '../../simulator.ts';
import { GraphError } from './errors.ts';

/** docs/graph-api/overview/rate-limiting and docs/marketing-api/overview/rate-limiting. */
const THROTTLES: Record<number, { message: string; subcode?: number }> = {
  4: { message: '(#4) Application request limit reached' },
  17: { message: '(#17) User request limit reached', subcode: 2446079 },
  32: { message: '(#32) Page request limit reached' },
  341: { message: '(#341) Application limit reached' },
  613: {
    message: '(#613) There have been too many calls from this ad-account. Please wait a bit and try again.',
    subcode: 1487742,
  },
  80000: { message: '(#80000) There have been too many calls from this ad-account.', subcode: 2446079 },
  80004: { message: '(#80004) There have been too many calls to this ad-account.', subcode: 2446079 },
};

interface Throttle {
  code: number;
  /** 400 unless this says otherwise; 403 and 429 are seen too. */
  status?: number;
  /** Until the allowance comes back. */
  minutes?: number;
}

/**
 * How much of the allowance is used, in the headers of the kind of call it is: there is no Retry-After.
 * `settings.throttle` refuses every call that a token makes.
 */
export function usageOf({ store, client }: SimulatorContext, adAccount: string | undefined) {
  const throttle = store.get<Throttle>('settings.throttle');
  const percent = throttle ? 100 : 3;
  const minutes = throttle ? (throttle.minutes ?? 5) : 0;
  const ads = adAccount !== undefined || (throttle !== undefined && ![4, 32, 341].includes(throttle.code));
  const headers: Record<string, string> = ads
    ? {
        'x-business-use-case-usage': JSON.stringify({
          [adAccount ?? client.id]: [
            {
              type: throttle?.code === 80000 ? 'ads_insights' : 'ads_management',
              call_count: percent,
              total_cputime: percent,
              total_time: percent,
              estimated_time_to_regain_access: minutes,
              ads_api_access_tier: 'development_access',
            },
          ],
        }),
        'x-ad-account-usage': JSON.stringify({
          acc_id_util_pct: percent,
          reset_time_duration: minutes * 60,
          ads_api_access_tier: 'development_access',
        }),
      }
    : {
        'x-app-usage': JSON.stringify({ call_count: percent, total_time: percent, total_cputime: percent }),
      };
  const known = throttle && (THROTTLES[throttle.code] ?? { message: `(#${throttle.code}) Limit reached` });
  const refusal =
    known && new GraphError({ code: throttle.code, ...known, status: throttle.status ?? 400, headers });
  return { headers, refusal };
}
