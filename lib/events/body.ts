import { toUtf8 } from '../bytes.ts';
import { isWhole, type PayloadColumns, partsOfPayload, REDACTED } from '../payloads/read.ts';
import type { Services } from '../services.ts';

/** An event as its row tells it; what it says stands apart. */
export interface EventRow {
  id: string;
  type: string;
  provider: string;
  connection_id: string;
  user_id: string;
  brand_id: string | null;
  account_id: string;
  occurred_at: Date;
  received_at: Date;
}

/** An event in JSON (contract: "System events"). Its data, JSON as it came, goes in byte for byte. */
export function eventJson(row: EventRow, data: string): string {
  return `${beforeData(row)}${data}${AFTER_DATA}`;
}

const AFTER_DATA = '}';

function beforeData(row: EventRow): string {
  const known = {
    id: row.id,
    type: row.type,
    provider: row.provider,
    connection_id: row.connection_id,
    user_id: row.user_id,
    brand_id: row.brand_id,
    account_id: row.account_id,
    occurred_at: row.occurred_at.toISOString(),
    received_at: row.received_at.toISOString(),
  };
  return `${JSON.stringify(known).slice(0, -1)},"data":`;
}

/** The bytes of an event in JSON: as often as they are asked for, the same ones. */
export interface EventBody {
  length: number;
  /** Where they are all there. */
  whole?: Uint8Array;
  chunks: () => AsyncIterable<Uint8Array>;
}

export function bodyOf(row: EventRow, data: string): EventBody {
  const bytes = toUtf8(eventJson(row, data));
  return {
    length: bytes.length,
    whole: bytes,
    async *chunks() {
      yield bytes;
    },
  };
}

/**
 * The same of an event whose payload is read part by part. Where that is not there any more, what stands for it is its
 * data; where it goes meanwhile, reading throws.
 */
export async function bodyOfLarge(
  services: Services,
  row: EventRow & PayloadColumns & { payload_id: string },
): Promise<EventBody> {
  const [before, after] = [toUtf8(beforeData(row)), toUtf8(AFTER_DATA)];
  if (!(await isWhole(services, row))) return bodyOf(row, REDACTED);
  return {
    length: before.length + row.payload_bytes + after.length,
    async *chunks() {
      yield before;
      yield* partsOfPayload(services, row);
      yield after;
    },
  };
}
