import { type RawBuilder, sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { endTokens } from '../grants/end.ts';
import { clientOfGrant, isRevocable } from '../grants/revocable.ts';
import {
  ATTEMPT_SECONDS,
  insertRevocation,
  type RevocationRow,
  revocationColumns,
} from '../grants/revocation.ts';
import { announce, notice, toldBy, type WithNotices } from '../notices.ts';
import { Problem } from '../problem.ts';
import { sendRevocations } from '../queue.ts';
import type { Services } from '../services.ts';
import { mayBeRegistered } from '../webhooks/unregister.ts';
import { ownerOf } from './living.ts';
import { dataKeyColumns } from './snapshot.ts';

export type RevocationOutcome = 'revoked' | 'pending' | 'shared' | 'unsupported';

type EndedRow = WithNotices & { ended: boolean; shared: boolean; unsupported: boolean } & (
    | (RevocationRow & { attempts: number })
    | { id: null }
  );

const FIRST_ATTEMPT_SECONDS = 90;

/** SQL: whether somebody is at a connection's webhooks `w`, and may make some. */
const isBeingRegistered = sql<boolean>`(w.lease_id is not null and w.check_at > now())`;

/**
 * Ends a connection: from the first statement on nobody can use it, and its envelopes stand only in `revocations`,
 * until the provider has ended what they open. A grant that another connection lives on is left to the last of them,
 * but for this one's own token where the provider can end that alone. Two statements at most, and the provider's
 * revocation. Throws `not_connected`. What is pending is taken up by the cron.
 */
export async function disconnect(
  services: Services,
  caller: Caller,
  provider: Provider,
): Promise<RevocationOutcome> {
  const rows = await services.postgres.rows(sql<ScopeRow & EndedRow>`
    with ${callerTables(caller)},
    own as (
      select c.*, 'requested' as loss from connections c join scope
        on c.user_id = scope.user_id and c.brand_id is not distinct from scope.brand_id
      where c.provider = ${provider.id} and c.status <> 'disconnected'
      for update of c
    ),
    ${endingTables(provider)}
    select ${scopeColumns}, ${endingColumns}
    from session left join scope on true ${endingJoins}`);
  requireScope(rows[0]);
  const outcome = rows[0]?.ended ? await finish(services, rows[0]) : undefined;
  if (!outcome) throw new Problem('not_connected', `${provider.name} is not connected here.`);
  return outcome;
}

/**
 * Ends a connection whose owner is not there any more, in the same way, but for its grant: the queue does that, so that
 * a provider that is slow holds up no other's. Whether it was so, and had not ended before.
 */
export async function disconnectLost(services: Services, provider: Provider, id: string): Promise<boolean> {
  const rows = await services.postgres.rows(sql<EndedRow>`
    with own as (
      select c.*, owner.loss from connections c ${ownerOf('c')}
      where c.id = ${id}::uuid and c.status <> 'disconnected' and owner.loss is not null
      for update of c
    ),
    ${endingTables(provider, { isLater: true })}
    select ${endingColumns} from (values (1)) as one (n) ${endingJoins}`);
  const [row] = rows;
  if (!row?.ended) return false;
  await Promise.all([
    announce(services, row),
    // What the queue does not take, or is not due yet, the cron finds.
    row.id === null ? undefined : sendRevocations(services, [row.id]).catch(() => undefined),
  ]);
  return true;
}

/** SQL: what is done with the row in `own`, whose column `loss` says why; `isLater` leaves its grant to the queue. */
function endingTables(provider: Provider, { isLater = false } = {}): RawBuilder<unknown> {
  // Known beforehand, so that a repeat after a lost answer finds what its first run has done.
  const [endingId, revocationId] = [uuidv7(), uuidv7()];
  const revocable = isRevocable(provider, sql`own.config`);
  const canEnd = 'grant' in provider.revocation;
  const isNow = sql`(c.registering_until is null and ${!isLater})`;
  const firstAttempt = isLater ? 0 : FIRST_ATTEMPT_SECONDS;
  return sql`
    -- The connection; or what an earlier run of this very statement has queued of it, when its answer was lost.
    leaving as (
      select own.id, own.provider, own.grant_id, own.client_id, own.credential_id, ${revocable} and ${!isLater} and not exists (
        select from webhooks w where w.connection_id = own.id and ${isBeingRegistered}
      ) as is_ended_now
      from own
      union all
      select r.connection_id, r.provider, r.grant_id, r.client_id, r.credential_id, false from revocations r
      where r.id = ${revocationId} and ${canEnd}
    ),
    held as materialized (
      select h.* from leaving l cross join lateral hold_grant(
        l.provider, l.grant_id, ${clientOfGrant('l')}, l.id, l.credential_id, ${revocationId}::uuid,
        case when l.is_ended_now then ${ATTEMPT_SECONDS}::integer end
      ) h where ${canEnd}
      union all
      select null, false, 0, 0, 0 from leaving where not ${canEnd}
    ),
    ending as (
      select own.*, ${revocable} as revocable, held.others, held.twins, held.unsure, exists (
        select from webhooks w where w.connection_id = own.id and ${mayBeRegistered()}
      ) as is_told, (
        select least(w.check_at, now() + interval '2 minutes') from webhooks w
        where w.connection_id = own.id and ${isBeingRegistered}
      ) as registering_until
      from own, held
    ),
    ended as (
      update connections c set
        status = 'disconnected', credential = null, refresh_token = null, data_key_id = null, expires_at = null,
        refresh_token_expires_at = null, refresh_at = null, check_at = null, reauthorize_by = null,
        previous_refresh_token = null, credential_id = null, unheard_since = null, lease_id = null, lease_until = null,
        failures = 0,
        version = c.version + 1, last_error_code = null, last_error_message = null, last_error_at = null,
        updated_at = now()
      from ending where c.id = ending.id
      returning c.id
    ),
    queued as (
      ${insertRevocation({
        id: revocationId,
        from: sql`
          ending c join ended on ended.id = c.id
          where c.credential is not null and (
            c.revocable and (c.others = 0 or c.twins = 0) or c.is_told
          )`,
        // A key that tokens are made from need not be kept to end them.
        keepsRefreshToken: provider.auth.type === 'oauth',
        underWay: sql`case when ${isNow} then now() + make_interval(secs => ${ATTEMPT_SECONDS}) end`,
        attempts: sql`case when ${isNow} then 1 else 0 end`,
        due: sql`coalesce(c.registering_until, now() + make_interval(secs => ${firstAttempt}))`,
        // Its own row in webhooks tells of them.
        registered: sql`case when not c.is_told then '[]'::jsonb end`,
      })}
      returning *
    ),
    gone as (select e.* from ending e join ended on ended.id = e.id),
    ${notice('gone', sql`gone`, 'connection.disconnected', sql`n.loss`, {
      audit: {
        id: endingId,
        detail: sql`jsonb_build_object('shared', n.revocable and n.others > 0, 'unsupported', not n.revocable)`,
      },
    })},
    outcome as (
      select detail from gone_audit union all select detail from audit_log where id = ${endingId}
    ),
    pending as (
      select * from queued union all select * from revocations where id = ${revocationId}
    )`;
}

const endingColumns = sql`
  outcome.detail is not null as ended, coalesce((outcome.detail ->> 'shared')::boolean, false) as shared,
  coalesce((outcome.detail ->> 'unsupported')::boolean, false) as unsupported, ${revocationColumns}, r.attempts,
  -- Not known any more at a repeat.
  coalesce((select coalesce(lease_until > now(), false) from ending), true) as is_renewing, ${dataKeyColumns}, ${toldBy('gone')} as told`;

const endingJoins = sql`
  left join outcome on true left join pending r on true left join held on true
  left join data_keys k on k.id = r.data_key_id`;

async function finish(services: Services, row: EndedRow): Promise<RevocationOutcome> {
  const [ended] = await Promise.all([endedNow(services, row), announce(services, row)]);
  if (row.unsupported) return 'unsupported';
  return row.shared ? 'shared' : ended;
}

/** Ends what can be ended now. Whoever is registering webhooks is waited for: the cron does the rest. */
async function endedNow(services: Services, row: EndedRow): Promise<RevocationOutcome> {
  // There was no token left to end anything with.
  if (row.id === null) return 'unsupported';
  if (row.attempts === 0) return 'pending';
  switch (await endTokens(services, row)) {
    case 'grant':
    case 'gone':
    case 'token':
      return 'revoked';
    case 'held':
      return 'shared';
    case 'nothing':
      return 'unsupported';
    case 'waits':
    case 'pending':
      return 'pending';
  }
}
