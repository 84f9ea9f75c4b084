import { sql } from 'kysely';

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/**
 * Seconds that are waited at most after each attempt that failed: an agent that was away for an hour is told
 * everything within five minutes of its return, and one that is away for days is not asked more than it must.
 */
export const WAITS = [
  10,
  30,
  MINUTE,
  2 * MINUTE,
  ...Array<number>(24).fill(5 * MINUTE),
  ...Array<number>(4).fill(HOUR / 2),
  ...Array<number>(3).fill(2 * HOUR),
  ...Array<number>(3).fill(6 * HOUR),
  ...Array<number>(2).fill(12 * HOUR),
];

/** How often an event is told the agent at most, unless somebody asks for more. */
export const ATTEMPTS = WAITS.length + 1;

/**
 * Seconds until an event is told again after `attempts`; undefined after the last. Between half and all of what is
 * waited at most, so that twenty-four times five minutes are never less than an hour. `random` is in [0, 1).
 */
export function waitAfter(attempts: number, random: number): number | undefined {
  const most = WAITS[attempts - 1];
  return most === undefined ? undefined : Math.ceil(most * (0.5 + random / 2));
}

/** Of events that wait for want of an agent, until infinity, as the index `events_waiting` has it. */
export const isWaiting = sql`status = 'pending' and last_error = 'no agent'`;
