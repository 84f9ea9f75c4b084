import { type RawBuilder, sql } from 'kysely';
import { type KeyColumns, keyColumns, keyOf } from '../connections/snapshot.ts';
import { openDataKey } from '../data-keys.ts';
import { EnvelopeError } from '../envelope.ts';
import { decodeUtf8 } from '../json-text.ts';
import { KmsRefusal } from '../kms.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { openPart, partsOf, payloadKey } from './part.ts';

/** Bytes of a payload that is read with its event; a larger one is read part by part. */
export const SMALL_BYTES = 256 * 1024;
/** What stands for a payload that is not there any more. */
export const REDACTED = '{"redacted":true}';

/** Where an event's payload is; no id where it has none, or has it no more. */
export interface PayloadColumns {
  payload_id: string | null;
  payload_bytes: number;
}

/** The first part of a payload, with its key; nulls where it is not there. */
export type PartColumns = KeyColumns<'part_key'> & {
  part_tenant_id: string | null;
  part_sealed: Uint8Array | null;
};

/** The columns of a part `p` and its data key `pk`. */
export const partColumns = sql`
  p.tenant_id as part_tenant_id, p.sealed as part_sealed, ${keyColumns('pk', 'part_key')}`;

/** SQL to join behind an event `e`: its payload, where that is small and `isWanted`. */
export function joinSmall(isWanted: RawBuilder<boolean> = sql<boolean>`true`): RawBuilder<unknown> {
  return sql`
    left join payloads p on p.id = e.payload_id and p.part = 0 and e.payload_bytes <= ${SMALL_BYTES} and ${isWanted}
    left join data_keys pk on pk.id = p.data_key_id`;
}

/**
 * What an event's payload says, or what stands in its place: of one that was read with it. Throws `PayloadNotOpened`.
 */
export async function openSmall(
  services: Services,
  row: PayloadColumns & PartColumns & { data: string },
): Promise<string> {
  if (row.payload_id === null || row.part_sealed === null) return row.data;
  const text = decodeUtf8(await open(services, row, row, 0));
  if (text === undefined) throw new PayloadNotOpened(row.payload_id, 'no text');
  return text;
}

/** The same of any size, all at once: of what is acted on, which is never many megabytes. Throws `PayloadGone`, too. */
export async function openText(
  services: Services,
  row: PayloadColumns & PartColumns & { data: string },
): Promise<string> {
  const { payload_id: id } = row;
  if (id === null) return row.data;
  if (row.payload_bytes <= SMALL_BYTES) {
    if (row.part_sealed === null) throw new PayloadGone();
    return openSmall(services, row);
  }
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of partsOfPayload(services, { ...row, payload_id: id })) {
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

/** The same part by part, each read when it is asked for. Nothing of one that is not there as a whole. */
export async function* partsOfPayload(
  services: Services,
  payload: PayloadColumns & { payload_id: string },
): AsyncGenerator<Uint8Array> {
  for (let part = 0; part < partsOf(payload.payload_bytes); part += 1) {
    const [row] = await services.postgres.rows(sql<PartColumns>`
      select ${partColumns} from payloads p join data_keys pk on pk.id = p.data_key_id
      where p.id = ${payload.payload_id}::uuid and p.part = ${part}`);
    if (!row) throw new PayloadGone();
    yield await open(services, payload, row, part);
  }
}

/** Whether all parts of a payload are there. */
export async function isWhole(
  { postgres }: Services,
  { payload_id: id, payload_bytes: bytes }: PayloadColumns,
): Promise<boolean> {
  const [row] = await postgres.rows(sql<{ parts: number }>`
    select count(*)::integer as parts from payloads p join data_keys k on k.id = p.data_key_id where p.id = ${id}::uuid`);
  return row?.parts === partsOf(bytes);
}

/** A payload that somebody has changed or moved, or whose key does not open any more. */
export class PayloadNotOpened extends Problem {
  constructor(payloadId: string | null, why: string) {
    super('unavailable', 'The payload does not open.', {
      retryAfter: 60,
      reason: `payload ${payloadId}: ${why}`,
    });
  }
}

/** A payload was forgotten while it was read. */
export class PayloadGone extends Error {}

async function open(
  { kms }: Services,
  { payload_id: payloadId, payload_bytes: bytes }: PayloadColumns,
  row: PartColumns,
  part: number,
): Promise<Uint8Array> {
  const wrapped = keyOf(row, 'part_key');
  try {
    if (!wrapped || payloadId === null || row.part_tenant_id === null || row.part_sealed === null)
      throw new EnvelopeError('it is gone');
    const key = await payloadKey(await openDataKey(wrapped, kms, Date.now()), payloadId);
    const place = { tenantId: row.part_tenant_id, payloadId, part, parts: partsOf(bytes) };
    return await openPart(key, place, row.part_sealed);
  } catch (error) {
    if (!(error instanceof EnvelopeError || error instanceof KmsRefusal)) throw error;
    throw new PayloadNotOpened(payloadId, error.message);
  }
}
