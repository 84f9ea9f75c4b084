import { constantTimeEqual, HMAC, sha256 } from 'oslo/crypto';
import { base64, base64url } from 'oslo/encoding';

// oslo ended in 2024; this is the one file that imports it.

const utf8 = new TextEncoder();

/** Lower-case hex of the SHA-256 of a text's UTF-8. */
export async function sha256Hex(text: string): Promise<string> {
  return toHex(new Uint8Array(await sha256(utf8.encode(text))));
}

/** HMAC-SHA-256 of a text's UTF-8 (RFC 2104). */
export async function hmacSha256(key: Uint8Array, text: string): Promise<Uint8Array> {
  return new Uint8Array(await new HMAC('SHA-256').sign(key, utf8.encode(text)));
}

/** Base64url without padding (RFC 4648 section 5). */
export function toBase64url(bytes: Uint8Array): string {
  return base64url.encode(bytes, { includePadding: false });
}

/** Base64 (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  return base64.encode(bytes);
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(base64.decode(text));
}

const hexDigits = utf8.encode('0123456789abcdef');

/** Lower-case hex, made as one text: put together digit by digit, a megabyte takes sixty. */
export function toHex(bytes: Uint8Array): string {
  const text = new Uint8Array(bytes.length * 2);
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    text[2 * at] = hexDigits[byte >> 4] ?? 0;
    text[2 * at + 1] = hexDigits[byte & 15] ?? 0;
  }
  return new TextDecoder().decode(text);
}

export function toUtf8(text: string): Uint8Array {
  return utf8.encode(text);
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Compares two texts in a time that does not tell where they differ. */
export function equalInConstantTime(a: string, b: string): boolean {
  return constantTimeEqual(utf8.encode(a), utf8.encode(b));
}

/** Joins byte strings, each behind its length in four bytes, so that no two lists give the same bytes. */
export function lengthPrefixed(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + 4 + part.length, 0));
  const view = new DataView(joined.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    joined.set(part, at + 4);
    at += 4 + part.length;
  }
  return joined;
}
