import { parse as uuidBytes, stringify as uuidText } from 'uuid';
import { lengthPrefixed, randomBytes, toUtf8 } from './bytes.ts';

/** What an envelope belongs to; it opens nowhere else. */
export interface Binding {
  tenantId: string;
  brandId: string | null;
  userId: string;
  connectionId: string;
  provider: string;
  field: 'credential' | 'refresh_token' | 'previous_refresh_token' | 'webhook_secret';
  /** Of the credential: an older envelope does not open in a newer row. */
  version: number;
}

const FORMAT = 1;
const KEY_ID_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const IV_AT = 1 + KEY_ID_BYTES;
const HEADER_BYTES = IV_AT + IV_BYTES;

/** An envelope that does not open: not ours, moved, changed or cut. */
export class EnvelopeError extends Error {}

/**
 * Seals a secret with AES-256-GCM under a random 96-bit IV (NIST SP 800-38D). An envelope is one byte of
 * format, 16 of data key id, 12 of IV, the ciphertext, 16 of tag; the binding is additional data.
 */
export async function seal(
  secret: string,
  key: CryptoKey,
  keyId: string,
  binding: Binding,
): Promise<Uint8Array> {
  return sealWith(randomBytes(IV_BYTES), secret, key, keyId, binding);
}

/**
 * Seals with another data key what an envelope holds; where it belongs stays. So does its IV: it was drawn at random
 * for this secret alone, and is as good under a key of which it is independent. By it the envelope is known again
 * (`isSealing`) to whoever made it and did not hear what became of it. Throws `EnvelopeError`.
 */
export async function reseal(
  envelope: Uint8Array,
  from: { id: string; key: CryptoKey },
  to: { id: string; key: CryptoKey },
  binding: Binding,
): Promise<Uint8Array> {
  if (dataKeyIdOf(envelope) !== from.id) throw new EnvelopeError('sealed with another key');
  const secret = await open(envelope, from.key, from.id, binding);
  return sealWith(envelope.slice(IV_AT, HEADER_BYTES), secret, to.key, to.id, binding);
}

async function sealWith(
  iv: Uint8Array<ArrayBuffer>,
  secret: string,
  key: CryptoKey,
  keyId: string,
  binding: Binding,
): Promise<Uint8Array> {
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: additionalData(keyId, binding), tagLength: TAG_BYTES * 8 },
    key,
    toUtf8(secret),
  );
  const envelope = new Uint8Array(HEADER_BYTES + sealed.byteLength);
  envelope[0] = FORMAT;
  envelope.set(uuidBytes(keyId), 1);
  envelope.set(iv, IV_AT);
  envelope.set(new Uint8Array(sealed), HEADER_BYTES);
  return envelope;
}

/** Opens what `seal` made with the same key and binding. Throws `EnvelopeError`. */
export async function open(
  envelope: Uint8Array,
  key: CryptoKey,
  keyId: string,
  binding: Binding,
): Promise<string> {
  if (envelope.length < HEADER_BYTES + TAG_BYTES || envelope[0] !== FORMAT)
    throw new EnvelopeError('unknown format');
  try {
    const opened = await crypto.subtle.decrypt(
      {
        name: 'AES-GCM',
        iv: envelope.slice(IV_AT, HEADER_BYTES),
        additionalData: additionalData(keyId, binding),
        tagLength: TAG_BYTES * 8,
      },
      key,
      envelope.slice(HEADER_BYTES),
    );
    return new TextDecoder().decode(opened);
  } catch {
    throw new EnvelopeError('does not open');
  }
}

/** The id of the data key that sealed it. Throws `EnvelopeError`. */
export function dataKeyIdOf(envelope: Uint8Array): string {
  if (envelope.length < HEADER_BYTES + TAG_BYTES || envelope[0] !== FORMAT)
    throw new EnvelopeError('unknown format');
  return uuidText(envelope, 1);
}

function additionalData(keyId: string, binding: Binding): Uint8Array<ArrayBuffer> {
  return lengthPrefixed([
    Uint8Array.of(FORMAT),
    uuidBytes(keyId),
    toUtf8(binding.tenantId),
    toUtf8(binding.brandId ?? ''),
    toUtf8(binding.userId),
    toUtf8(binding.connectionId),
    toUtf8(binding.provider),
    toUtf8(binding.field),
    toUtf8(String(binding.version)),
  ]);
}
