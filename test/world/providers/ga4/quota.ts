import type { SimulatorContext } from '../../simulator.ts';
import { apiError } from '../google-ads/google.ts';

const HOUR = 3_600_000;
const TOKENS_PER_DAY = 200_000;
const TOKENS_PER_HOUR = 40_000;
/** A project gets 35 % of what a property has. */
const SHARE = 0.35;

/** The tokens of a standard property (data/v1/quotas): each call costs one, and an hour gives them back. */
export function quotaOf({ store, now }: SimulatorContext) {
  const limit = () => store.get<number>('settings.tokensPerHour') ?? TOKENS_PER_HOUR;
  const used = (key: string, span: number) => {
    const kept = store.get<{ window: number; used: number }>(`quota/${key}`);
    return kept?.window === Math.floor(now() / span) ? kept.used : 0;
  };
  const count = (key: string, span: number) =>
    store.set(`quota/${key}`, { window: Math.floor(now() / span), used: used(key, span) + 1 });

  return {
    /** The refusal where a call is one too many. */
    charge(property: string): Response | undefined {
      if (used(`hour/${property}`, HOUR) >= limit()) {
        const message =
          'Exhausted property tokens per hour. These quota tokens will return in under an hour. To learn more, ' +
          'see https://developers.google.com/analytics/devguides/reporting/data/v1/quotas';
        return apiError(429, message);
      }
      count(`hour/${property}`, HOUR);
      count(`day/${property}`, 24 * HOUR);
      return undefined;
    },

    status(property: string) {
      const left = (all: number, key: string, span: number) => ({
        consumed: 1,
        remaining: Math.max(0, Math.floor(all) - used(`${key}/${property}`, span)),
      });
      return {
        tokensPerDay: left(TOKENS_PER_DAY, 'day', 24 * HOUR),
        tokensPerHour: left(limit(), 'hour', HOUR),
        concurrentRequests: { remaining: 10 },
        serverErrorsPerProjectPerHour: { remaining: 10 },
        potentiallyThresholdedRequestsPerHour: { remaining: 120 },
        tokensPerProjectPerHour: left(limit() * SHARE, 'hour', HOUR),
      };
    },
  };
}
