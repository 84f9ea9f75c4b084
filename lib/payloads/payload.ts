import { stringify as uuidText } from 'uuid';
import { toHex, toUtf8 } from '../bytes.ts';
import { type DataKey, openDataKey, type WrappedDataKey } from '../data-keys.ts';
import { KmsRefusal } from '../kms.ts';
import { unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import { PART_BYTES, partsOf, payloadKey, sealPart } from './part.ts';

/** What a provider has told, on its way into `payloads`: its parts, sealed for a tenant. */
export interface Payload {
  id: string;
  tenantId: string;
  dataKeyId: string;
  bytes: number;
  parts: number;
  /** Seals one of them, from 0 on. */
  seal: (part: number) => Promise<Uint8Array>;
}

/** Who a payload is sealed for, and with what. */
export interface Sealing {
  tenantId: string;
  dataKey: WrappedDataKey;
}

/**
 * A tenant's payload. The same bytes have the same id, under a key, so that it is stored once, and nobody who reads the
 * database can try what it says. `hash` is the SHA-256 of `bytes`. At most one call to KMS. Throws `unavailable`.
 */
export async function payloadOf(
  { config, kms }: Services,
  { tenantId, dataKey }: Sealing,
  { bytes, hash }: { bytes: Uint8Array; hash: Uint8Array },
): Promise<Payload> {
  const [id, opened] = await Promise.all([
    idOf(config.GRANT_KEY, tenantId, hash),
    openDataKey(dataKey, kms, Date.now()).catch(refused),
  ]);
  const key = await payloadKey(opened, id);
  const parts = partsOf(bytes.length);
  const seal = (part: number) => {
    const piece = bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
    return sealPart(key, { tenantId, payloadId: id, part, parts }, piece);
  };
  return { id, tenantId, dataKeyId: opened.id, bytes: bytes.length, parts, seal };
}

function refused(error: unknown): DataKey {
  throw error instanceof KmsRefusal ? unavailable(`payload: ${error.message}`, 60) : error;
}

const idKeys = new Map<string, Promise<CryptoKey>>();

function idKey(grantKey: string): Promise<CryptoKey> {
  const known =
    idKeys.get(grantKey) ??
    crypto.subtle.importKey('raw', toUtf8(grantKey), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  idKeys.set(grantKey, known);
  return known;
}

/** A UUID of version 8 (RFC 9562 section 5.8). */
async function idOf(grantKey: string, tenantId: string, hash: Uint8Array): Promise<string> {
  const text = toUtf8(`payload ${tenantId} ${toHex(hash)}`);
  const mac = await crypto.subtle.sign('HMAC', await idKey(grantKey), text as Uint8Array<ArrayBuffer>);
  const bytes = new Uint8Array(mac, 0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return uuidText(bytes);
}
