import { type RawBuilder, sql } from 'kysely';
import type { Config, Registered } from '../../providers/provider.ts';
import { isLiving, isOwned } from '../connections/living.ts';
import type { SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { strict, unheardSince } from '../refresh/unheard.ts';
import type { Services } from '../services.ts';
import { mayBeRegistered } from '../webhooks/unregister.ts';
import { clientOfGrant } from './revocable.ts';

/** Half of it at least passes, and the attempt before is over. */
const FIRST_RETRY_SECONDS = 160;
const LAST_RETRY_SECONDS = 3_600;
/** As long as one attempt may take at most: renewing, taking webhooks away, ending, and our statements. */
export const ATTEMPT_SECONDS = 75;

/** Tokens on their way to their end, as their row in `revocations` and its data key tell, and who lives on their grant. */
export type RevocationRow = SealedRow & {
  id: string;
  /** Null while it is not known whose they are; so is the grant. */
  account_id: string | null;
  grant_id: string | null;
  config: Config;
  /** Of our client that they were issued to; null of what was made from a key, and where it is not known. */
  client_id: string | null;
  /** Since when there may be later ones, which nobody has: what the provider says of these says nothing of those. */
  unheard_since: Date | null;
  expires_at: Date | null;
  /** What was registered, where the connection is another account's by now. */
  registered: Registered[] | null;
  /** Connections that live on the grant; null where it is not known. */
  others: number | null;
  /** Those of them that hold the very same token. */
  twins: number | null;
  /** Those of them of which that is not known. */
  unsure: number | null;
  /** Another row's attempt to end the grant is under way. */
  is_ending: boolean | null;
  /** Somebody has the same account by what is known as another key. */
  has_kin: boolean;
  /** Others of its grant and client that end with it and may have webhooks: on their way to their end, or about to be. */
  beside: Beside[];
  /** A refresh of it is under way: what the provider says of the token before says nothing of its grant. */
  is_renewing?: boolean | null;
};

/** Whose webhooks go with another's end: see `unregister`. */
export type Beside = Pick<RevocationRow, 'id' | 'connection_id' | 'registered'>;

/** The columns of `RevocationRow`, of a row `r` of `revocations` and the outcome `held` of `hold_grant`. */
export const revocationColumns = sql`
  r.id, r.connection_id, r.user_id, r.brand_id, r.tenant_id, r.provider, r.account_id, r.grant_id, r.config, r.version,
  r.credential, r.refresh_token, r.client_id, r.unheard_since, r.expires_at, r.registered, held.others, held.twins,
  held.unsure, held.is_ending, exists (
    select from connections o
    where o.provider = r.provider and o.account_id = r.account_id and o.type = 'api_key' and o.grant_id <> r.grant_id
      and ${isLiving('o')}
  ) as has_kin, array(
    select jsonb_build_object('id', b.id, 'connection_id', b.connection_id, 'registered', b.registered)
    from revocations b
    where b.provider = r.provider and b.grant_id = r.grant_id and b.id <> r.id
      and coalesce(b.client_id = r.client_id, true) and b.registered is distinct from '[]'
    union all
    -- The sweep has not come to it yet.
    select jsonb_build_object('id', r.id, 'connection_id', o.id, 'registered', null)
    from connections o join webhooks w on w.connection_id = o.id and ${mayBeRegistered()}
    where o.provider = r.provider and o.grant_id = r.grant_id and o.status <> 'disconnected'
      -- Of one whose earlier tokens these are, its own end has still to come.
      and (o.id <> r.connection_id or r.registered is not null)
      and coalesce(o.client_id = r.client_id, true) and not ${isOwned('o')}
  ) as beside`;

/** How tokens get among those that are to be ended. */
interface Entry {
  id: string | RawBuilder<unknown>;
  /** A table of the statement with rows of `connections`, and its condition. */
  from: RawBuilder<unknown>;
  /** Whether the refresh token goes along: what a key's next token is made with is not needed to end one. */
  keepsRefreshToken: boolean;
  /** Seconds for which somebody is at it already. */
  underWay?: RawBuilder<unknown>;
  attempts?: RawBuilder<unknown>;
  due: RawBuilder<unknown>;
  registered?: RawBuilder<unknown>;
}

/** SQL: takes the tokens of connections `c` among those that are to be ended, sealed as they are. */
export function insertRevocation({
  id,
  from,
  keepsRefreshToken,
  underWay = sql`null::timestamptz`,
  attempts = sql`0`,
  due,
  registered = sql`null::jsonb`,
}: Entry): RawBuilder<unknown> {
  return sql`
    insert into revocations (
      id, connection_id, user_id, brand_id, tenant_id, provider, account_id, grant_id, credential_id, client_id,
      unheard_since, config, version, data_key_id, credential, refresh_token, expires_at, under_way_until, attempts, next_attempt_at, give_up_at, registered
    )
    select ${id}::uuid, c.id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.account_id, c.grant_id, c.credential_id,
      c.client_id, ${unheardSince}, c.config, c.version, c.data_key_id, c.credential, case when ${keepsRefreshToken} then c.refresh_token end, c.expires_at,
      ${underWay}, ${attempts}, ${due}, now() + interval '24 hours', ${registered}
    from ${from}`;
}

/** Whose grant tokens turned out to be of. */
export interface Known {
  grantId: string | undefined;
  accountId: string | undefined;
}

/**
 * Takes tokens that are due, so that no second attempt runs beside it, and holds their grant while it is counted who
 * lives on it; undefined where they are not due, or are kept or ended by now. `isFresh` is for those that a sign-in has
 * just brought, which nobody has been at yet.
 */
export async function claimRevocation(
  { postgres }: Services,
  id: string,
  { known, isFresh = false }: { known?: Known; isFresh?: boolean } = {},
): Promise<RevocationRow | undefined> {
  const isDue = isFresh ? sql`r.attempts = 0 and r.under_way_until is null` : sql`r.next_attempt_at <= now()`;
  const grantId = sql`coalesce(${known?.grantId ?? null}, due.grant_id)`;
  const rows = await postgres.rows(sql<RevocationRow>`
    with due as (select r.* from revocations r where r.id = ${id}::uuid and ${isDue} for update),
    -- One that comes out of the queue before its time is handed to it again once that has come.
    early as (
      update revocations r set handed_at = null
      where r.id = ${id}::uuid and r.handed_at is not null and r.next_attempt_at > now() and not exists (select from due)
    ),
    held as materialized (
      select h.* from due cross join lateral hold_grant(
        due.provider, ${grantId}, ${clientOfGrant('due')}, null, due.credential_id, due.id, ${ATTEMPT_SECONDS}
      ) h where ${grantId} is not null
    ),
    claimed as (
      update revocations r set
        attempts = r.attempts + 1, handed_at = null, grant_id = ${grantId}, account_id = coalesce(${known?.accountId ?? null}, due.account_id),
        under_way_until = now() + make_interval(secs => ${ATTEMPT_SECONDS}),
        -- Whoever was at it before has vanished, maybe between the provider's answer and ours to it.
        unheard_since = case
          when due.under_way_until + interval '5 minutes' >= due.expires_at and due.refresh_token is not null
            and due.provider = any (${strict}::text[]) then coalesce(due.unheard_since, now())
          else due.unheard_since
        end,
        next_attempt_at = now() + make_interval(secs => least(
          ${LAST_RETRY_SECONDS}::float, ${FIRST_RETRY_SECONDS}::float * power(2, least(r.attempts, 10)))
          * (0.5 + random() / 2))
      from due where r.id = due.id
      returning r.*
    )
    select ${revocationColumns}, ${dataKeyColumns}
    from claimed r left join held on true left join data_keys k on k.id = r.data_key_id`);
  return rows[0];
}

/** Tells tokens that are being ended whose grant they are of, and who lives on that. */
export async function identify(
  { postgres }: Services,
  row: RevocationRow,
  { grantId, accountId }: { grantId: string; accountId: string },
): Promise<RevocationRow> {
  const [held] = await postgres.rows(sql<Pick<RevocationRow, 'others' | 'twins' | 'unsure' | 'is_ending'>>`
    with known as (
      update revocations r set grant_id = ${grantId}, account_id = ${accountId} where r.id = ${row.id}::uuid
      returning r.provider, r.client_id, r.credential_id
    )
    select h.others, h.twins, h.unsure, h.is_ending from known cross join lateral hold_grant(
      known.provider, ${grantId}, ${clientOfGrant('known')}, null, known.credential_id, ${row.id}::uuid, ${ATTEMPT_SECONDS}
    ) h`);
  const known = held ?? { others: null, twins: null, unsure: null, is_ending: null };
  return { ...row, grant_id: grantId, account_id: accountId, ...known };
}

/** What was handed to the queue so long ago may have been lost there. */
const HANDED_AGAIN = sql`interval '5 minutes'`;

/**
 * The ids of tokens that are due, those of each provider in turn and the longest waiting first, so that one that is down
 * holds up no other's; each is given once, until it is read in the queue, that this does not fill with what waits there
 * already. Those past their last day are given up, loudly.
 */
export async function dueRevocations({ postgres }: Services, limit: number): Promise<string[]> {
  const rows = await postgres.rows(sql<{
    id: string;
    given_up: boolean;
    provider: string;
    connection_id: string;
  }>`
    with given_up as (
      delete from revocations where give_up_at <= now() and give_up_at <> 'infinity' returning *
    ),
    audit as (
      insert into audit_log (tenant_id, user_id, brand_id, connection_id, provider, action, detail)
      select tenant_id, user_id, brand_id, connection_id, provider, 'revocation_given_up',
        jsonb_build_object('error', last_error_code)
      from given_up
    ),
    -- What has waited with them is tried for itself.
    awaited as (
      update revocations r set next_attempt_at = now() from given_up g
      where r.provider = g.provider and r.grant_id = g.grant_id and r.give_up_at = 'infinity'
    ),
    due as (
      select each.id from (
        select r.id, row_number() over (partition by r.provider order by r.next_attempt_at) as turn from revocations r
        where r.next_attempt_at <= now() and r.id not in (select id from given_up)
          and (r.handed_at is null or r.handed_at < now() - ${HANDED_AGAIN})
      ) each order by each.turn limit ${limit}
    ),
    handed as (
      update revocations r set handed_at = now() from due where r.id = due.id
      returning r.id, false as given_up, r.provider, r.connection_id
    )
    select * from handed
    union all
    select id, true, provider, connection_id from given_up`);
  for (const row of rows) if (row.given_up) notDiscarded(row.provider, row.connection_id);
  return rows.filter((row) => !row.given_up).map((row) => row.id);
}

/** The loud line of a request for tokens that may have brought some, of which nobody has heard. */
export function notHeard(provider: string, connectionId: string | undefined): void {
  console.error(
    JSON.stringify({
      level: 'error',
      event: 'tokens_unheard',
      provider_id: provider,
      ...(connectionId !== undefined && { connection_id: connectionId }),
    }),
  );
}

/** The loud line of a token that lives at the provider and that nobody here can end any more. */
export function notDiscarded(provider: string, connectionId: string | undefined): void {
  console.error(
    JSON.stringify({
      level: 'error',
      event: 'token_not_discarded',
      provider_id: provider,
      ...(connectionId !== undefined && { connection_id: connectionId }),
    }),
  );
}
