import * as z from 'zod';
import { bytes, time } from '../sealed-json.ts';

/**
 * Tokens that a provider has just given, sealed: all that their row in `revocations` must be told. They wait there until
 * it is known whether a connection keeps them; where PostgreSQL does not take the row, it waits in the queue, in one
 * piece with the data key that opens it.
 */
export const obtained = z.object({
  kind: z.literal('obtained'),
  id: z.guid(),
  connection_id: z.guid(),
  user_id: z.guid(),
  brand_id: z.guid().nullable(),
  tenant_id: z.guid(),
  provider: z.string(),
  account_id: z.string().nullable(),
  grant_id: z.string().nullable(),
  credential_id: z.string(),
  client_id: z.string().nullable().default(null),
  config: z.record(z.string(), z.string()),
  version: z.number().int(),
  credential: bytes,
  refresh_token: bytes.nullable(),
  expires_at: time.nullable(),
  data_key_id: z.guid(),
  /** Where it is new, and may not be stored yet. */
  data_key: z.object({ kms_key_id: z.string(), wrapped: bytes }).nullable(),
});

export type Obtained = z.output<typeof obtained>;
