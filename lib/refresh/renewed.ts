import { sql } from 'kysely';
import * as z from 'zod';
import { fromBase64, toBase64 } from '../bytes.ts';
import { isSealing } from '../connections/same-sealing.ts';
import type { Services } from '../services.ts';

const isBytes = (value: unknown) => value instanceof Uint8Array;
const bytes = z.codec(z.base64(), z.custom<Uint8Array>(isBytes), { decode: fromBase64, encode: toBase64 });
const time = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

/**
 * What a refresh has brought, sealed: all that its row must be told. It can wait outside of PostgreSQL until that
 * answers again, and be written twice without harm.
 */
export const renewed = z.object({
  kind: z.literal('renewed'),
  connection_id: z.guid(),
  provider: z.string(),
  /** Of the row that was refreshed: the envelopes are bound to the one after it. */
  version: z.number().int(),
  data_key_id: z.guid(),
  credential: bytes,
  refresh_token: bytes.nullable(),
  previous_refresh_token: bytes.nullable(),
  expires_at: time.nullable(),
  refresh_token_expires_at: time.nullable(),
  /** Null leaves what is known. */
  reauthorize_by: time.nullable().default(null),
  refresh_at: time.nullable(),
});

export type Renewed = z.output<typeof renewed>;

/**
 * Writes a refresh into its row, guarded by the version alone: what was got while the row stood so is its newest
 * truth, whoever holds the lease by now. False where the row has moved on, or ended, or its data key is destroyed.
 */
export async function writeRenewed({ postgres }: Services, result: Renewed): Promise<boolean> {
  const rows = await postgres.rows(sql`
    with written as (
      update connections c set
        data_key_id = ${result.data_key_id}::uuid, credential = ${result.credential}::bytea, refresh_token = ${result.refresh_token}::bytea,
        previous_refresh_token = ${result.previous_refresh_token}::bytea, version = c.version + 1,
        expires_at = ${result.expires_at}::timestamptz,
        refresh_token_expires_at = ${result.refresh_token_expires_at}::timestamptz,
        reauthorize_by = coalesce(${result.reauthorize_by}::timestamptz, c.reauthorize_by),
        refresh_at = ${result.refresh_at}::timestamptz, last_refreshed_at = now(), failures = 0, lease_id = null,
        lease_until = null, last_error_code = null, last_error_message = null, last_error_at = null, updated_at = now()
      where c.id = ${result.connection_id}::uuid and c.version = ${result.version}::integer and c.status = 'connected'
        and c.credential is not null and exists (select from data_keys k where k.id = ${result.data_key_id}::uuid)
      returning c.id
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
