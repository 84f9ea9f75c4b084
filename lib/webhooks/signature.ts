import type { WebhookSignature } from '../../providers/provider.ts';
import { toUtf8 } from '../bytes.ts';

/** No sender's header is longer; a long one would be many macs to try. */
const MAX_HEADER = 1_024;

/**
 * A key to verify with, as raw as the sender takes it: the secret's UTF-8. Undefined for an empty secret, with which
 * anybody could sign.
 */
export async function importSecret(secret: string): Promise<CryptoKey | undefined> {
  if (secret === '') return undefined;
  return crypto.subtle.importKey('raw', toUtf8(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
}

/**
 * Whether a body was signed with one of the keys, lately where the time is signed, too (RFC 2104; each provider's
 * page says what is signed). Never throws. `now` in milliseconds since 1970.
 */
export async function isSigned(
  signature: WebhookSignature,
  header: string,
  body: Uint8Array,
  { keys, now }: { keys: readonly CryptoKey[]; now: number },
): Promise<boolean> {
  const read = header.length <= MAX_HEADER ? signature.read(header) : undefined;
  if (!read || body.length === 0) return false;
  if (signature.tolerance !== undefined) {
    if (read.time === undefined || Math.abs(now / 1000 - read.time) >= signature.tolerance + 1) return false;
  }
  const message = read.prefix === undefined ? body : joined(toUtf8(read.prefix), body);
  for (const key of keys) {
    for (const mac of read.macs) {
      if (await crypto.subtle.verify('HMAC', key, mac, message as Uint8Array<ArrayBuffer>)) return true;
    }
  }
  return false;
}

/** Whether a header could be a signature at all: what is none is refused without asking anybody. */
export function isSignature(signature: WebhookSignature, header: string): boolean {
  return header.length <= MAX_HEADER && signature.read(header) !== undefined;
}

function joined(before: Uint8Array, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(before.length + body.length);
  message.set(before);
  message.set(body, before.length);
  return message;
}
