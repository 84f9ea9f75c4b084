import * as z from 'zod';

/** A problem as it stands in the body (RFC 9457). */
export const problemBody = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  request_id: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

const time = z.iso.datetime();

/** A connection as callers see it. */
export const connectionBody = z.object({
  id: z.uuid(),
  provider: z.string(),
  type: z.enum(['oauth', 'api_key', 'service_account']),
  status: z.enum(['connected', 'reauthorization_required', 'disconnected']),
  brand_id: z.guid().nullable(),
  account: z.object({ id: z.string(), name: z.string().nullable() }),
  scopes: z.array(z.string()),
  missing_scopes: z.array(z.string()),
  config: z.record(z.string(), z.string()),
  tools: z.array(z.string()),
  webhooks: z.object({
    status: z.enum(['active', 'failed', 'unsupported']),
    events: z.array(z.string()),
    last_received_at: time.nullable(),
    error: z.string().nullable().describe('What keeps webhooks from being registered, and what to do.'),
  }),
  expires_at: time.nullable(),
  reauthorize_by: time.nullable(),
  last_refreshed_at: time.nullable(),
  last_error: z.object({ code: z.string(), message: z.string(), at: time }).nullable(),
  connected_at: time,
  updated_at: time,
});

export type ConnectionBody = z.infer<typeof connectionBody>;
