import { sql } from 'kysely';
import type { Access, Config, Provider, Registered } from '../../providers/provider.ts';
import { findProvider, requireClient } from '../catalog.ts';
import { OutboundError, send } from '../outbound.ts';
import { Problem } from '../problem.ts';
import { renewForRevocation } from '../refresh/for-revocation.ts';
import type { Services } from '../services.ts';
import { unregister } from '../webhooks/unregister.ts';
import { openCredential, type SealedRow } from './sealed.ts';
import { dataKeyColumns } from './snapshot.ts';

/** Half of it at least passes, and nobody is at it any more. */
const FIRST_RETRY_SECONDS = 160;
const LAST_RETRY_SECONDS = 3_600;
/** As long as one attempt may take at most: renewing, taking webhooks away, ending, and our statements. */
export const ATTEMPT_SECONDS = 75;

/** How far our clock may be from what has written an end; who can renew a token does so this much sooner. */
const CLOCK_MS = 300_000;

/** A grant that is to be ended, as its row in `revocations` and its data key tell. */
export type RevocationRow = SealedRow & {
  id: string;
  config: Access['config'];
  expires_at: Date | null;
  /** What was registered, where the connection is another account's by now. */
  registered: Registered[] | null;
  /** A connection stands on the grant again: the token may be ended, the grant may not. */
  is_shared?: boolean;
};

/**
 * Ends a grant at the provider; the row, and with it the sealed token, goes once the provider has confirmed
 * or says that it was gone before. Never throws: what did not work is left for the next attempt.
 */
export async function revokeGrant(services: Services, row: RevocationRow): Promise<'revoked' | 'pending'> {
  const failure = await endGrant(services, row);
  try {
    await (failure === undefined ? finished(services, row) : failed(services, row, failure));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // The provider has ended it; the next attempt finds it gone and says so.
  }
  return failure === undefined ? 'revoked' : 'pending';
}

/** Takes a due revocation, so that no second attempt runs beside it; undefined where it is not due. */
export async function claimRevocation(
  { postgres }: Services,
  id: string,
): Promise<RevocationRow | undefined> {
  const rows = await postgres.rows(sql<RevocationRow>`
    with claimed as (
      update revocations set
        attempts = attempts + 1,
        under_way_until = now() + make_interval(secs => ${ATTEMPT_SECONDS}),
        next_attempt_at = now() + make_interval(secs => least(
          ${LAST_RETRY_SECONDS}::float, ${FIRST_RETRY_SECONDS}::float * power(2, attempts)) * (0.5 + random() / 2))
      where id = ${id}::uuid and next_attempt_at <= now()
      returning *
    )
    select claimed.id, claimed.connection_id, claimed.user_id, claimed.brand_id, claimed.tenant_id, claimed.provider,
      claimed.config, claimed.version, claimed.credential, claimed.refresh_token, claimed.expires_at,
      claimed.registered, exists (
        select from connections c
        where c.provider = claimed.provider and c.grant_id = claimed.grant_id and c.status <> 'disconnected'
      ) as is_shared, ${dataKeyColumns}
    from claimed left join data_keys k on k.id = claimed.data_key_id`);
  return rows[0];
}

/** The ids of revocations that are due, the longest waiting first. Those past their last day are given up. */
export async function dueRevocations({ postgres }: Services, limit: number): Promise<string[]> {
  const rows = await postgres.rows(sql<{ id: string }>`
    with given_up as (
      delete from revocations
      where give_up_at <= now()
      returning *
    ),
    audit as (
      insert into audit_log (tenant_id, user_id, brand_id, connection_id, provider, action, detail)
      select tenant_id, user_id, brand_id, connection_id, provider, 'revocation_given_up',
        jsonb_build_object('error', last_error_code)
      from given_up
    )
    select id from revocations
    where next_attempt_at <= now() and id not in (select id from given_up)
    order by next_attempt_at limit ${limit}`);
  return rows.map((row) => row.id);
}

/** A token that was obtained and may not be kept; `grantId` where it is known whose it is. */
export interface Discarded extends Access {
  refreshToken: string | undefined;
  grantId: string | undefined;
  isOver?: boolean;
}

/**
 * Ends a token that was obtained and may not be kept: the token alone where the provider can, else its grant
 * unless a live connection stands on it; of a connection that has ended meanwhile (`isOver`), the grant where it can.
 * Never throws.
 */
