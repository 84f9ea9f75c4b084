import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Config, Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { type DataKey, generateDataKey, openDataKey, type WrappedDataKey } from '../data-keys.ts';
import { PostgresUnavailable } from '../database.ts';
import { seal } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { notice } from '../notices.ts';
import { Problem, unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import { mayBeRegistered } from '../webhooks/unregister.ts';
import { grantsLock } from './grants-lock.ts';
import { insertDataKey } from './insert-data-key.ts';
import { isRevocable } from './revocable.ts';
import { type ConnectionRow, connectionColumns, type MaybeConnection } from './row.ts';
import { isSealing } from './same-sealing.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { toUnsettled, type Unsettled } from './unsettled.ts';
import type { Verified } from './verify.ts';

/** A credential that the provider has accepted, ready to be sealed. */
export interface Keepable extends Verified {
  credential: string;
  /** What the next credential is asked with. */
  refreshToken?: string | undefined;
  expiresAt?: Date | undefined;
  /** When it is due to be renewed; absent where it cannot be. */
  refreshAt?: Date | undefined;
  refreshTokenExpiresAt?: Date | undefined;
  config: Config;
  grantId: string;
  /** When the grant was given at the earliest, for tokens, by PostgreSQL's clock: what ends it later ends them. */
  grantedAt?: Date | undefined;
}

/** PostgreSQL did not say whether it has written the row; the token in it is neither kept nor lost. */
export class UnknownOutcome extends Problem {
  readonly token: Unsettled;

  constructor(cause: PostgresUnavailable, token: Unsettled) {
    super('unavailable', 'It is not clear yet whether this was done. Look at your connectors in a moment.', {
      retryAfter: 30,
      reason: `${cause.reason}, outcome unknown`,
    });
    this.token = token;
  }
}

/** The key that a tenant's next secret is sealed with; `row` where it is new and not stored yet. */
export type SealingKey = DataKey & { row?: WrappedDataKey };

const ATTEMPTS = 3;

/** The tenant's current data key, or its first: at most one call to KMS. */
export async function sealingKey({ kms }: Services, snapshot: Snapshot): Promise<SealingKey> {
  try {
    return snapshot.dataKey
      ? await openDataKey(snapshot.dataKey, kms, Date.now())
      : await generateDataKey(snapshot.scope.tenantId, 1, kms, Date.now());
  } catch (error) {
    if (error instanceof KmsRefusal) throw unavailable(`data key ${snapshot.dataKey?.id} refused by kms`, 60);
    throw error;
  }
}

/**
 * Seals a verified credential and makes the connection, or replaces the one that stands there: one statement,
 * guarded by session, brand and version, begun again where another change came between. Throws
 * `account_mismatch` where a live connection speaks for another account and `replace` is not set, and
 * `UnknownOutcome` where PostgreSQL does not tell.
 */
export async function keep(
  services: Services,
  caller: Caller,
  provider: Provider,
  keepable: Keepable,
  options: { snapshot: Snapshot; key?: SealingKey; replace: boolean },
): Promise<{ row: ConnectionRow; replaced: boolean }> {
  let { snapshot } = options;
  let key = options.key;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    requireSameAccount(provider, snapshot, keepable, options.replace);
    key ??= await sealingKey(services, snapshot);
    const row = await write(services, caller, provider, keepable, snapshot, key);
    if (row) return { row, replaced: isLive(snapshot) };
    const wasLive = isLive(snapshot);
    snapshot = await readSnapshot(services, caller, provider.id);
    // Disconnected meanwhile: the grant, and what we hold of it, may have ended with that.
    if (wasLive && !isLive(snapshot)) break;
    key = undefined;
  }
  throw new Problem(
    'in_progress',
    'This connection is being changed by another request. Try again in a moment.',
  );
}

/** Nobody but its tenant opens what was sealed. */
const sameAccount = sql`
  tenant_id = excluded.tenant_id, updated_at = clock_timestamp(),
  secret = case when w.tenant_id = excluded.tenant_id and w.data_key_id is not null then w.secret end,
  data_key_id = case when w.tenant_id = excluded.tenant_id then w.data_key_id end`;

