import { toolsOf, webhookEventsOf } from '../catalog.ts';
import type { ConnectionBody } from '../http/bodies.ts';
import type { ConnectionRow } from './row.ts';

/** A connection as callers see it (contract: "A connection"). Times are RFC 3339 UTC. */
export function viewOf(row: ConnectionRow): ConnectionBody {
  return {
    id: row.id,
    provider: row.provider,
    type: row.type,
    status: row.status,
    brand_id: row.brand_id,
    account: { id: row.account_id, name: row.account_name },
    scopes: row.scopes,
    missing_scopes: row.missing_scopes,
    config: row.config,
    tools: row.status === 'connected' ? toolsOf(row.provider) : [],
    webhooks: webhooksOf(row),
    expires_at: time(row.expires_at),
    reauthorize_by: time(row.reauthorize_by),
    last_refreshed_at: time(row.last_refreshed_at),
    last_error:
      row.last_error_code === null || row.last_error_at === null
        ? null
        : {
            code: row.last_error_code,
            message: row.last_error_message ?? '',
            at: row.last_error_at.toISOString(),
          },
    connected_at: row.connected_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** Where nothing is watched there is nothing to be told of. */
function webhooksOf({ provider, status, webhook_status, webhook_error, webhook_at }: ConnectionRow) {
  const stands = status !== 'disconnected' && webhook_status !== null && webhook_status !== 'none';
  return {
    status: stands ? webhook_status : ('unsupported' as const),
    events: stands && webhook_status === 'active' ? webhookEventsOf(provider) : [],
    last_received_at: time(webhook_at),
    error: stands ? webhook_error : null,
  };
}

function time(value: Date | null): string | null {
  return value?.toISOString() ?? null;
}
