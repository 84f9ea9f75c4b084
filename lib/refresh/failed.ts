import { sql } from 'kysely';
import { onceRenewed } from '../connections/check-times.ts';
import { deathSets, deathTables, toldOfDeath } from '../connections/death.ts';
import { databaseNow } from '../database-clock.ts';
import { announce, type WithNotices } from '../notices.ts';
import type { Services } from '../services.ts';
import type { Claimed } from './claim.ts';
import type { Outcome } from './outcome.ts';
import { retryAt } from './schedule.ts';
import { isLimitShared } from './shared-limit.ts';
import { heardOf } from './unheard.ts';

export type Failure =
  | Exclude<Outcome, { outcome: 'renewed' }>
  | { outcome: 'unopenable'; reason: string }
  /** A mistake in our own code. */
  | { outcome: 'fault'; reason: string };

/** Seconds for which nobody else is tried once our client was refused: less than until the next firing of the cron. */
const PAUSE_SECONDS = 50;
/** Refusals in a row, of that many connections, that are no longer one connection's own fault. */
export const REFUSALS = 2;
/**
 * After this long without another refusal an outage of our client's is over, whoever has ended it: all who wait for it
 * are tried every quarter of an hour.
 */
const OUTAGE = sql`interval '1 hour'`;
/** SQL: whether a provider, as its state `s` tells, refuses our client, and not one connection alone. */
export const isOutage = sql<boolean>`(s.refusals >= ${REFUSALS} and s.paused_until > now() - ${OUTAGE})`;
/** Within which another connection's refresh shows that our client is in order. */
const WELL = sql`interval '2 hours'`;

/**
 * Tells the row of a refresh that came to nothing, and the provider's state where it concerns all its connections;
 * one statement. A dead grant is told once, and never asked about again. `isUnheard` where tokens may have come of it.
 */
export async function writeFailure(
  services: Services,
  row: Claimed,
  failure: Failure,
  { name, isUnheard = false }: { name: string; isUnheard?: boolean },
): Promise<void> {
  const isDead = failure.outcome === 'dead';
  const again = isDead ? null : nextTry(row, failure);
  const isRefused = failure.outcome === 'client_refused';
  const seconds = failure.outcome === 'rate_limited' ? failure.seconds : PAUSE_SECONDS;
  // Our client being wrong takes no access token away: whose is refused, too, is refused for itself.
  const touchesProvider = isRefused
    ? !row.is_refused
    : failure.outcome === 'rate_limited' && isLimitShared(row.provider);
  const message = messageOf(failure, name);
  const error = { code: codeOf(failure), message };
  const sets = isDead
    ? deathSets(error)
    : sql`refresh_at = ${again}::timestamptz, check_at = ${onceRenewed}, lease_id = null, lease_until = null, last_error_code = ${error.code},
        last_error_message = ${error.message}, last_error_at = now(), updated_at = now(),
        unheard_since = case when ${isUnheard} then coalesce(c.unheard_since, now()) else c.unheard_since end`;
  const rows = await services.postgres.rows(sql<WithNotices & { has_opened: boolean | null }>`
    with written as (
      update connections c set failures = c.failures + 1, ${sets}
      where c.id = ${row.connection_id}::uuid and c.version = ${row.version} and c.lease_id = ${row.lease_id}::uuid
        and c.status = 'connected'
      returning c.id, c.provider, c.tenant_id, c.heard_by, c.user_id, c.brand_id, c.account_id, c.grant_id
    ),
    ${heardOf({ ...row, isHeard: !isUnheard && row.unheard_since === null })},
    dead as (select * from written where ${isDead}),
    ${deathTables(sql`dead`, sql`'grant_ended'`)},
    -- A shop that refuses us again and again while others are renewed says nothing of our client.
    alone as (
      select 1 from written w where ${isRefused && row.last_error_code === 'client_refused'} and case
        -- While all are refused there may be none, and looking for one would read them all.
        when exists (select from provider_states p where p.provider = w.provider and p.refusals >= ${REFUSALS}) then false
        else exists (
          select from connections o where o.provider = w.provider and o.status <> 'disconnected' and o.id <> w.id
            and o.last_refreshed_at > now() - ${WELL}
        ) end
    ),
    state as (
      insert into provider_states as s (provider, paused_until, reason, refusals, since)
      select w.provider,
        case when ${!isRefused} or ${REFUSALS} <= 1 then now() + make_interval(secs => ${seconds}) end,
        ${isRefused ? 'client_refused' : 'rate_limited'}, ${isRefused ? 1 : 0}, case when ${isRefused} then now() end
      from written w where ${touchesProvider} and not exists (select from alone)
      on conflict (provider) do update set
        (paused_until, reason, refusals, since) = (
          -- Whoever asks for the longer pause has it.
          select greatest(n.before, n.pause),
            case when n.pause is null and n.before is not null or n.before > n.pause then s.reason else excluded.reason end,
            n.refusals, case when ${isRefused} and n.refusals = 1 then now() else s.since end
          from (
            select m.before, m.refusals,
              case when ${!isRefused} or m.refusals >= ${REFUSALS} then now() + make_interval(secs => ${seconds}) end as pause
            from (
              select case when not o.is_over then s.paused_until end as before,
                excluded.refusals + case when o.is_over then 0 else s.refusals end as refusals
              from (select coalesce(s.paused_until < now() - ${OUTAGE}, false) as is_over) o
            ) m
          ) n
        )
      returning s.refusals = ${REFUSALS} as has_opened
    )
    select (select has_opened from state) as has_opened, ${toldOfDeath} as told from written`);
  await announce(services, rows[0]);
  // Once an outage, at its beginning.
  if (isRefused && rows[0]?.has_opened) {
    console.error(
      JSON.stringify({
        level: 'error',
        event: 'provider_client_refused',
        provider_id: row.provider,
        reason: failure.reason,
        action: `check ${row.provider.toUpperCase()}_CLIENT_ID and ${row.provider.toUpperCase()}_CLIENT_SECRET`,
      }),
    );
  }
}

function nextTry(row: Claimed, failure: Failure): Date {
  const now = databaseNow(row.claimed);
  const random = Math.random();
  return failure.outcome === 'rate_limited'
    ? new Date(now + failure.seconds * 1000 * (1 + random / 10))
    : retryAt(row.failures, now, random);
}

function codeOf(failure: Failure): string {
  switch (failure.outcome) {
    case 'dead':
      return 'invalid_credential';
    case 'client_refused':
      return 'client_refused';
    case 'rate_limited':
      return 'rate_limited';
    case 'down':
    case 'unknown':
    case 'unreadable':
      return 'provider_error';
    case 'unopenable':
    case 'fault':
      return 'unavailable';
  }
}

function messageOf(failure: Failure, name: string): string {
  switch (failure.outcome) {
    case 'dead':
      return `${name} has ended this access. Connect ${name} again.`;
    case 'client_refused':
      return `${name} refuses Reeve’s own app at the moment. Nothing is lost, and nothing is for you to do.`;
    case 'rate_limited':
      return `${name} is limiting requests. The access is renewed as soon as it lets us.`;
    case 'down':
      return `${name} could not renew the access. It is tried again.`;
    case 'unknown':
      return `${name} did not answer when the access was to be renewed. It is tried again.`;
    case 'unreadable':
      return `${name} gave an answer that could not be used when the access was to be renewed. It is tried again.`;
    case 'unopenable':
      return 'The sealed credential could not be opened. Whoever runs Reeve is told; it is tried again.';
    case 'fault':
      return 'A fault of Reeve’s own kept the access from being renewed. Whoever runs Reeve is told; it is tried again.';
  }
}
