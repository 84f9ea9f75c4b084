import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { providers } from '../../providers/index.ts';
import type { Config } from '../../providers/provider.ts';
import { nextCheck, unlessDue } from '../connections/check-times.ts';
import { isOwned } from '../connections/living.ts';
import type { SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { isStillOwned } from '../connections/still-owned.ts';
import type { ClockReading } from '../database-clock.ts';
import { endsTokens, hasOwnToken } from '../grants/revocable.ts';
import { notHeard } from '../grants/revocation.ts';
import type { Services } from '../services.ts';
import { strict } from './unheard.ts';

/** Long enough for the token call, the commit and their retries; who holds a lease starts nothing in its last part. */
export const LEASE_SECONDS = 60;
export const LEASE_RESERVE_MS = 30_000;

/** What has lost its owner is soon ended, or its owner has come back. */
const LOST_SECONDS = 60;

/** How long what a vanished holder may have left in the queue is waited for, where a token cannot be asked twice. */
const SETTLING_SECONDS = 120;

/** Of these each connection has a token of its own, which lives on where its answer is lost, and nobody ends it. */
const leavesLoose = providers.filter((each) => hasOwnToken(each) && endsTokens(each)).map(({ id }) => id);

/** A connection that is ours alone to refresh until `leaseEnds`. */
export interface Claimed extends SealedRow {
  account_id: string;
  grant_id: string;
  config: Config;
  expires_at: Date | null;
  reauthorize_by: Date | null;
  failures: number;
  last_error_code: string | null;
  client_id: string | null;
  unheard_since: Date | null;
  previous_refresh_token: Uint8Array | null;
  lease_id: string;
  /** When it was due before. */
  was_due: Date | null;
  /** The provider does not take its access token, whatever is left of that. */
  is_refused?: boolean;
  /** Its access token has a while to live: that no other could be had now is not worth a word. */
  is_asked?: boolean;
  claimed: ClockReading;
  /** Milliseconds since 1970, by our clock. */
  leaseEnds: number;
}

/**
 * Takes connections that are due, the longest waiting first and `limit` at most: one statement, in which of all who
 * ask at once one gets each. A lease that ran out is somebody who vanished; where a token works once, what they
 * may have got is waited for first. `version` takes what still stands as its user has seen it, due or not, unless
 * the provider has asked to wait.
 * Where somebody has made due what has ended, that is undone: a grant that is over is not asked about again.
 */
export async function claim(
  { postgres }: Services,
  ids: readonly string[],
  { limit, version }: { limit: number; version?: number },
): Promise<Claimed[]> {
  const leaseId = uuidv7();
  const asked = Date.now();
  const isDue =
    version === undefined
      ? sql`c.refresh_at <= now()`
      : sql`c.version = ${version}::integer and not ${isLimited}`;
  const rows = await postgres.rows(sql<
    Omit<Claimed, 'claimed' | 'leaseEnds'> & { claimed_at: Date; is_left: boolean }
  >`
    with ended as (
      update connections c set refresh_at = null
      where c.id = any (${ids}::uuid[]) and c.refresh_at is not null and (c.status <> 'connected' or c.credential is null)
    ),
    -- What has lost its owner keeps nobody waiting until the sweep has ended it.
    lost as (
      update connections c set refresh_at = now() + make_interval(secs => ${LOST_SECONDS})
      where c.id = any (${ids}::uuid[]) and c.refresh_at <= now() and c.status = 'connected' and not ${isOwned('c')}
    ),
    candidate as (
      select c.id, c.refresh_at, c.lease_id is not null as is_left,
        c.lease_id is not null and c.provider = any (${strict}::text[]) as is_settling
      from connections c
      where c.id = any (${ids}::uuid[]) and ${isDue} and c.status = 'connected' and c.credential is not null
        and ${isOwned('c')}
        and (c.lease_until is null or c.lease_until <= now())
        and not exists (
          select from provider_states s where s.provider = c.provider and s.paused_until > now()
        )
      order by c.refresh_at limit ${limit}
      for update of c skip locked
    ),
    settling as (
      update connections c set lease_id = null, lease_until = now() + make_interval(secs => ${SETTLING_SECONDS}),
        refresh_at = now() + make_interval(secs => ${SETTLING_SECONDS}),
        unheard_since = coalesce(c.unheard_since, now())
      from candidate where c.id = candidate.id and candidate.is_settling
    ),
    claimed as (
      update connections c set lease_id = ${leaseId}::uuid,
        lease_until = now() + make_interval(secs => ${LEASE_SECONDS}),
        refresh_at = now() + make_interval(secs => ${LEASE_SECONDS})
      from candidate where c.id = candidate.id and not candidate.is_settling
      returning c.*, candidate.refresh_at as was_due, candidate.is_left
    ),
    -- What an earlier run of this very statement has taken, when its answer was lost.
    mine as (
      select * from claimed
      union all
      select c.*, c.refresh_at, false from connections c
      where c.id = any (${ids}::uuid[]) and c.lease_id = ${leaseId}::uuid
    )
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.credential,
      c.refresh_token, c.previous_refresh_token, c.account_id, c.grant_id, c.config, c.expires_at, c.reauthorize_by,
      c.failures, c.last_error_code, c.unheard_since, c.lease_id, c.was_due, c.is_left, now() as claimed_at, c.client_id, ${dataKeyColumns}
    from mine c left join data_keys k on k.id = c.data_key_id`);
  return rows.map(({ claimed_at, is_left, ...row }) => {
    // Whoever vanished may have had an answer that nobody knows.
    if (is_left && leavesLoose.includes(row.provider)) notHeard(row.provider, row.connection_id);
    return {
      ...row,
      claimed: { at: claimed_at, askedAt: asked },
      leaseEnds: asked + LEASE_SECONDS * 1000,
    };
  });
}

/** Whether whoever has claimed a connection may use it still: its owner may have left while it waited for its turn. */
export function isStillOurs(services: Services, row: Claimed): Promise<boolean> {
  return isStillOwned(services, row.connection_id, row.leaseEnds - LEASE_SECONDS * 1000);
}

/** SQL: whether a connection `c` waits until the provider takes requests for it again. */
export const isLimited = sql<boolean>`
  (c.last_error_code is not distinct from 'rate_limited' and c.refresh_at > now() and c.lease_id is null)`;

/** Gives connections back untouched; the next sweep takes them up. */
export async function release({ postgres }: Services, claimed: readonly Claimed[]): Promise<void> {
  const ids = claimed.map((row) => row.connection_id);
  await postgres.rows(sql`
    update connections set lease_id = null, lease_until = null, refresh_at = now()
    where id = any (${ids}::uuid[]) and lease_id = any (${claimed.map((row) => row.lease_id)}::uuid[])`);
}

/** Gives back a connection that could have waited, as it was but for a refresh that has gone unheard. */
export async function putBack({ postgres }: Services, row: Claimed, isUnheard: boolean): Promise<void> {
  await postgres.rows(sql`
    update connections set lease_id = null, lease_until = null, refresh_at = ${row.was_due}::timestamptz,
      unheard_since = case when ${isUnheard} then coalesce(unheard_since, now()) else unheard_since end
    where id = ${row.connection_id}::uuid and version = ${row.version} and lease_id = ${row.lease_id}::uuid`);
}

/** Gives back a connection that somebody has made due and nothing can renew; it is none the worse for that. */
export async function undue({ postgres }: Services, row: Claimed): Promise<void> {
  await postgres.rows(sql`
    update connections c set lease_id = null, lease_until = null, refresh_at = null, check_at = ${unlessDue(nextCheck)}
    where id = ${row.connection_id}::uuid and version = ${row.version} and lease_id = ${row.lease_id}::uuid`);
}
