import { type RawBuilder, sql } from 'kysely';
import { toHex } from '../bytes.ts';
import { unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Payload } from './payload.ts';

/** What is written in place of a payload's parts that are written beforehand. */
export interface FirstParts {
  payloads: readonly Payload[];
  /** Of each that has one part only; null of those whose parts stand already. */
  sealed: readonly (Uint8Array | null)[];
}

/**
 * Makes payloads ready to be written with the events that say so: small ones go with these in one statement, the parts of
 * larger ones are written now, one by one. Throws `unavailable` where that takes longer than some seconds.
 */
export async function firstParts(services: Services, payloads: readonly Payload[]): Promise<FirstParts> {
  const sealed: (Uint8Array | null)[] = [];
  const largest = Math.max(0, ...payloads.map(({ bytes }) => bytes));
  const end = Date.now() + WRITING_MS + largest / BYTES_PER_MS;
  for (const payload of payloads) {
    const isAlone = payload.bytes > ALONE_BYTES;
    if (isAlone) await writeParts(services, payload, end);
    sealed.push(isAlone ? null : await payload.seal(0));
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

/** Of a payload that goes by itself: many of them in one statement would take many times their size in memory. */
const ALONE_BYTES = 128 * 1024;

/** Who sends what is large waits for some seconds, the longer the larger it may be, and sends it again where it comes to nothing. */
const WRITING_MS = 1_500;
const BYTES_PER_MS = 5_000;

/** Those that stand from before are not written again: who comes back goes on where it was. Throws `unavailable`. */
async function writeParts({ postgres }: Services, payload: Payload, end: number): Promise<void> {
  const standing = await postgres.rows(sql<{ part: number }>`
    update payloads set written_at = now()
    where id = ${payload.id}::uuid and data_key_id = ${payload.dataKeyId}::uuid returning part`);
  const known = new Set(standing.map(({ part }) => part));
  for (let part = 0; part < payload.parts; part += 1) {
    if (known.has(part)) continue;
    if (Date.now() > end) throw unavailable(`payload ${payload.id}: too large to be written in time`, 60);
    const sealed = await payload.seal(part);
    await postgres.rows(sql`
      insert into payloads (id, part, tenant_id, data_key_id, sealed)
      values (${payload.id}::uuid, ${part}, ${payload.tenantId}::uuid, ${payload.dataKeyId}::uuid, ${sealed}::bytea)
      on conflict (id, part) do update set data_key_id = excluded.data_key_id, sealed = excluded.sealed, written_at = now()`);
  }
}
