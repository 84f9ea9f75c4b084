import { sql } from 'kysely';
import type { Config } from '../../providers/provider.ts';
import { endTime } from './end-time.ts';

export type ConnectionStatus = 'connected' | 'reauthorization_required' | 'disconnected';

/** What a caller may see of a connection's row: nothing sealed. */
export interface ConnectionRow {
  id: string;
  user_id: string;
  brand_id: string | null;
  provider: string;
  type: 'oauth' | 'api_key' | 'service_account';
  status: ConnectionStatus;
  account_id: string;
  account_name: string | null;
  scopes: string[];
  missing_scopes: string[];
  config: Config;
  expires_at: Date | null;
  reauthorize_by: Date | null;
  last_refreshed_at: Date | null;
  last_error_code: string | null;
  last_error_message: string | null;
  last_error_at: Date | null;
  connected_at: Date;
  updated_at: Date;
  webhook_status: 'active' | 'failed' | 'none' | null;
  webhook_error: string | null;
  webhook_at: Date | null;
}

/** The columns of `ConnectionRow`, of a table or alias `c`. */
export const connectionColumns = sql`
  c.id, c.user_id, c.brand_id, c.provider, c.type, c.status, c.account_id, c.account_name, c.scopes,
  c.missing_scopes, c.config, c.expires_at, ${endTime('c')} as reauthorize_by, c.last_refreshed_at, c.last_error_code,
  c.last_error_message, c.last_error_at, c.connected_at, c.updated_at,
  (select w.status from webhooks w where w.connection_id = c.id) as webhook_status,
  (select w.error from webhooks w where w.connection_id = c.id) as webhook_error,
  (
    select e.received_at from events e where e.connection_id = c.id and e.topic is not null
    order by e.received_at desc limit 1
  ) as webhook_at`;

/** A connection's row where a join may have found none. */
export type MaybeConnection = ConnectionRow | { id: null };
