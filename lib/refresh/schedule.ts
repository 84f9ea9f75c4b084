import type { Tokens } from '../../providers/provider.ts';

const MINUTE = 60_000;
/** Three firings of the cron, and no less than five minutes. */
const MARGIN = 5 * MINUTE;
/** The part of a lifetime over which refreshes are spread, so that no herd comes due at once. */
const SPREAD = 0.1;
/** A token that can be renewed and does not say how long it lives is taken to live an hour. */
const USUAL_LIFETIME = 3_600;

/** When an access token ends, or undefined where it has no end. `now` in milliseconds since 1970. */
export function expiryOf(tokens: Tokens, isRenewable: boolean, now: number): Date | undefined {
  const seconds = tokens.expiresIn ?? (isRenewable ? USUAL_LIFETIME : undefined);
  return seconds === undefined ? undefined : new Date(now + seconds * 1000);
}

/**
 * When an access token is due to be renewed: early enough for three tries by the cron, and at a random point of
 * the last tenth before that. Half of a short life is lived first. `random` is in [0, 1).
 */
export function dueAt(
  { expiresAt, everySeconds }: { expiresAt: Date; everySeconds: number | undefined },
  now: number,
  random: number,
): Date {
  const life = Math.max(0, expiresAt.getTime() - now);
  const last = life - Math.min(MARGIN, life / 2);
  const latest = everySeconds === undefined ? last : Math.min(last, everySeconds * 1000);
  return new Date(now + latest - random * SPREAD * latest);
}

const FIRST_RETRY = MINUTE;
const LAST_RETRY = 15 * MINUTE;

/** When to try again after `failures` in a row: exponential with full jitter, never sooner than a quarter. */
export function retryAt(failures: number, now: number, random: number): Date {
  const most = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(failures, 10));
  return new Date(now + most * (0.25 + 0.75 * random));
}
