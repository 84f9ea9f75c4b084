import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import * as z from 'zod';
import { fromBase64, toBase64 } from '../bytes.ts';
import type { WrappedDataKey } from '../data-keys.ts';
import type { Binding } from '../envelope.ts';
import type { Services } from '../services.ts';
import { grantsLock } from './grants-lock.ts';
import { isSealing } from './same-sealing.ts';

const isBytes = (value: unknown) => value instanceof Uint8Array;
const bytes = z.codec(z.base64(), z.custom<Uint8Array>(isBytes), { decode: fromBase64, encode: toBase64 });

/**
 * A token whose row may or may not have been written: PostgreSQL did not answer. It waits sealed in the queue, in
 * one piece with the data key that opens it, until PostgreSQL can tell.
 */
export const unsettled = z.object({
  kind: z.literal('unsettled'),
  connection_id: z.guid(),
  user_id: z.guid(),
  brand_id: z.guid().nullable(),
  tenant_id: z.guid(),
  provider: z.string(),
  account_id: z.string(),
  grant_id: z.string(),
  config: z.record(z.string(), z.string()),
  version: z.number().int(),
  credential: bytes,
  data_key: z.object({ id: z.guid(), kms_key_id: z.string(), wrapped: bytes }).nullable(),
  data_key_id: z.guid(),
});

export type Unsettled = z.output<typeof unsettled>;

export function toUnsettled(
  binding: Omit<Binding, 'field'>,
  sealed: { credential: Uint8Array; dataKeyId: string; newKey: WrappedDataKey | undefined },
  account: { accountId: string; grantId: string; config: Record<string, string> },
): Unsettled {
  const { newKey } = sealed;
  return {
    kind: 'unsettled',
    connection_id: binding.connectionId,
    user_id: binding.userId,
    brand_id: binding.brandId,
    tenant_id: binding.tenantId,
    provider: binding.provider,
    account_id: account.accountId,
    grant_id: account.grantId,
    config: account.config,
    version: binding.version,
    credential: sealed.credential,
    data_key: newKey ? { id: newKey.id, kms_key_id: newKey.kmsKeyId, wrapped: newKey.wrapped } : null,
    data_key_id: sealed.dataKeyId,
  };
}

/**
 * Leaves the token alone where its connection stands after all, and hands it to the revocations where it does not.
 * Doing it twice adds nothing, but for a second attempt to end a token that has ended.
 */
export async function settle({ postgres }: Services, token: Unsettled): Promise<'kept' | 'to_be_revoked'> {
  const key = token.data_key;
  const rows = await postgres.rowsUnderLock(
    grantsLock(token.provider),
    sql`
    with lost as (
      select where not exists (
        select from connections c
        where c.id = ${token.connection_id}::uuid and ${isSealing(sql`c.credential`, token.credential)}
      )
    ),
    -- A generation of its own: another first key may stand by now.
    new_key as (
      insert into data_keys (id, tenant_id, generation, kms_key_id, wrapped)
      select ${key?.id ?? null}::uuid, ${token.tenant_id}::uuid,
        (select coalesce(max(generation), 0) + 1 from data_keys where tenant_id = ${token.tenant_id}::uuid),
        ${key?.kms_key_id ?? null}, ${key?.wrapped ?? null}::bytea
      from lost where ${key !== null}
      on conflict (id) do nothing
    )
    insert into revocations (
      id, connection_id, user_id, brand_id, tenant_id, provider, account_id, grant_id, config, version, data_key_id, credential,
      next_attempt_at, give_up_at, registered
    )
    select ${uuidv7()}, ${token.connection_id}::uuid, ${token.user_id}::uuid, ${token.brand_id}::uuid,
      ${token.tenant_id}::uuid, ${token.provider}, ${token.account_id}, ${token.grant_id}, ${JSON.stringify(token.config)}::jsonb,
      ${token.version}::integer, ${token.data_key_id}::uuid, ${token.credential}::bytea, now(),
      now() + interval '24 hours', '[]'
    from lost
    returning id`,
  );
  return rows.length === 0 ? 'kept' : 'to_be_revoked';
}
