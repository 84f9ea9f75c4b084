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
  /** What says where it goes: where that was changed beside it, it does not open. */
  config: Readonly<Record<string, string>>;
}

/** The second binds the config, too; what the first has sealed is sealed again with the next data key, and opens until then. */
const FORMAT = 2;
const FORMATS: readonly (number | undefined)[] = [1, FORMAT];
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
    { name: 'AES-GCM', iv, additionalData: additionalData(FORMAT, keyId, binding), tagLength: TAG_BYTES * 8 },
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
  const format = formatOf(envelope);
  try {
    const opened = await crypto.subtle.decrypt(
      {
        name: 'AES-GCM',
        iv: envelope.slice(IV_AT, HEADER_BYTES),
        additionalData: additionalData(format, keyId, binding),
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
  formatOf(envelope);
  return uuidText(envelope, 1);
}

function formatOf(envelope: Uint8Array): number {
  const [format] = envelope;
  if (format === undefined || envelope.length < HEADER_BYTES + TAG_BYTES || !FORMATS.includes(format))
    throw new EnvelopeError('unknown format');
  return format;
}

function additionalData(format: number, keyId: string, binding: Binding): Uint8Array<ArrayBuffer> {
  return lengthPrefixed([
    Uint8Array.of(format),
    uuidBytes(keyId),
    toUtf8(binding.tenantId),
    toUtf8(binding.brandId ?? ''),
    toUtf8(binding.userId),
    toUtf8(binding.connectionId),
    toUtf8(binding.provider),
    toUtf8(binding.field),
    toUtf8(String(binding.version)),
    ...(format === 1 ? [] : canonical(binding.config)),
  ]);
}

/** Names and values, by name: as they stand in a row, whatever order that gives them. */
function canonical(config: Binding['config']): ReturnType<typeof toUtf8>[] {
  return Object.keys(config)
    .sort()
    .flatMap((name) => [toUtf8(name), toUtf8(JSON.stringify(config[name]) ?? '')]);
}
