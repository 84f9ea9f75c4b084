import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { mayBeRegistered } from '../webhooks/unregister.ts';
import { grantsLock } from './grants-lock.ts';
import { isRevocable } from './revocable.ts';
import { ATTEMPT_SECONDS, type RevocationRow, revokeGrant } from './revoke.ts';
import { dataKeyColumns } from './snapshot.ts';

/** Where the grant itself is left alone, there may be webhooks to take away; who registers them now is waited for. */
async function ended(services: Services, row: EndedRow): Promise<'revoked' | 'pending'> {
  if (row.id === null) return 'revoked';
  return row.attempts === 0 ? 'pending' : revokeGrant(services, { ...row, is_shared: row.shared });
}

export type RevocationOutcome = 'revoked' | 'pending' | 'shared' | 'unsupported';

type EndedRow = ScopeRow & { ended: boolean; shared: boolean; unsupported: boolean } & (
    | (RevocationRow & { attempts: number })
    | { id: null }
  );

const FIRST_ATTEMPT_SECONDS = 90;

/**
 * Ends a connection: from the first statement on nobody can use it, and its envelopes stand only in
 * `revocations`, until the provider has ended the grant. A grant that another connection still lives on is
 * left to the last of them. Two statements at most, and the provider's revocation. Throws `not_connected`.
 * What is pending is taken up by the next sweep.
 */
export async function disconnect(
  services: Services,
  caller: Caller,
  provider: Provider,
): Promise<RevocationOutcome> {
  // A key that tokens are made from need not be kept to end them.
  const isSignIn = provider.auth.type === 'oauth';
  // Known beforehand, so that a repeat after a lost answer finds what its first run has done.
  const endingId = uuidv7();
  const revocationId = uuidv7();
  const statement = sql<EndedRow>`
    with ${callerTables(caller)},
    own as (
      select c.* from connections c join scope
        on c.user_id = scope.user_id and c.brand_id is not distinct from scope.brand_id
      where c.provider = ${provider.id} and c.status <> 'disconnected'
      for update of c
    ),
    ending as (
      select own.*, ${isRevocable(provider, sql`own.config`)} as revocable, exists (
        select from connections peer
        where peer.provider = own.provider and peer.grant_id = own.grant_id and peer.status <> 'disconnected'
          and peer.id <> own.id
      ) as shared, exists (
        select from webhooks w where w.connection_id = own.id and ${mayBeRegistered()}
      ) as is_told, (
        select least(w.check_at, now() + interval '2 minutes') from webhooks w where w.connection_id = own.id and w.lease_id is not null and w.check_at > now()
      ) as registering_until
      from own
    ),
    ended as (
      update connections c set
        status = 'disconnected', credential = null, refresh_token = null, data_key_id = null, expires_at = null,
        refresh_token_expires_at = null, refresh_at = null, reauthorize_by = null, previous_refresh_token = null,
        lease_id = null, lease_until = null, failures = 0, version = c.version + 1,
        last_error_code = null, last_error_message = null, last_error_at = null, updated_at = now()
      from ending where c.id = ending.id
      returning c.id
    ),
    queued as (
      insert into revocations (
        id, connection_id, user_id, brand_id, tenant_id, provider, account_id, grant_id, config, version, data_key_id,
        credential, refresh_token, expires_at, under_way_until, attempts, next_attempt_at, give_up_at
      )
      select ${revocationId}, e.id, e.user_id, e.brand_id, e.tenant_id, e.provider, e.account_id, e.grant_id, e.config, e.version,
        e.data_key_id, e.credential, case when ${isSignIn} then e.refresh_token end, e.expires_at,
        case when e.registering_until is null then now() + make_interval(secs => ${ATTEMPT_SECONDS}) end,
        case when e.registering_until is null then 1 else 0 end,
        coalesce(e.registering_until, now() + make_interval(secs => ${FIRST_ATTEMPT_SECONDS})), now() + interval '24 hours'
      from ending e join ended on ended.id = e.id
      where ((e.revocable and not e.shared) or e.is_told) and e.credential is not null
      returning *
    ),
    audit as (
      insert into audit_log (id, tenant_id, user_id, brand_id, connection_id, provider, action, detail)
      select ${endingId}, e.tenant_id, e.user_id, e.brand_id, e.id, e.provider, 'disconnected',
        jsonb_build_object('shared', e.revocable and e.shared, 'unsupported', not e.revocable)
      from ending e join ended on ended.id = e.id
      returning detail
    ),
    event as (
      insert into events (id, type, provider, connection_id, tenant_id, user_id, brand_id, account_id, occurred_at)
      select ${uuidv7()}::uuid, 'connection.disconnected', e.provider, e.id, e.tenant_id, e.user_id, e.brand_id,
        e.account_id, now()
      from ending e join ended on ended.id = e.id
    ),
    outcome as (
      select detail from audit union all select detail from audit_log where id = ${endingId}
    ),
    pending as (
      select * from queued union all select * from revocations where id = ${revocationId}
    )
    select ${scopeColumns}, outcome.detail is not null as ended, coalesce((outcome.detail ->> 'shared')::boolean, false) as shared,
      coalesce((outcome.detail ->> 'unsupported')::boolean, false) as unsupported,
      r.id, r.connection_id, r.user_id, r.brand_id, r.tenant_id, r.provider, r.config, r.version, r.credential, r.refresh_token,
      r.expires_at, r.registered, r.attempts, ${dataKeyColumns}
    from session left join scope on true left join outcome on true left join pending r on true
    left join data_keys k on k.id = r.data_key_id`;
  const { postgres } = services;
  const rows = await ('grant' in provider.revocation
    ? postgres.rowsUnderLock(grantsLock(provider.id), statement)
    : postgres.rows(statement));

  requireScope(rows[0]);
  const row = rows[0];
  if (!row?.ended) throw new Problem('not_connected', `${provider.name} is not connected here.`);
  const outcome = await ended(services, row);
  if (row.unsupported) return 'unsupported';
  return row.shared ? 'shared' : outcome;
}
