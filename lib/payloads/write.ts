import { type RawBuilder, sql } from 'kysely';
import { toHex } from '../bytes.ts';
import type { Services } from '../services.ts';
import type { Payload } from './payload.ts';

/** What is written in place of a payload's parts that are written beforehand. */
export interface FirstParts {
  payloads: readonly Payload[];
  /** Of each that has one part only; null of those whose parts stand already. */
  sealed: readonly (Uint8Array | null)[];
}

/**
 * Makes payloads ready to be written with the events that say so: those of one part go with these in one statement, the
 * parts of larger ones are written now, one by one.
 */
export async function firstParts(services: Services, payloads: readonly Payload[]): Promise<FirstParts> {
  const sealed: (Uint8Array | null)[] = [];
  for (const payload of payloads) {
    if (payload.parts > 1) await writeParts(services, payload);
    sealed.push(payload.parts > 1 ? null : await payload.seal(0));
  }
  return { payloads, sealed };
}

/** SQL: the columns of one row for each payload, as `id, tenant_id, data_key_id, bytes, sealed`. */
export function givenPayloads({ payloads, sealed }: FirstParts): RawBuilder<unknown> {
  return sql`
    unnest(
      ${payloads.map(({ id }) => id)}::uuid[], ${payloads.map(({ tenantId }) => tenantId)}::uuid[],
      ${payloads.map(({ dataKeyId }) => dataKeyId)}::uuid[], ${payloads.map(({ bytes }) => bytes)}::integer[],
      ${sealed.map((part) => part && `\\x${toHex(part)}`)}::bytea[]
    )`;
}

async function writeParts({ postgres }: Services, payload: Payload): Promise<void> {
  for (let part = 0; part < payload.parts; part += 1) {
    const sealed = await payload.seal(part);
    await postgres.rows(sql`
      insert into payloads (id, part, tenant_id, data_key_id, sealed)
      values (${payload.id}::uuid, ${part}, ${payload.tenantId}::uuid, ${payload.dataKeyId}::uuid, ${sealed}::bytea)
      on conflict (id, part) do update set written_at = now()`);
  }
}
