import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { type KeyColumns, keyColumns, keyOf } from '../../lib/connections/snapshot.ts';
import { payloadOf } from '../../lib/payloads/payload.ts';
import {
  joinSmall,
  openSmall,
  type PartColumns,
  type PayloadColumns,
  partColumns,
  partsOfPayload,
  SMALL_BYTES,
} from '../../lib/payloads/read.ts';
import { firstParts, givenPayloads } from '../../lib/payloads/write.ts';
import { openServices } from '../../lib/services.ts';
import type { TestWorld } from './open-world.ts';

/** Has an event say something else, sealed for whose it is. */
export async function sayInstead(world: TestWorld, id: string, text: string): Promise<void> {
  const services = openServices(world.bindings as unknown as Env);
  const [row] = await services.postgres.rows(sql<{ tenant_id: string } & KeyColumns<'key'>>`
    select e.tenant_id, ${keyColumns('k', 'key')} from events e
    join data_keys k on k.tenant_id = e.tenant_id where e.id = ${id}::uuid order by k.generation desc limit 1`);
  const dataKey = row && keyOf(row, 'key');
  if (!dataKey) throw new Error('whose it is has no key');
  const bytes = Buffer.from(text);
  const hash = createHash('sha256').update(bytes).digest();
  const payload = await payloadOf(services, { tenantId: row.tenant_id, dataKey }, { bytes, hash });
  const given = givenPayloads(await firstParts(services, [payload]));
  await services.postgres.rows(sql`
    with given as (select * from ${given} as g (id, tenant_id, data_key_id, bytes, sealed)),
    said as (
      update events set payload_id = given.id, payload_bytes = given.bytes from given where events.id = ${id}::uuid
    )
    insert into payloads (id, part, tenant_id, data_key_id, sealed)
    select id, 0, tenant_id, data_key_id, sealed from given where sealed is not null
    on conflict (id, part) do update set written_at = now()`);
}

/** What events say, by their ids: the payload, opened, or what stands in its row. */
export async function saidBy(world: TestWorld, ids: readonly string[]): Promise<Map<string, string>> {
  const services = openServices(world.bindings as unknown as Env);
  const rows = await services.postgres.rows(sql<{ id: string; data: string } & PayloadColumns & PartColumns>`
    select e.id, e.data, e.payload_id, e.payload_bytes, ${partColumns} from events e ${joinSmall()}
    where e.id = any (${ids}::uuid[])`);
  const said = new Map<string, string>();
  for (const row of rows) {
    const { id, payload_id: payloadId } = row;
    if (payloadId === null || row.payload_bytes <= SMALL_BYTES) said.set(id, await openSmall(services, row));
    else {
      const parts: Uint8Array[] = [];
      for await (const part of partsOfPayload(services, { ...row, payload_id: payloadId })) parts.push(part);
      said.set(id, Buffer.concat(parts).toString());
    }
  }
  return said;
}
