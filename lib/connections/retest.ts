import { sql } from 'kysely';
import type { Config, Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { requireClient } from '../catalog.ts';
import { notice } from '../notices.ts';
import { Problem } from '../problem.ts';
import { freshen, type Used } from '../refresh/on-demand.ts';
import { isRenewable } from '../refresh/outcome.ts';
import type { Services } from '../services.ts';
import { type ConnectionRow, type ConnectionStatus, connectionColumns } from './row.ts';
import { missingScopes } from './scopes.ts';
import { openCredential, type SealedRow } from './sealed.ts';
import { dataKeyColumns } from './snapshot.ts';
import { type Verified, verify } from './verify.ts';

/** What the provider's word changes in the row. */
interface Outcome {
  status: ConnectionStatus;
  verified?: Verified;
  error?: { code: string; message: string };
}

type TestedRow = SealedRow &
  Used & { config: Config; account_id: string; scopes: string[]; last_error_code: string | null };

/**
 * Asks the provider again whether a connection's credential works, and writes down what it says; an access token
 * that has ended is renewed first. Two statements, the probe, at most one call to KMS, and what the renewal takes.
 * Throws `not_connected`, and what keeps the provider from answering; that changes nothing.
 */
export function retest(services: Services, caller: Caller, provider: Provider): Promise<ConnectionRow> {
  return retestAs(services, provider, () => readOwn(services, caller, provider));
}

/** The same without anybody who asks, where the provider has let us know that something is different. */
export function retestById(services: Services, provider: Provider, id: string): Promise<ConnectionRow> {
  return retestAs(services, provider, () => readById(services, provider, id));
}

async function retestAs(
  services: Services,
  provider: Provider,
  read: () => Promise<TestedRow>,
): Promise<ConnectionRow> {
  let sealed = await read();
  if ((await freshen(services, provider, sealed)) === 'changed') {
    sealed = await read();
    // The provider has just said so, and there is nothing to ask.
    if (sealed.status !== 'connected') return standing(services, sealed.connection_id);
  }
  if (isOver(provider, sealed)) return standing(services, sealed.connection_id);

  let outcome = await outcomeOf(services, provider, sealed);
  // A token that is refused may be one that another has come in place of; the grant's own word is what counts. Of
  // a key each token stands for itself.
  if (
    provider.auth.type === 'oauth' &&
    outcome.error?.code === 'invalid_credential' &&
    (await freshen(services, provider, sealed, true)) === 'changed'
  ) {
    sealed = await read();
    if (sealed.status !== 'connected') return standing(services, sealed.connection_id);
    outcome = await outcomeOf(services, provider, sealed);
  }
  const { status, verified, error } = outcome;
  const scopes = verified?.scopes ?? sealed.scopes;
  const written = await services.postgres.rows(sql<ConnectionRow>`
    with before as (
      select status from connections c
      where c.id = ${sealed.connection_id}::uuid and c.version = ${sealed.version}
        -- Where it is being renewed, the refused token may be the one before.
        and (${status === 'connected'} or c.lease_id is null)
      for update
    ),
    written as (
      update connections c set
        status = ${status},
        account_name = coalesce(${verified?.account.name ?? null}, c.account_name),
        scopes = coalesce(${verified?.scopes ?? null}::text[], c.scopes),
        missing_scopes = case when ${verified !== undefined}
          then ${missingScopes(provider, verified && { ...verified, scopes })}::text[] else c.missing_scopes end,
        refresh_at = case
          when ${status !== 'connected'} then null
          when before.status <> 'connected' and ${isRenewable(provider, sealed.refresh_token !== null)} then now()
          else c.refresh_at end,
        last_error_code = ${error?.code ?? null},
        last_error_message = ${error?.message ?? null},
        last_error_at = case when ${error !== undefined} then now() end,
        -- What works past the end that we have reckoned has another, which nobody tells.
        reauthorize_by = coalesce(${verified?.endsAt ?? null}::timestamptz,
          case when not ${status === 'connected'} or c.reauthorize_by > now() then c.reauthorize_by end),
        updated_at = now()
      from before
      where c.id = ${sealed.connection_id}::uuid and c.version = ${sealed.version}
      returning c.*, before.status as status_before
    ),
    died as (select * from written where status <> 'connected' and status_before = 'connected'),
    revived as (select * from written where status = 'connected' and status_before <> 'connected'),
    hooks as (update webhooks w set check_at = now(), updated_at = clock_timestamp() from revived where w.connection_id = revived.id),
    ${notice('died', sql`died`, 'connection.reauthorization_required', sql`jsonb_build_object('reason', n.last_error_code)`)},
    ${notice('revived', sql`revived`, 'connection.recovered')}
    select ${connectionColumns} from written c`);
  // The version has moved: it was connected anew or ended meanwhile, and what was learned is of the past.
  if (!written[0]) throw new Problem('in_progress', 'This connection was changed meanwhile. Test it again.');
  return written[0];
}

/** A grant that has ended leaves access tokens that work for a while, which make no connection. */
function isOver({ auth }: Provider, tested: TestedRow): boolean {
  return (
    auth.type === 'oauth' &&
    tested.has_refresh_token &&
    tested.status === 'reauthorization_required' &&
    tested.last_error_code === 'invalid_credential'
  );
}

async function readOwn(services: Services, caller: Caller, provider: Provider): Promise<TestedRow> {
  const rows = await services.postgres.rows(sql<ScopeRow & (TestedRow | { connection_id: null })>`
    with ${callerTables(caller)}
    select ${scopeColumns}, ${testedColumns}
    from session left join scope on true
    left join connections c
      on c.user_id = scope.user_id and c.brand_id is not distinct from scope.brand_id and c.provider = ${provider.id}
      and c.credential is not null
    left join data_keys k on k.id = c.data_key_id`);
  requireScope(rows[0]);
  const sealed = rows[0];
  if (!sealed || sealed.connection_id === null) throw notConnected(provider);
  return sealed;
}

async function readById({ postgres }: Services, provider: Provider, id: string): Promise<TestedRow> {
  const rows = await postgres.rows(sql<TestedRow>`
    select ${testedColumns} from connections c left join data_keys k on k.id = c.data_key_id
    where c.id = ${id}::uuid and c.credential is not null`);
  if (!rows[0]) throw notConnected(provider);
  return rows[0];
}

const testedColumns = sql`
  c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.status, c.credential,
  c.refresh_token, c.config, c.account_id, c.scopes, c.failures, c.last_error_code,
  coalesce(c.expires_at <= now() + interval '1 minute', false) as is_ending,
  c.refresh_token is not null as has_refresh_token, ${dataKeyColumns}`;

function notConnected(provider: Provider): Problem {
  return new Problem('not_connected', `${provider.name} is not connected here.`);
}

async function standing({ postgres }: Services, id: string): Promise<ConnectionRow> {
  const rows = await postgres.rows(
    sql<ConnectionRow>`select ${connectionColumns} from connections c where c.id = ${id}::uuid`,
  );
  if (!rows[0]) throw new Problem('in_progress', 'This connection was changed meanwhile. Test it again.');
  return rows[0];
}

/** What the provider's word means for the connection. */
async function outcomeOf(services: Services, provider: Provider, sealed: TestedRow): Promise<Outcome> {
  const access = {
    credential: await openCredential(services, sealed),
    config: sealed.config,
    client: requireClient(services.env, provider),
    pinned: sealed.account_id,
  };
  try {
    const verified = await verify(provider, access, services.meter);
    if (verified.account.id === access.pinned) return { status: 'connected', verified };
    const message = `The credential now speaks for another ${provider.name} account. Connect again.`;
    return { status: 'reauthorization_required', error: { code: 'account_mismatch', message } };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'invalid_credential') {
      return { status: 'reauthorization_required', error: { code: error.code, message: error.detail } };
    }
    if (error.code === 'insufficient_scope') {
      return { status: 'connected', error: { code: error.code, message: error.detail } };
    }
    throw error;
  }
}
