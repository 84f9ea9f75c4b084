import { type RawBuilder, sql } from 'kysely';
import type { Config, Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { requireClient } from '../catalog.ts';
import { credentialId, isKnownByCredential } from '../grants/identity.ts';
import { announce, type DeathReason, notice, toldBy, type WithNotices } from '../notices.ts';
import { Problem } from '../problem.ts';
import { freshen, type Used } from '../refresh/on-demand.ts';
import { isRenewable } from '../refresh/outcome.ts';
import type { Services } from '../services.ts';
import { afterRevival, nextCheck, nextTry, unlessDue } from './check-times.ts';
import { deathSets, deathTables } from './death.ts';
import { isKeyOver } from './key-over.ts';
import { isOwned } from './living.ts';
import { type ConnectionRow, connectionColumns } from './row.ts';
import { missingScopes } from './scopes.ts';
import { openCredential, type SealedRow } from './sealed.ts';
import { dataKeyColumns } from './snapshot.ts';
import { isStillOwned } from './still-owned.ts';
import { type Verified, verify } from './verify.ts';

/** The provider's word on a credential. */
type Outcome =
  | { finding: 'works'; verified: Verified; credentialId: string }
  /** It is taken, and may not do what is needed: that says nothing of whether it lives. */
  | { finding: 'lacking'; message: string }
  /** A token that it has just given is refused: its grant lives, and it is asked again. */
  | { finding: 'doubtful'; message: string }
  | { finding: 'dead'; reason: DeathReason & ('invalid_credential' | 'account_mismatch'); message: string };

type TestedRow = SealedRow &
  Used & {
    config: Config;
    account_id: string;
    grant_id: string;
    scopes: string[];
    last_error_code: string | null;
    /** Tokens that it was just given have been refused for hours. */
    is_long_refused: boolean;
  };

/** As long as an incident of a provider may last, whose tokens are refused while they are renewed. */
const LONG_REFUSED = sql`interval '6 hours'`;

/**
 * Asks the provider again whether a connection's credential works, and writes down what it says; an access token
 * that has ended is renewed first, and one that is made from a key in any case, which asks about the key. Two
 * statements, the probe, at most one call to KMS, and what the renewal takes. Throws `not_connected`, and what keeps the provider from answering; that changes nothing.
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
  const row = (await retestOnce(services, provider, read)) ?? (await retestOnce(services, provider, read));
  if (!row) throw new Problem('in_progress', 'This connection was changed meanwhile. Test it again.');
  return row;
}

/** Undefined where the row has moved: it was renewed, connected anew or ended, and what was learned is of the past. */
async function retestOnce(
  services: Services,
  provider: Provider,
  read: () => Promise<TestedRow>,
): Promise<ConnectionRow | undefined> {
  let sealed = await read();
  let readAt = Date.now();
  // What the next token is made from must work, too, however long the last one lives.
  const isOfKey = provider.auth.type !== 'oauth' && sealed.has_refresh_token;
  if ((await freshen(services, provider, sealed, isOfKey ? 'asked' : undefined)) === 'changed') {
    sealed = await read();
    readAt = Date.now();
    // The provider has just said so, and there is nothing to ask.
    if (sealed.status !== 'connected') return standing(services, sealed.connection_id);
  }
  const isUnreadable = sealed.key_id === null && sealed.status !== 'connected';
  if (isUnreadable || isOver(provider, sealed) || (await isKeyOver(services, provider, sealed))) {
    return standing(services, sealed.connection_id);
  }

  if (!(await isStillOwned(services, sealed.connection_id, readAt))) throw notConnected(provider);
  let outcome = await outcomeOf(services, provider, sealed);
  // A token that is refused may be one that another has come in place of; the grant's own word is what counts.
  if (
    outcome.finding === 'dead' &&
    outcome.reason === 'invalid_credential' &&
    (await freshen(services, provider, sealed, 'refused')) === 'changed'
  ) {
    sealed = await read();
    if (sealed.status !== 'connected') return standing(services, sealed.connection_id);
    outcome = await outcomeOf(services, provider, sealed);
    const isRefused = outcome.finding === 'dead' && outcome.reason === 'invalid_credential';
    if (isRefused && !sealed.is_long_refused) {
      const message = `${provider.name} renews the access to this account and refuses it at once. It is asked again; if this stays, connect again.`;
      outcome = { finding: 'doubtful', message };
    }
  }
  const row = await write(services, provider, sealed, outcome);
  await announce(services, row);
  return row;
}

async function write(
  { postgres }: Services,
  provider: Provider,
  sealed: TestedRow,
  outcome: Outcome,
): Promise<(ConnectionRow & WithNotices) | undefined> {
  const isDead = outcome.finding === 'dead';
  const rows = await postgres.rows(sql<ConnectionRow & WithNotices>`
    with before as (
      select status from connections c
      where c.id = ${sealed.connection_id}::uuid and c.version = ${sealed.version}
        -- One that has died meanwhile was asked about before.
        and (c.status = 'connected' or ${sealed.status !== 'connected'})
        -- Where it is being renewed, the refused token may be the one before.
        and (${!isDead} or c.lease_id is null)
      for update
    ),
    written as (
      update connections c set ${setsOf(provider, sealed, outcome)}
      from before
      where c.id = ${sealed.connection_id}::uuid and c.version = ${sealed.version}
      returning c.*, before.status as status_before
    ),
    dead as (select * from written where status <> 'connected' and status_before = 'connected'),
    revived as (select * from written where status = 'connected' and status_before <> 'connected'),
    hooks as (update webhooks w set check_at = now(), updated_at = clock_timestamp() from revived where w.connection_id = revived.id),
    ${deathTables(sql`dead`, sql`n.last_error_code`)},
    ${notice('revived', sql`revived`, 'connection.recovered', sql`'works_again'`)}
    select ${connectionColumns}, ${toldBy('died', 'revived')} as told from written c`);
  return rows[0];
}

/** SQL: what the provider's word sets in the row; only its yes makes one work again that it had refused. */
function setsOf(provider: Provider, sealed: TestedRow, outcome: Outcome): RawBuilder<unknown> {
  if (outcome.finding === 'dead') {
    // A second refusal says nothing new: what the first was told with stands.
    return sealed.status === 'connected'
      ? deathSets({ code: outcome.reason, message: outcome.message })
      : sql`last_error_code = ${outcome.reason}, last_error_message = ${outcome.message}, last_error_at = now(), updated_at = now()`;
  }
  if (outcome.finding === 'lacking') {
    return sql`
      check_at = case when c.status = 'connected' then ${unlessDue(nextCheck)} end,
      last_error_code = case when c.status = 'connected' then 'insufficient_scope' else c.last_error_code end,
      last_error_message = case when c.status = 'connected' then ${outcome.message} else c.last_error_message end,
      last_error_at = case when c.status = 'connected' then now() else c.last_error_at end, updated_at = now()`;
  }
  if (outcome.finding === 'doubtful') {
    return sql`
      check_at = ${unlessDue(nextTry)}, last_error_code = 'invalid_credential', last_error_message = ${outcome.message},
      last_error_at = case when c.last_error_code = 'invalid_credential' then c.last_error_at else now() end, updated_at = now()`;
  }
  const { verified } = outcome;
  // Known by the hash under today's GRANT_KEY again.
  const grantId = isKnownByCredential(provider) ? outcome.credentialId : null;
  const canRenew = isRenewable(provider, sealed.refresh_token !== null);
  const dueAgain = sql`case when before.status <> 'connected' and ${canRenew} then now() else c.refresh_at end`;
  const scopes = verified.scopes ?? sealed.scopes;
  return sql`
    status = 'connected', check_at = case when before.status <> 'connected' and ${dueAgain} is null then ${afterRevival} else ${unlessDue(nextCheck)} end,
    account_name = coalesce(${verified.account.name}, c.account_name),
    scopes = coalesce(${verified.scopes ?? null}::text[], c.scopes),
    missing_scopes = ${missingScopes(provider, { ...verified, scopes })}::text[],
    refresh_at = ${dueAgain}, credential_id = ${outcome.credentialId}, grant_id = coalesce(${grantId}, c.grant_id),
    failures = case when before.status <> 'connected' then 0 else c.failures end,
    last_error_code = null, last_error_message = null, last_error_at = null,
    -- What works past the end that we have reckoned has another, which nobody tells.
    reauthorize_by = coalesce(${verified.endsAt ?? null}::timestamptz,
      case when c.reauthorize_by > now() then c.reauthorize_by end),
    updated_at = now()`;
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
    where c.id = ${id}::uuid and c.credential is not null and ${isOwned('c')}`);
  if (!rows[0]) throw notConnected(provider);
  return rows[0];
}

const testedColumns = sql`
  c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.status, c.credential,
  c.refresh_token, c.config, c.account_id, c.grant_id, c.scopes, c.failures, c.last_error_code,
  coalesce(c.expires_at <= now() + interval '1 minute', false) as is_ending,
  c.refresh_token is not null as has_refresh_token,
  c.last_error_code = 'invalid_credential' and c.last_error_at <= now() - ${LONG_REFUSED} as is_long_refused,
  ${dataKeyColumns}`;

function notConnected(provider: Provider): Problem {
  return new Problem('not_connected', `${provider.name} is not connected here.`);
}

async function standing({ postgres }: Services, id: string): Promise<ConnectionRow | undefined> {
  const rows = await postgres.rows(
    sql<ConnectionRow>`select ${connectionColumns} from connections c where c.id = ${id}::uuid`,
  );
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
    if (verified.account.id === access.pinned) {
      const known = await credentialId(services, provider.id, access.credential);
      return { finding: 'works', verified, credentialId: known };
    }
    const message = `The credential now speaks for another ${provider.name} account. Connect again.`;
    return { finding: 'dead', reason: 'account_mismatch', message };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'invalid_credential') {
      return { finding: 'dead', reason: error.code, message: error.detail };
    }
    if (error.code === 'insufficient_scope') return { finding: 'lacking', message: error.detail };
    throw error;
  }
}
