import { sql } from 'kysely';
import type { Access, Config, Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { requireClient } from '../catalog.ts';
import { Problem } from '../problem.ts';
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

/**
 * Asks the provider again whether a connection's credential works, and writes down what it says. Two
 * statements, one probe, at most one call to KMS. Throws `not_connected`, and what keeps the provider from
 * answering; that changes nothing.
 */
export async function retest(services: Services, caller: Caller, provider: Provider): Promise<ConnectionRow> {
  const rows = await services.postgres.rows(sql<
    ScopeRow &
      ((SealedRow & { config: Config; account_id: string; scopes: string[] }) | { connection_id: null })
  >`
    with ${callerTables(caller)}
    select ${scopeColumns}, c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version,
      c.credential, c.refresh_token, c.config, c.account_id, c.scopes, ${dataKeyColumns}
    from session left join scope on true
    left join connections c
      on c.user_id = scope.user_id and c.brand_id is not distinct from scope.brand_id and c.provider = ${provider.id}
      and c.credential is not null
    left join data_keys k on k.id = c.data_key_id`);
  requireScope(rows[0]);
  const sealed = rows[0];
  if (!sealed || sealed.connection_id === null) throw notConnected(provider);

  const credential = await openCredential(services, sealed);
  const outcome = await outcomeOf(services, provider, {
    credential,
    config: sealed.config,
    client: requireClient(services.env, provider),
    pinned: sealed.account_id,
  });
  const { verified, error } = outcome;
  const written = await services.postgres.rows(sql<ConnectionRow>`
    update connections c set
      status = ${outcome.status},
      account_name = coalesce(${verified?.account.name ?? null}, c.account_name),
      scopes = coalesce(${verified?.scopes ?? null}::text[], c.scopes),
      missing_scopes = case when ${verified !== undefined} then ${missingScopes(provider, verified && { ...verified, scopes: verified.scopes ?? sealed.scopes })}::text[] else c.missing_scopes end,
      last_error_code = ${error?.code ?? null},
      last_error_message = ${error?.message ?? null},
      last_error_at = case when ${error !== undefined} then now() end,
      reauthorize_by = coalesce(${verified?.endsAt ?? null}::timestamptz, c.reauthorize_by),
      updated_at = now()
    where c.id = ${sealed.connection_id}::uuid and c.version = ${sealed.version}
    returning ${connectionColumns}`);
  // The version has moved: it was connected anew or ended meanwhile, and what was learned is of the past.
  if (!written[0]) throw new Problem('in_progress', 'This connection was changed meanwhile. Test it again.');
  return written[0];
}

/** What the provider's word means for the connection. */
async function outcomeOf(
  services: Services,
  provider: Provider,
  access: Access & { pinned: string },
): Promise<Outcome> {
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

function notConnected(provider: Provider): Problem {
  return new Problem('not_connected', `${provider.name} is not connected here.`);
}
