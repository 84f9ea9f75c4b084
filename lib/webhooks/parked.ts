import * as z from 'zod';
import type { Told } from '../../providers/provider.ts';
import { randomBytes, toUtf8 } from '../bytes.ts';
import { EnvelopeError } from '../envelope.ts';
import { parseJson } from '../json-text.ts';
import type { Received } from './receive.ts';

/** A delivery that was verified, and waits in KV. */
export interface Parked {
  provider: string;
  /** Undefined: to the app as a whole. */
  connectionId: string | undefined;
  received: Received;
}

/** The same as it is found again, with when it was parked. */
export interface FoundParked extends Parked {
  parkedAt: Date;
}

/** What stands before the bytes. */
const head = z.object({
  provider: z.string(),
  connection_id: z.guid().nullable(),
  told: z.record(z.string(), z.unknown()),
  occurred_at: z.iso.datetime().nullable(),
  parked_at: z.iso.datetime(),
});

const FORMAT = 1;
const IV_BYTES = 12;
const HEADER_BYTES = 1 + IV_BYTES;

/**
 * Seals a delivery for KV, where no tenant's key can be had: under a key that is derived from STATE_KEY (HKDF-SHA-256,
 * RFC 5869), bound to the name that it stands under. A byte of format, 12 of IV, the ciphertext, 16 of tag.
 */
export async function sealParked(stateKey: string, name: string, parked: Parked): Promise<Uint8Array> {
  const { occurredAt, ...told } = parked.received.told;
  const text = toUtf8(
    JSON.stringify({
      provider: parked.provider,
      connection_id: parked.connectionId ?? null,
      told,
      occurred_at: occurredAt?.toISOString() ?? null,
      parked_at: new Date().toISOString(),
    } satisfies z.infer<typeof head>),
  );
  const plain = new Uint8Array(4 + text.length + parked.received.bytes.length);
  new DataView(plain.buffer).setUint32(0, text.length);
  plain.set(text, 4);
  plain.set(parked.received.bytes, 4 + text.length);
  const iv = randomBytes(IV_BYTES);
  const sealed = await crypto.subtle.encrypt(parameters(iv, name), await keyOf(stateKey), plain);
  const value = new Uint8Array(HEADER_BYTES + sealed.byteLength);
  value[0] = FORMAT;
  value.set(iv, 1);
  value.set(new Uint8Array(sealed), HEADER_BYTES);
  return value;
}

/** Opens what `sealParked` made under the same name. Throws `EnvelopeError`. */
export async function openParked(stateKey: string, name: string, value: Uint8Array): Promise<FoundParked> {
  if (value[0] !== FORMAT) throw new EnvelopeError('unknown format');
  const iv = value.slice(1, HEADER_BYTES);
  const opened = await crypto.subtle
    .decrypt(parameters(iv, name), await keyOf(stateKey), value.slice(HEADER_BYTES))
    .catch(() => undefined);
  if (!opened) throw new EnvelopeError('does not open');
  const plain = new Uint8Array(opened);
  const length = new DataView(opened).getUint32(0);
  const read = head.safeParse(parseJson(new TextDecoder().decode(plain.subarray(4, 4 + length)))).data;
  if (!read) throw new EnvelopeError('of another version');
  const bytes = plain.subarray(4 + length);
  // What was read of it when it came, by the same code.
  const told = {
    ...(read.told as unknown as Told),
    ...(read.occurred_at !== null && { occurredAt: new Date(read.occurred_at) }),
  };
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return {
    provider: read.provider,
    connectionId: read.connection_id ?? undefined,
    received: { told, bytes, hash },
    parkedAt: new Date(read.parked_at),
  };
}

async function keyOf(stateKey: string): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey('raw', toUtf8(stateKey), 'HKDF', false, ['deriveKey']);
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: toUtf8('reeve parked delivery') },
    base,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  );
}

function parameters(iv: Uint8Array<ArrayBuffer>, name: string) {
  return { name: 'AES-GCM', iv, additionalData: toUtf8(name) as Uint8Array<ArrayBuffer> };
}
