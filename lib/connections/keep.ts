import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Config, Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { clientIdOf } from '../catalog.ts';
import { type Binding, seal } from '../envelope.ts';
import { credentialId } from '../grants/identity.ts';
import { changesOthers, endsTokens, isOfClient, isRevocable } from '../grants/revocable.ts';
import { insertRevocation } from '../grants/revocation.ts';
import { announce, notice, toldBy, type WithNotices } from '../notices.ts';
import { Problem } from '../problem.ts';
import { sendJoined, sendRevocations } from '../queue.ts';
import type { Services } from '../services.ts';
import { mayBeRegistered } from '../webhooks/unregister.ts';
import { nextCheck } from './check-times.ts';
import { insertDataKey } from './insert-data-key.ts';
import { type ConnectionRow, connectionColumns, type MaybeConnection } from './row.ts';
import { isSealing } from './same-sealing.ts';
import { type SealingKey, sealingKey } from './sealing-key.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
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
  /** Before the provider was asked, by PostgreSQL's clock: what has ended the grant since has ended this, too. */
  grantedAt?: Date | undefined;
}

const ATTEMPTS = 3;

/**
 * Seals a verified credential and makes the connection, or replaces the one that stands there: one statement,
 * guarded by session, brand and version, begun again where another change came between. `parked` names the row in
 * `revocations` in which a sign-in's tokens wait: they are taken out of there with the same statement, or not at all.
 * Throws `account_mismatch` where a live connection speaks for another account and `replace` is not set.
 */
