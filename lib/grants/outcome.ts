import { sql } from 'kysely';
import { REFRESH_UNHEARD } from '../refresh/unheard.ts';
import type { Services } from '../services.ts';
import { clientOfGrant, hasTokensOfKey } from './revocable.ts';
import type { RevocationRow } from './revocation.ts';

/** What came of ending tokens. */
export type Ended =
  /** The provider has confirmed that the whole grant is over, or that this token is. */
  | 'grant'
  /** Nobody lives on the grant, and the provider says that this token of it had ended before. */
  | 'gone'
  | 'token'
  /** There is nothing that we could end. */
  | 'nothing'
  /** A living connection holds the very token. */
  | 'held'
  /** It goes with the grant, on which somebody lives. */
  | 'waits'
  /** It is tried again. */
  | 'pending';

/** The same as it is written down; why it is tried again is for the operator. */
export type Outcome = Exclude<Ended, 'pending'> | { failed: string };

/** SQL: whether an attempt to end `row` may have been carried out before, unheard: who came to its grant may have lost it. */
const mayBeOver = sql`coalesce(row.last_error_code ~ '^(timeout|network|status_5\\d\\d)$', false)`;

const ACTIONS = {
  grant: 'revoked',
  gone: 'revoked',
  token: 'token_revoked',
  nothing: 'nothing_to_end',
  held: 'token_held',
} as const;

/**
 * Writes down what came of a row of `revocations`: it goes, waits or is tried again, and its grant is free or over. How
 * many are still to be ended before it can be said to be: where this one was found gone, those beside it that nobody has
 * tried yet, since a sign-in has just brought them or they have waited for the grant's end; of a key, the connection's
 * others; where nobody lives on the grant by now, itself.
 */
export async function writeOutcome(
  { postgres }: Services,
  row: RevocationRow,
  outcome: Outcome,
): Promise<number> {
  const free = sql`
    update grants g set ending_until = null, ending_by = null from row
    where g.provider = row.provider and g.identity = row.grant_id and g.ending_by = ${row.id}::uuid`;
  if (typeof outcome === 'object') {
    await postgres.rows(sql`
      with row as (
        update revocations set under_way_until = null, last_error_code = ${outcome.failed},
          unheard_since = case
            when ${outcome.failed === REFRESH_UNHEARD} then coalesce(unheard_since, now()) else unheard_since
          end,
          give_up_at = least(give_up_at, now() + interval '24 hours')
        where id = ${row.id}::uuid returning provider, grant_id
      ) ${free}`);
    return 0;
  }
  if (outcome === 'waits') {
    // Whoever lived on it may have left since that was counted: then it is tried again instead, and at once. Otherwise it
    // is looked at each day, for those who live on its grant may have died without a word.
    const [held] = await postgres.rows(sql<{ others: number }>`
      with row as (select * from revocations where id = ${row.id}::uuid),
      held as materialized (
        select h.others from row
        cross join lateral hold_grant(row.provider, row.grant_id, ${clientOfGrant('row')}, null, row.credential_id, null, null) h
      ),
      written as (
        update revocations r set last_error_code = 'grant_in_use', under_way_until = null,
          give_up_at = case when held.others > 0 then 'infinity' else least(give_up_at, now() + interval '24 hours') end,
          attempts = case when held.others > 0 then 0 else attempts end,
          next_attempt_at = case when held.others > 0 then least(
            now() + (0.9 + random() / 10) * interval '1 day',
            case when refresh_token is null then greatest(expires_at, now()) + interval '1 minute' end
          ) else now() end
        from held where r.id = ${row.id}::uuid
      ),
      freed as (${free}),
      late as (
        update connections c set check_at = now() from row
        where ${mayBeOver} and c.provider = row.provider and c.grant_id = row.grant_id and c.status = 'connected'
      )
      select others from held`);
    return held?.others === 0 ? 1 : 0;
  }
  const isOfKey = hasTokensOfKey(row.provider);
  // Of a key only this one token has ended, and it has others, those of a key before it among them; of a grant those that
  // were tried already have come to their own word.
  const isBeside = isOfKey
    ? sql`
      r.connection_id = ${row.connection_id}::uuid
      and coalesce(r.credential_id <> (select credential_id from row), true)`
    : sql`
      r.grant_id = ${row.grant_id} and r.client_id is not distinct from ${row.client_id}
      and (r.give_up_at = 'infinity' or r.attempts = 0)`;
  const isTheirTurn = outcome === 'gone' || (outcome === 'nothing' && row.others === 0);
  const [written] = await postgres.rows(sql<{ waiting: number }>`
    with row as (delete from revocations where id = ${row.id}::uuid returning *),
    grant_over as (
      insert into grants (provider, identity, ended_at)
      select row.provider, row.grant_id, now() from row where ${outcome === 'grant'} and row.grant_id is not null
      on conflict (provider, identity) do update set ended_at = excluded.ended_at, ending_until = null, ending_by = null
    ),
    -- Whoever has come to it all the same is asked about.
    late as (
      update connections c set check_at = now() from row
      where (${outcome === 'grant' || outcome === 'gone'} or ${mayBeOver}) and c.provider = row.provider
        and c.grant_id = row.grant_id and c.status = 'connected'
    ),
    freed as (${free} and ${outcome !== 'grant'}),
    -- What has waited for the end of the grant has ended with it.
    along as (
      delete from revocations where id in (
        select r.id from revocations r join row on row.provider = r.provider and row.grant_id = r.grant_id
        where ${outcome === 'grant'} and r.give_up_at = 'infinity' and r.id <> row.id
          and r.client_id is not distinct from row.client_id for update of r skip locked
      )
    ),
    -- Of the end of one token it has not, nor of what nothing came of: each is tried for itself.
    due as (
      update revocations r set next_attempt_at = now() from row
      where ${isTheirTurn} and row.provider = r.provider and row.grant_id = r.grant_id
        and r.give_up_at = 'infinity' and r.id <> row.id
    ),
    audit as (
      insert into audit_log (tenant_id, user_id, brand_id, connection_id, provider, action, detail)
      select tenant_id, user_id, brand_id, connection_id, provider, ${ACTIONS[outcome]},
        jsonb_build_object('account_id', account_id)
      from row
    )
    select case when ${outcome === 'gone' || (outcome === 'grant' && isOfKey)} then count(*) else 0 end::integer as waiting
    from revocations r
    where r.provider = ${row.provider} and r.id <> ${row.id}::uuid and ${isBeside}
      -- What soon ends by itself is not waited for.
      and coalesce(r.refresh_token is not null or r.expires_at > now() + interval '1 hour', true)`);
  return written?.waiting ?? 0;
}
