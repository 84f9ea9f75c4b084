import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import * as z from 'zod';
import { findProvider } from '../catalog.ts';
import { nextCheck, onceRenewed } from '../connections/check-times.ts';
import { isSealing } from '../connections/same-sealing.ts';
import { endsTokens } from '../grants/revocable.ts';
import { insertRevocation } from '../grants/revocation.ts';
import { bytes, time } from '../sealed-json.ts';
import type { Services } from '../services.ts';
import { heardOf } from './unheard.ts';

/**
 * What a refresh has brought, sealed: all that its row must be told. It can wait outside of PostgreSQL until that
 * answers again, and be written twice without harm.
 */
export const renewed = z.object({
  kind: z.literal('renewed'),
  connection_id: z.guid(),
  user_id: z.guid(),
  brand_id: z.guid().nullable(),
  tenant_id: z.guid(),
  provider: z.string(),
  account_id: z.string(),
  grant_id: z.string(),
  config: z.record(z.string(), z.string()),
  /** Of the row that was refreshed: the envelopes are bound to the one after it. */
  version: z.number().int(),
  data_key_id: z.guid(),
  credential: bytes,
  credential_id: z.string(),
  client_id: z.string().nullable().default(null),
  refresh_token: bytes.nullable(),
  previous_refresh_token: bytes.nullable(),
  expires_at: time.nullable(),
  refresh_token_expires_at: time.nullable(),
  /** Null leaves what is known. */
  reauthorize_by: time.nullable().default(null),
  refresh_at: time.nullable(),
  /** Null where the answer does not tell. */
  scopes: z.array(z.string()).nullable(),
  missing_scopes: z.array(z.string()).nullable(),
});

export type Renewed = z.output<typeof renewed>;

/** SQL: whether a connection's last error is of its use, which a refresh says nothing of: it stands until that works. */
const isOfUse = sql`c.last_error_code in ('insufficient_scope', 'invalid_credential')`;

/**
 * Writes a refresh into its row, guarded by the version alone: what was got while the row stood so is its newest
 * truth, whoever holds the lease by now. False where the row has moved on, or ended, or its data key is destroyed. The
 * access token that stood there is not renewed but replaced where it goes on with the grant's newest (`isFollowing`).
 */
export async function writeRenewed(
  { env, postgres }: Services,
  result: Renewed,
  isFollowing = false,
): Promise<boolean> {
  const provider = findProvider(env, result.provider);
  const isEndedAlone = provider !== undefined && provider.auth.type !== 'oauth' && endsTokens(provider);
  const rows = await postgres.rows(sql`
    with written as (
      update connections c set
        data_key_id = ${result.data_key_id}::uuid, credential = ${result.credential}::bytea, refresh_token = ${result.refresh_token}::bytea,
        previous_refresh_token = ${result.previous_refresh_token}::bytea, version = c.version + 1,
        credential_id = ${result.credential_id}, client_id = coalesce(${result.client_id}, c.client_id), unheard_since = null,
        scopes = coalesce(${result.scopes}::text[], c.scopes),
        missing_scopes = coalesce(${result.missing_scopes}::text[], c.missing_scopes),
        expires_at = ${result.expires_at}::timestamptz,
        refresh_token_expires_at = coalesce(${result.refresh_token_expires_at}::timestamptz,
          -- That of the token that goes on stands.
          case when ${result.previous_refresh_token === null} then c.refresh_token_expires_at end),
        reauthorize_by = coalesce(${result.reauthorize_by}::timestamptz, c.reauthorize_by),
        refresh_at = ${result.refresh_at}::timestamptz,
        check_at = coalesce(${onceRenewed}, ${nextCheck}), last_refreshed_at = now(), failures = 0, lease_id = null,
        lease_until = null, last_error_code = case when ${isOfUse} then c.last_error_code end,
        last_error_message = case when ${isOfUse} then c.last_error_message end,
        last_error_at = case when ${isOfUse} then c.last_error_at end, updated_at = now()
      where c.id = ${result.connection_id}::uuid and c.version = ${result.version}::integer and c.status = 'connected'
        and c.credential is not null and exists (select from data_keys k where k.id = ${result.data_key_id}::uuid)
      returning c.id
    ),
    ${heardOf({ ...result, isHeard: true })},
    -- A token that would live on beside the one in its place.
    superseded as (
      ${insertRevocation({
        id: uuidv7(),
        from: sql`
          connections c join written on written.id = c.id
          where c.credential is not null
            and (${isFollowing} or ${isEndedAlone} and c.expires_at > now())`,
        keepsRefreshToken: false,
        due: sql`now()`,
        registered: sql`'[]'::jsonb`,
      })}
    ),
    standing as (
      select c.id from connections c
      where c.id = ${result.connection_id}::uuid and ${isSealing(sql`c.credential`, result.credential)}
    ),
    -- The provider's app is in order again: whom it was refused for is due at once.
    healthy as (
      update provider_states s set refusals = 0, since = null,
        paused_until = case when s.reason = 'rate_limited' then s.paused_until end,
        reason = case when s.reason = 'rate_limited' then s.reason end
      from written where s.provider = ${result.provider} and s.refusals > 0
      returning s.provider
    ),
    woken as (
      update connections c set refresh_at = now()
      from healthy where c.provider = healthy.provider and c.last_error_code = 'client_refused'
        and c.refresh_at > now() and c.lease_until is null and c.id <> ${result.connection_id}::uuid
    )
    select id from written union all select id from standing`);
  return rows.length > 0;
}