export async function keep(
  services: Services,
  caller: Caller,
  provider: Provider,
  keepable: Keepable,
  options: { snapshot: Snapshot; key?: SealingKey; replace: boolean; parked?: string },
): Promise<{ row: ConnectionRow; replaced: boolean }> {
  let { snapshot } = options;
  let key = options.key;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    requireSameAccount(provider, snapshot, keepable, options.replace);
    key ??= await sealingKey(services, snapshot);
    const row = await write(services, caller, provider, keepable, { snapshot, key, parked: options.parked });
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

/** What the next credential of the connection in a snapshot is bound to; `newId` is its id where it is a new one. */
export function nextBinding(
  { scope, existing }: Snapshot,
  provider: Provider,
  { newId, config }: { newId: string; config: Config },
): Omit<Binding, 'field'> {
  // A connection that ended does not come back: whoever knows its id knows something that is over.
  const isOver = existing === undefined || existing.status === 'disconnected';
  return {
    ...scope,
    connectionId: isOver ? newId : existing.id,
    provider: provider.id,
    version: (existing?.version ?? 0) + 1,
    config,
  };
}

async function write(
  services: Services,
  caller: Caller,
  provider: Provider,
  keepable: Keepable,
  { snapshot, key, parked }: { snapshot: Snapshot; key: SealingKey; parked: string | undefined },
): Promise<ConnectionRow | undefined> {
  const { scope, existing } = snapshot;
  const binding = nextBinding(snapshot, provider, { newId: uuidv7(), config: keepable.config });
  const { connectionId: id, version } = binding;
  const credential = await seal(keepable.credential, key.key, key.id, { ...binding, field: 'credential' });
  const refreshToken =
    keepable.refreshToken === undefined
      ? null
      : await seal(keepable.refreshToken, key.key, key.id, { ...binding, field: 'refresh_token' });
  const clientId = clientIdOf(services.env, provider);
  const isSignIn = provider.auth.type === 'oauth';
  const canEnd = 'grant' in provider.revocation;
  const wasDead = existing?.status === 'reauthorization_required';

  const detail = sql`jsonb_build_object('account_id', n.account_id, 'replaced', ${isLive(snapshot)}::boolean,
    'retired_revocation', (select id from retired))`;
  const statement = sql<ScopeRow & MaybeConnection & WithNotices & { others: number; retired: string[] }>`
    with ${callerTables(caller)},
    new_key as (${insertDataKey(key.row, sql<boolean>`exists (select from scope where scope.tenant_id = ${scope.tenantId})`)}),
    -- Whoever ends these tokens meanwhile has them.
    parked as (
      select r.id from revocations r, scope
      where r.id = ${parked ?? null}::uuid and coalesce(r.under_way_until, '-infinity') <= now() for update of r
    ),
    old as (
      select c.* from connections c join scope
        on c.user_id = scope.user_id and c.brand_id is not distinct from scope.brand_id
      where c.provider = ${provider.id} for update of c
    ),
    held as materialized (
      select h.* from scope cross join (select count(*) as n from old) o
      -- After the connection's own row, as whoever disconnects it locks them.
      cross join lateral hold_grant(
        ${provider.id}, ${keepable.grantId}, ${isOfClient(provider) ? clientId : null}, case when o.n >= 0 and scope.user_id is not null then ${id}::uuid end,
        null, null, null
      ) h
      where ${canEnd}
      union all
      select null, false, 0, 0, 0 from scope where not ${canEnd}
    ),
    target as (
      select scope.*, held.others from scope, held,
        -- What stands there is read before it is written over.
        (select count(*) as n from old) o
      where o.n >= 0 and scope.tenant_id = ${scope.tenantId} and (
        -- The tenant's newest: one that is being rotated out seals nothing more.
        ${key.id}::uuid = (
          select newest.id from data_keys newest where newest.tenant_id = scope.tenant_id
          order by newest.generation desc limit 1
        )
        or exists (select from new_key)
      )
      -- A grant that is being ended, or has been since we asked for the tokens, takes them with it.
      and not held.is_ending
      and not coalesce(held.ended_at > ${keepable.grantedAt ?? null}::timestamptz, false)
      and (${parked === undefined} or exists (select from parked))
    ),
    written as (
      insert into connections as c (
        id, user_id, brand_id, tenant_id, provider, type, status, account_id, account_name, grant_id, credential_id,
        client_id, scopes, missing_scopes, config, version, data_key_id, credential, refresh_token, expires_at,
        refresh_token_expires_at, refresh_at, check_at, reauthorize_by
      )
      select ${id}, target.user_id, target.brand_id, target.tenant_id, ${provider.id}, ${provider.auth.type},
        'connected', ${keepable.account.id}, ${keepable.account.name}, ${keepable.grantId},
        ${await credentialId(services, provider.id, keepable.credential)}, ${clientId}, ${keepable.scopes ?? []}::text[],
        ${keepable.missing}::text[], ${JSON.stringify(keepable.config)}::jsonb, ${version}::integer, ${key.id}::uuid,
        ${credential}::bytea, ${refreshToken}::bytea, ${keepable.expiresAt ?? null}::timestamptz,
        ${keepable.refreshTokenExpiresAt ?? null}::timestamptz, ${keepable.refreshAt ?? null}::timestamptz,
        ${nextCheck}, ${keepable.endsAt ?? null}::timestamptz
      from target
      on conflict (user_id, brand_id, provider) do update set
        id = excluded.id, tenant_id = excluded.tenant_id, heard_by = null, type = excluded.type, status = excluded.status,
        account_id = excluded.account_id, account_name = excluded.account_name, grant_id = excluded.grant_id,
        credential_id = excluded.credential_id, client_id = excluded.client_id, unheard_since = null, scopes = excluded.scopes, missing_scopes = excluded.missing_scopes,
        config = excluded.config, version = excluded.version, data_key_id = excluded.data_key_id,
        credential = excluded.credential, refresh_token = excluded.refresh_token, expires_at = excluded.expires_at,
        refresh_token_expires_at = excluded.refresh_token_expires_at, refresh_at = excluded.refresh_at,
        check_at = excluded.check_at, reauthorize_by = excluded.reauthorize_by, expiring_told = null,
        previous_refresh_token = null, lease_id = null, lease_until = null, failures = 0, last_refreshed_at = null,
        last_error_code = null, last_error_message = null, last_error_at = null, connected_at = now(), updated_at = now()
      where c.id = ${existing?.id ?? null}::uuid and c.version = ${existing?.version ?? null}::integer
      returning c.*
    ),
    -- What an earlier run of this very statement has written, when its answer was lost.
    standing as (
      select c.* from connections c, scope
      where c.id = ${id} and ${isSealing(sql`c.credential`, credential)}
    ),
    unparked as (delete from revocations r using written where r.id = ${parked ?? null}::uuid),
    retired as (
      ${insertRevocation({
        id: uuidv7(),
        from: sql`
          old c join written on written.id = c.id and c.version = ${existing?.version ?? null}::integer
            left join webhooks w on w.connection_id = c.id
          where ${isLive(snapshot)} and c.credential is not null and (
            ${isRevocable(provider, sql`c.config`)} and (
              c.grant_id <> written.grant_id or ${isOfClient(provider)} and c.client_id <> written.client_id
              or ${endsTokens(provider)} and c.credential_id is distinct from written.credential_id
            )
            or c.grant_id <> written.grant_id and ${mayBeRegistered()}
          )`,
        keepsRefreshToken: isSignIn,
        // Whoever registers webhooks there at the moment is waited for.
        due: sql`case when w.lease_id is not null and c.grant_id <> written.grant_id
          then least(greatest(w.check_at, now()), now() + interval '2 minutes') else now() end`,
        registered: sql`case when c.grant_id <> written.grant_id then coalesce(w.registered, '[]') else '[]' end`,
      })}
      returning id, next_attempt_at
    ),
    hooks as (
      insert into webhooks as w (connection_id, provider, status, tenant_id)
      select written.id, written.provider, 'none', written.tenant_id from written where ${provider.webhooks !== undefined}
      on conflict (connection_id) do update set check_at = now(), failures = 0,
        -- What stood and was watched at one account is nothing of another's.
        ${existing?.accountId === keepable.account.id ? sameAccount : anotherAccount}
    ),
    recovered as (select written.* from written where ${wasDead}),
    made as (select written.* from written where ${!wasDead}),
    ${notice('recovered', sql`recovered`, 'connection.recovered', sql`'reconnected'`, { detail })},
    ${notice('made', sql`made`, 'connection.connected', sql`'connected'`, { detail })}
    select ${scopeColumns}, ${connectionColumns}, ${toldBy('recovered', 'made')} as told,
      coalesce((select others from held), 0) as others,
      array(select id from retired where next_attempt_at <= now()) as retired
    from session left join scope on true
    left join (select * from written union all select * from standing) c on true`;
  const rows = await services.postgres.rows(statement);

  requireScope(rows[0]);
  const [row] = rows;
  if (!row || row.id === null) return undefined;
  await Promise.all([
    announce(services, row),
    // What the queue does not take the cron finds.
    row.retired.length > 0 ? sendRevocations(services, row.retired).catch(() => undefined) : undefined,
    row.others > 0 && changesOthers(provider)
      ? sendJoined(services, { provider: provider.id, grant_id: keepable.grantId, id: row.id })
      : undefined,
  ]);
  return row;
}
