import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Refusal } from './refusal.ts';

export interface Key {
  id: string;
  material: string;
  createdAt: number;
}

/** The encryption context; what was sealed with one opens with the same alone. */
export type Context = Record<string, string>;

const BLOB_VERSION = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Version, length of the key id, key id, IV, tag, ciphertext. The real format is AWS's secret. */
export function seal(key: Key, plaintext: Buffer, context: Context): Buffer {
  const id = Buffer.from(key.id);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key.material, 'base64'), iv);
  cipher.setAAD(additionalData(key.id, context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.of(BLOB_VERSION, id.length), id, iv, cipher.getAuthTag(), ciphertext]);
}

export function unseal(key: Key, sealed: Buffer, context: Context): Buffer {
  const rest = sealed.subarray(2 + Buffer.byteLength(key.id));
  if (rest.length <= IV_BYTES + TAG_BYTES) throw new Refusal('InvalidCiphertextException');
  const material = Buffer.from(key.material, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', material, rest.subarray(0, IV_BYTES));
  decipher.setAAD(additionalData(key.id, context));
  decipher.setAuthTag(rest.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(rest.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    throw new Refusal('InvalidCiphertextException');
  }
}

export function keyIdIn(sealed: Buffer): string {
  if (sealed[0] !== BLOB_VERSION) throw new Refusal('InvalidCiphertextException');
  return sealed.subarray(2, 2 + (sealed[1] ?? 0)).toString();
}

function additionalData(keyId: string, context: Context): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify([BLOB_VERSION, keyId, pairs]));
}
