import { toolsOf } from '../catalog.ts';
import type { ConnectionBody } from '../http/bodies.ts';
import type { ConnectionRow } from './row.ts';

const NO_WEBHOOKS = { status: 'unsupported' as const, events: [] as string[], last_received_at: null };

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
    webhooks: NO_WEBHOOKS,
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

function time(value: Date | null): string | null {
  return value?.toISOString() ?? null;
}
