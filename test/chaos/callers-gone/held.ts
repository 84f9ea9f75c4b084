import { sql } from 'kysely';
import { openCredential, type SealedRow } from '../../../lib/connections/sealed.ts';
import { dataKeyColumns } from '../../../lib/connections/snapshot.ts';
import { openServices, type Services } from '../../../lib/services.ts';
import type { StagedWorld } from '../stage.ts';

/** What we hold of a person's access, opened with the Worker's own code. */
export interface Held {
  /** Of the connection; undefined where there is none. */
  status: string | undefined;
  /** The tokens of the connection. */
  kept: Tokens | undefined;
  /** Those that are to be ended. */
  ending: Tokens[];
}

interface Tokens {
  access: string | undefined;
  refresh: string | undefined;
}

type Row = SealedRow & { refresh_token: Uint8Array | null; credential: Uint8Array | null };

/** By user. */
export async function heldBy(world: StagedWorld, userIds: readonly string[]): Promise<Map<string, Held>> {
  const services = openServices(world.bindings as unknown as Env);
  const connections = await services.postgres.rows(sql<Row & { status: string }>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.status, c.credential,
      c.refresh_token, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id where c.user_id = any (${userIds}::uuid[])`);
  const revocations = await services.postgres.rows(sql<Row>`
    select r.connection_id, r.user_id, r.brand_id, r.tenant_id, r.provider, r.version, r.config, r.credential, r.refresh_token,
      ${dataKeyColumns}
    from revocations r left join data_keys k on k.id = r.data_key_id where r.user_id = any (${userIds}::uuid[])`);
  const found = new Map<string, Held>(
    userIds.map((id) => [id, { status: undefined, kept: undefined, ending: [] }]),
  );
  for (const row of connections) {
    const held = found.get(row.user_id);
    if (!held) continue;
    held.status = row.status;
    if (row.status !== 'disconnected') held.kept = await opened(services, row);
  }
  for (const row of revocations) found.get(row.user_id)?.ending.push(await opened(services, row));
  return found;
}

async function opened(services: Services, row: Row): Promise<Tokens> {
  return {
    access: row.credential ? await openCredential(services, row) : undefined,
    refresh: row.refresh_token ? await openCredential(services, row, 'refresh_token') : undefined,
  };
}