const anotherAccount = sql`
  tenant_id = excluded.tenant_id, secret = null, data_key_id = null, status = 'none', error = null,
  registered = '[]', watched = '{}', facts = '{}', routes = '{}', past_routes = w.past_routes || w.routes,
  complete_until = null, lease_id = null, updated_at = now()`;

function isLive({ existing }: Snapshot): boolean {
  return existing !== undefined && existing.status !== 'disconnected';
}

/** A live connection is pinned to its account. */
function requireSameAccount(
  provider: Provider,
  snapshot: Snapshot,
  { account }: Keepable,
  replace: boolean,
): void {
  if (replace || !isLive(snapshot) || snapshot.existing?.accountId === account.id) return;
  throw new Problem(
    'account_mismatch',
    `You are connected to another ${provider.name} account. Sign in to that account, disconnect it first, or connect again and choose to replace it.`,
  );
}

async function write(
  { postgres }: Services,
  caller: Caller,
  provider: Provider,
  keepable: Keepable,
  snapshot: Snapshot,
  key: SealingKey,
): Promise<ConnectionRow | undefined> {
  const { scope, existing } = snapshot;
  // A connection that ended does not come back: whoever knows its id knows something that is over.
  const id = existing && isLive(snapshot) ? existing.id : uuidv7();
  const version = (existing?.version ?? 0) + 1;
  const binding = { ...scope, connectionId: id, provider: provider.id, version };
  const credential = await seal(keepable.credential, key.key, key.id, { ...binding, field: 'credential' });
  const refreshToken =
    keepable.refreshToken === undefined
      ? null
      : await seal(keepable.refreshToken, key.key, key.id, { ...binding, field: 'refresh_token' });
  const { row: newKey } = key;

  const detail = sql`jsonb_build_object('account_id', n.account_id, 'replaced', ${isLive(snapshot)}::boolean,
    'retired_revocation', (select id from retired))`;
  const statement = sql<ScopeRow & MaybeConnection>`
    with ${callerTables(caller)},
    new_key as (${insertDataKey(newKey, sql<boolean>`exists (select from scope where scope.tenant_id = ${scope.tenantId})`)}),
    target as (
      select scope.* from scope
      where scope.tenant_id = ${scope.tenantId} and (
        -- The tenant's newest: one that is being rotated out seals nothing more.
        ${key.id}::uuid = (
          select newest.id from data_keys newest where newest.tenant_id = scope.tenant_id
          order by newest.generation desc limit 1
        )
        or exists (select from new_key)
      )
      -- A grant that is being ended, or has been since we asked for the tokens, takes them with it; and what was
      -- given up as lost is not written late.
      and not exists (
        select from revocations r where r.provider = ${provider.id} and (
          (r.grant_id = ${keepable.grantId} and r.under_way_until > now())
          or (r.connection_id = ${id} and r.version = ${version}::integer)
        )
      )
      and not exists (
        select from audit_log a where a.provider = ${provider.id} and a.action = 'revoked'
          and a.detail ->> 'account_id' = ${keepable.account.id} and a.at > ${keepable.grantedAt ?? null}::timestamptz
      )
    ),
    written as (
      insert into connections as c (
        id, user_id, brand_id, tenant_id, provider, type, status, account_id, account_name, grant_id, scopes,
        missing_scopes, config, version, data_key_id, credential, refresh_token, expires_at, refresh_token_expires_at,
        refresh_at, reauthorize_by
      )
      select ${id}, target.user_id, target.brand_id, target.tenant_id, ${provider.id}, ${provider.auth.type},
        'connected', ${keepable.account.id}, ${keepable.account.name}, ${keepable.grantId}, ${keepable.scopes ?? []}::text[],
        ${keepable.missing}::text[], ${JSON.stringify(keepable.config)}::jsonb, ${version}::integer, ${key.id}::uuid,
        ${credential}::bytea, ${refreshToken}::bytea, ${keepable.expiresAt ?? null}::timestamptz,
        ${keepable.refreshTokenExpiresAt ?? null}::timestamptz, ${keepable.refreshAt ?? null}::timestamptz, ${keepable.endsAt ?? null}::timestamptz
      from target
      on conflict (user_id, brand_id, provider) do update set
        id = excluded.id, tenant_id = excluded.tenant_id, type = excluded.type, status = excluded.status,
        account_id = excluded.account_id, account_name = excluded.account_name,
        grant_id = excluded.grant_id, scopes = excluded.scopes, missing_scopes = excluded.missing_scopes, config = excluded.config, version = excluded.version,
        data_key_id = excluded.data_key_id, credential = excluded.credential,
        refresh_token = excluded.refresh_token, expires_at = excluded.expires_at,
        refresh_token_expires_at = excluded.refresh_token_expires_at, refresh_at = excluded.refresh_at,
        reauthorize_by = excluded.reauthorize_by, expiring_told = null, previous_refresh_token = null, lease_id = null,
        lease_until = null, failures = 0, last_refreshed_at = null, last_error_code = null, last_error_message = null, last_error_at = null,
        connected_at = now(), updated_at = now()
      where c.id = ${existing?.id ?? null}::uuid and c.version = ${existing?.version ?? null}::integer
      returning ${connectionColumns}, c.grant_id, c.tenant_id
    ),
    -- What an earlier run of this very statement has written, when its answer was lost.
    standing as (
      select ${connectionColumns}, c.grant_id, c.tenant_id from connections c, scope
      where c.id = ${id} and ${isSealing(sql`c.credential`, credential)}
    ),
    retired as (
      insert into revocations (
        id, connection_id, user_id, brand_id, tenant_id, provider, account_id, grant_id, config, version, data_key_id,
        credential, refresh_token, expires_at, next_attempt_at, give_up_at, registered
      )
      select ${uuidv7()}, old.id, old.user_id, old.brand_id, old.tenant_id, old.provider, old.account_id, old.grant_id,
        old.config, old.version, old.data_key_id, old.credential,
        case when ${provider.auth.type === 'oauth'} then old.refresh_token end, old.expires_at,
        -- Whoever registers webhooks there at the moment is waited for.
        case when w.lease_id is not null then least(greatest(w.check_at, now()), now() + interval '2 minutes')
          else now() end,
        now() + interval '24 hours', coalesce(w.registered, '[]')
      from connections old join written on written.id = old.id and old.version = ${existing?.version ?? null}::integer
        left join webhooks w on w.connection_id = old.id
      where ${isLive(snapshot)} and old.credential is not null and old.grant_id <> written.grant_id and (
        (${isRevocable(provider, sql`old.config`)} and not exists (
          select from connections other
          where other.provider = old.provider and other.grant_id = old.grant_id
            and other.status <> 'disconnected' and other.id <> old.id
        ))
        or ${mayBeRegistered()}
      )
      returning id
    ),
    hooks as (
      insert into webhooks as w (connection_id, provider, status, tenant_id)
      select written.id, written.provider, 'none', written.tenant_id from written where ${provider.webhooks !== undefined}
      on conflict (connection_id) do update set check_at = now(), failures = 0,
        -- What stood and was watched at one account is nothing of another's.
        ${existing?.accountId === keepable.account.id ? sameAccount : anotherAccount}
    ),
    recovered as (select written.* from written where ${existing?.status === 'reauthorization_required'}),
    made as (select written.* from written where ${existing?.status !== 'reauthorization_required'}),
    ${notice('recovered', sql`recovered`, 'connection.recovered', detail)},
    ${notice('made', sql`made`, 'connection.connected', detail)}
    select ${scopeColumns}, ${connectionColumns}
    from session left join scope on true
    left join (select * from written union all select * from standing) c on true`;

  let rows: (ScopeRow & MaybeConnection)[];
  try {
    const underLock = 'grant' in provider.revocation;
    rows = await (underLock
      ? postgres.rowsUnderLock(grantsLock(provider.id), statement)
      : postgres.rows(statement));
  } catch (error) {
    if (!(error instanceof PostgresUnavailable && error.isUnknown)) throw error;
    const sealed = { credential, dataKeyId: key.id, newKey };
    throw new UnknownOutcome(
      error,
      toUnsettled(binding, sealed, {
        accountId: keepable.account.id,
        grantId: keepable.grantId,
        config: keepable.config,
      }),
    );
  }

  requireScope(rows[0]);
  const written = rows[0];
  return written && written.id !== null ? written : undefined;
}
