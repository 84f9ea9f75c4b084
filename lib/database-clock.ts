/** What PostgreSQL's clock said, and when, by ours, it was asked. */
export interface ClockReading {
  at: Date;
  /** Milliseconds since 1970. */
  askedAt: number;
}

/**
 * What PostgreSQL's clock says now, in milliseconds since 1970. All times in rows are compared with that clock; ours
 * may be minutes off.
 */
export function databaseNow({ at, askedAt }: ClockReading): number {
  return at.getTime() + (Date.now() - askedAt);
}