export async function discardToken(
  services: Services,
  provider: Provider,
  { refreshToken, grantId, isOver = false, ...access }: Discarded,
): Promise<void> {
  const { revocation } = provider;
  if (!('grant' in revocation)) return;
  try {
    const isAsked = isOver || !revocation.token;
    const mayEndAll = isAsked && !(await isShared(services, provider, grantId, access.config));
    const ending = mayEndAll ? revocation.grant : revocation.token;
    if (!ending) return;
    const presented = ending.tokenTypeHint === 'refresh_token' ? refreshToken : undefined;
    const request = ending.request({ ...access, credential: presented ?? access.credential });
    const answer = await send(request, services.meter);
    if (!ending.ended(answer)) throw new Problem('provider_error', `status ${answer.status}`);
  } catch (error) {
    if (!(error instanceof Problem || error instanceof OutboundError)) throw error;
    console.error(JSON.stringify({ level: 'error', event: 'token_not_discarded', provider: provider.id }));
  }
}

async function isShared(
  { postgres }: Services,
  provider: Provider,
  grantId: string | undefined,
  config: Config,
): Promise<boolean> {
  // Whose it is may not be known yet; then what it was asked for with tells.
  const isOfGrant =
    grantId !== undefined
      ? sql`c.grant_id = ${grantId}`
      : sql`${Object.keys(config).length > 0} and c.config = ${JSON.stringify(config)}::jsonb`;
  const rows = await postgres.rows(sql`
    select from connections c
    where c.provider = ${provider.id} and c.status <> 'disconnected'
      and ${isOfGrant}
    limit 1`);
  return rows.length > 0;
}

/** The reason why a grant could not be ended, or undefined once it has. */
async function endGrant(services: Services, row: RevocationRow): Promise<string | undefined> {
  const provider = findProvider(services.env, row.provider);
  if (!provider) return 'unknown_provider';
  const { revocation } = provider;
  const ending = !('grant' in revocation) ? undefined : row.is_shared ? revocation.token : revocation.grant;
  const hasHooks = provider.webhooks !== undefined;
  // The grant is in use again and goes with the last of its connections.
  if (!ending && !hasHooks) return undefined;
  const field =
    ending?.tokenTypeHint === 'refresh_token' && row.refresh_token ? 'refresh_token' : 'credential';
  const hasExpired =
    field === 'credential' &&
    row.expires_at !== null &&
    row.expires_at.getTime() - (row.refresh_token ? CLOCK_MS : 0) <= Date.now();
  // The token that was made from a key ends by itself.
  if (hasExpired && provider.auth.type !== 'oauth') return undefined;
  try {
    const client = requireClient(services.env, provider);
    // An expired token is refused, which says nothing of the grant that a person gave.
    const credential = hasExpired
      ? await renewForRevocation(services, provider, row)
      : await openCredential(services, row, field);
    if (credential === undefined) return undefined;
    const access = { credential, config: row.config, client };
    const goAlong = provider.webhooks?.endsWithGrant && !row.is_shared;
    if (!goAlong && !(await unregister(services, provider, row, access))) return 'webhooks_not_removed';
    if (!ending) return undefined;
    const request = ending.request(access);
    const answer = await send(request, services.meter);
    return ending.ended(answer) ? undefined : `status_${answer.status}`;
  } catch (error) {
    if (error instanceof OutboundError) return error.failure;
    if (error instanceof Problem) return error.reason ?? error.code;
    throw error;
  }
}

async function finished({ env, postgres }: Services, row: RevocationRow): Promise<void> {
  const provider = findProvider(env, row.provider);
  const ended = provider && 'grant' in provider.revocation ? provider.revocation : undefined;
  const hasEnded = row.is_shared ? ended?.token : ended?.grant;
  const action = !hasEnded ? 'webhooks_removed' : row.is_shared ? 'token_revoked' : 'revoked';
  await postgres.rows(sql`
    with gone as (delete from revocations where id = ${row.id}::uuid returning *)
    insert into audit_log (tenant_id, user_id, brand_id, connection_id, provider, action, detail)
    select tenant_id, user_id, brand_id, connection_id, provider, ${action},
      jsonb_build_object('account_id', account_id)
    from gone`);
}

async function failed({ postgres }: Services, row: RevocationRow, failure: string): Promise<void> {
  await postgres.rows(
    sql`update revocations set last_error_code = ${failure}, under_way_until = null where id = ${row.id}::uuid`,
  );
}
