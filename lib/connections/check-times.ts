import { type RawBuilder, sql } from 'kysely';

/**
 * SQL: when a provider is asked next whether a connection works, since a refresh finds out of its grant alone: within a
 * day, at a random hour, so that no herd comes due at once. Zendesk's old API tokens are switched off after 30 days
 * without use, and no provider's budget is touched by one question a day.
 */
export const nextCheck = sql`(now() + interval '20 hours' + random() * interval '2 hours')`;

/** SQL: when one that works again is asked once more: its grant may just have been ended by who lived on it meanwhile. */
export const afterRevival = sql`(now() + interval '2 minutes')`;

/** SQL: when it is asked again where it did not say. */
export const nextTry = sql`(now() + interval '1 hour')`;

/**
 * SQL: `next`, unless somebody who has heard of its end has made a connection `c` due meanwhile: what was asked before
 * says nothing of that.
 */
export const unlessDue = (next: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`case when c.check_at <= now() then c.check_at else ${next} end`;

/** SQL: when it is asked where its owner is not there: until it is ended, or they have come back. */
export const soon = sql`(now() + interval '1 minute')`;

/** SQL: when a connection `c` is asked about that has just been renewed, or tried to be, and was due meanwhile. */
export const onceRenewed = sql`case when c.check_at <= now() then ${soon} else c.check_at end`;
