import { sql } from 'kysely';
import { openCredential, type SealedRow } from '../../lib/connections/sealed.ts';
import { dataKeyColumns } from '../../lib/connections/snapshot.ts';
import { openServices } from '../../lib/services.ts';
import type { TestWorld } from './open-world.ts';

/** The credential of a connection as the Worker keeps it, opened with the Worker's own code, KMS and database. */
export async function openedCredential(world: TestWorld, connectionId: string): Promise<string> {
  const services = openServices(world.bindings as unknown as Env);
  const [row] = await services.postgres.rows(sql<SealedRow>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.credential,
      c.refresh_token, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id where c.id = ${connectionId}::uuid`);
  if (!row) throw new Error('no such connection');
  return openCredential(services, row);
}
