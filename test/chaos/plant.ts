import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { openCredential, type SealedRow } from '../../lib/connections/sealed.ts';
import { dataKeyColumns } from '../../lib/connections/snapshot.ts';
import { type DataKey, generateDataKey } from '../../lib/data-keys.ts';
import { seal } from '../../lib/envelope.ts';
import { openServices } from '../../lib/services.ts';
import type { StagedWorld } from './stage.ts';
import type { Pair } from './token-server.ts';

const BATCH = 1_000;

export interface Planted {
  id: string;
  userId: string;
}

/**
 * Writes connections as the Worker does, sealed, due at `refreshAt` (an SQL expression); each is another user's, in
 * one of a few tenants.
 */
export async function plant(
  world: StagedWorld,
  provider: 'github' | 'shopify',
  pairs: readonly Pair[],
  { refreshAt = 'now()', expiresAt = `now() + interval '5 minutes'`, tenants = 4 } = {},
): Promise<Planted[]> {
  const services = openServices(world.bindings as unknown as Env);
  const keys: { tenantId: string; key: DataKey }[] = [];
  for (let at = 0; at < tenants; at += 1) {
    const tenantId = randomUUID();
    const { row, ...key } = await generateDataKey(tenantId, 1, services.kms, Date.now());
    await world.sql(
      'insert into data_keys (id, tenant_id, generation, kms_key_id, wrapped) values ($1, $2, 1, $3, $4)',
      [row.id, tenantId, row.kmsKeyId, Buffer.from(row.wrapped)],
    );
    keys.push({ tenantId, key });
  }
  const planted: Planted[] = [];
  for (let from = 0; from < pairs.length; from += BATCH) {
    const rows = await Promise.all(
      pairs.slice(from, from + BATCH).map(async (pair, at) => {
        const { tenantId, key } = keys[(from + at) % keys.length] ?? { tenantId: '', key: undefined };
        if (!key) throw new Error('no tenant');
        const [id, userId] = [randomUUID(), randomUUID()];
        const config: Record<string, string> =
          provider === 'github' ? {} : { shop: `shop-${id}.myshopify.com` };
        const binding = { tenantId, brandId: null, userId, connectionId: id, provider, version: 1, config };
        return {
          id,
          user_id: userId,
          tenant_id: tenantId,
          data_key_id: key.id,
          account_id: provider === 'github' ? '583231' : `${id}.myshopify.com`,
          config,
          credential: Buffer.from(
            await seal(pair.access, key.key, key.id, { ...binding, field: 'credential' }),
          ),
          refresh_token: Buffer.from(
            await seal(pair.refresh, key.key, key.id, { ...binding, field: 'refresh_token' }),
          ),
        };
      }),
    );
    const data = rows.map((row) => ({
      ...row,
      credential: hex(row.credential),
      refresh_token: hex(row.refresh_token),
    }));
    await world.sql(
      `insert into users (id, name) select unnest($1::uuid[]), 'Somebody' on conflict do nothing`,
      [rows.map((row) => row.user_id)],
    );
    await world.sql(
      `insert into connections (id, user_id, tenant_id, data_key_id, provider, type, status, account_id, grant_id,
         config, version, credential, refresh_token, expires_at, refresh_at)
       select id, user_id, tenant_id, data_key_id, $2, 'oauth', 'connected', account_id, id::text, config, 1,
         credential::bytea, refresh_token::bytea, ${expiresAt}, ${refreshAt}
       from jsonb_to_recordset($1::jsonb) as r(id uuid, user_id uuid, tenant_id uuid, data_key_id uuid,
         account_id text, config jsonb, credential text, refresh_token text)`,
      [JSON.stringify(data), provider],
    );
    planted.push(...rows.map((row) => ({ id: row.id, userId: row.user_id })));
  }
  return planted;
}

function hex(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`;
}

/** The refresh tokens that the connections hold now, opened with the Worker's own code. */
export async function heldTokens(
  world: StagedWorld,
): Promise<{ id: string; status: string; refresh: string }[]> {
  const services = openServices(world.bindings as unknown as Env);
  const rows = await services.postgres.rows(sql<SealedRow & { status: string }>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.status, c.credential,
      c.refresh_token, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id where c.refresh_token is not null`);
  const held: { id: string; status: string; refresh: string }[] = [];
  for (const row of rows) {
    held.push({
      id: row.connection_id,
      status: row.status,
      refresh: await openCredential(services, row, 'refresh_token'),
    });
  }
  return held;
}
