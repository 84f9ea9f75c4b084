import { parse as uuidBytes } from 'uuid';
import { lengthPrefixed, randomBytes, toUtf8 } from '../bytes.ts';
import type { DataKey } from '../data-keys.ts';
import { EnvelopeError } from '../envelope.ts';

/** Bytes of a payload that are sealed as one, so that an isolate holds a few of them and never a large payload whole. */
export const PART_BYTES = 1_000_000;

/** Where a part belongs; it opens nowhere else, and none is left out. */
export interface Place {
  tenantId: string;
  payloadId: string;
  /** From 0 on. */
  part: number;
  /** How many there are. */
  parts: number;
}

const FORMAT = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + IV_BYTES;

/** How many parts a payload of so many bytes has. */
export function partsOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / PART_BYTES));
}

/** The key of one payload, derived from a tenant's data key (HKDF-SHA-256, RFC 5869). */
export function payloadKey({ base }: DataKey, payloadId: string): Promise<CryptoKey> {
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: uuidBytes(payloadId), info: toUtf8('reeve payload') },
    base,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  );
}

/** Seals a part with AES-256-GCM under a random IV: a byte of format, 12 of IV, the ciphertext, 16 of tag. */
export async function sealPart(key: CryptoKey, place: Place, bytes: Uint8Array): Promise<Uint8Array> {
  const iv = randomBytes(IV_BYTES);
  const sealed = await crypto.subtle.encrypt(parameters(iv, place), key, bytes as Uint8Array<ArrayBuffer>);
  const part = new Uint8Array(HEADER_BYTES + sealed.byteLength);
  part[0] = FORMAT;
  part.set(iv, 1);
  part.set(new Uint8Array(sealed), HEADER_BYTES);
  return part;
}

/** Opens what `sealPart` made. Throws `EnvelopeError`. */
export async function openPart(key: CryptoKey, place: Place, sealed: Uint8Array): Promise<Uint8Array> {
  if (sealed[0] !== FORMAT || sealed.length < HEADER_BYTES + TAG_BYTES)
    throw new EnvelopeError('unknown format');
  try {
    const iv = sealed.slice(1, HEADER_BYTES);
    return new Uint8Array(
      await crypto.subtle.decrypt(parameters(iv, place), key, sealed.slice(HEADER_BYTES)),
    );
  } catch {
    throw new EnvelopeError('does not open');
  }
}

function parameters(iv: Uint8Array<ArrayBuffer>, { tenantId, payloadId, part, parts }: Place) {
  const additionalData = lengthPrefixed([
    Uint8Array.of(FORMAT),
    uuidBytes(tenantId),
    uuidBytes(payloadId),
    toUtf8(`${part} of ${parts}`),
  ]);
  return { name: 'AES-GCM', iv, additionalData, tagLength: TAG_BYTES * 8 };
}
