import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Config, Registered } from '../../providers/provider.ts';
import { isLiving } from '../connections/living.ts';
import type { SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import type { Services } from '../services.ts';
import { misfitSince } from './misfit-mark.ts';
import type { SealedSecret } from './secrets.ts';

/** As long as registering and asking for what was missed may take. */
export const LEASE_SECONDS = 100;

/** A connection's webhooks, and what they are looked after with. */
export interface Claimed extends SealedRow {
  account_id: string;
  config: Config;
  registered: Registered[];
  watched: string[];
  secret: Uint8Array | null;
  secret_key_id: string | null;
  secret_key_generation: number;
  secret_key_kms_key_id: string;
  secret_key_wrapped: Uint8Array;
  secret_version: number;
  /** Since when deliveries do not fit the secret; null where they do. */
  misfit_since: Date | null;
  failures: number;
  /** Up to when all that happened is known. */
  complete_until: Date | null;
  lease_id: string;
}

/** Takes a connection's webhooks, where they are due and nobody is at them. */
export async function claim({ postgres }: Services, connectionId: string): Promise<Claimed | undefined> {
  const leaseId = uuidv7();
  const [row] = await postgres.rows(sql<Claimed>`
    with claimed as (
      update webhooks w set lease_id = ${leaseId}::uuid,
        check_at = now() + make_interval(secs => ${LEASE_SECONDS}),
        -- What is about to be made is known of before.
        registered = w.registered || (
          select coalesce(jsonb_agg(jsonb_build_object('id', '', 'target', name)), '[]') from unnest(w.watched) as name
          where not exists (
            select from jsonb_array_elements(w.registered) as r (known) where lower(r.known ->> 'target') = lower(name)
          )
        )
      from connections c
      where w.connection_id = ${connectionId}::uuid and c.id = w.connection_id and w.check_at <= now()
        and ${isLiving('c')} and c.credential is not null
      returning w.*
    )
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.credential, c.refresh_token,
      c.account_id, c.config, w.registered, w.watched, w.secret, w.version as secret_version, w.failures, w.complete_until,
      ${misfitSince} as misfit_since, w.lease_id,
      s.id as secret_key_id, s.generation as secret_key_generation, s.kms_key_id as secret_key_kms_key_id,
      s.wrapped as secret_key_wrapped, ${dataKeyColumns}
    from (
      select * from claimed
      union all
      -- What an earlier run of this very statement has taken, when its answer was lost.
      select * from webhooks where connection_id = ${connectionId}::uuid and lease_id = ${leaseId}::uuid
    ) w
    join connections c on c.id = w.connection_id and ${isLiving('c')} and c.credential is not null
    left join data_keys k on k.id = c.data_key_id left join data_keys s on s.id = w.data_key_id
    limit 1`);
  return row;
}

/** The secret that the deliveries are signed with, where they have one of their own. */
export function sealedSecret(row: Claimed): SealedSecret | undefined {
  if (row.secret === null) return undefined;
  return {
    ...row,
    secret: row.secret,
    version: row.secret_version,
    key_id: row.secret_key_id,
    key_tenant_id: row.tenant_id,
    key_generation: row.secret_key_generation,
    key_kms_key_id: row.secret_key_kms_key_id,
    key_wrapped: row.secret_key_wrapped,
  };
}
