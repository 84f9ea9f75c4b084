import { v7 as uuidv7 } from 'uuid';
import type { EncryptionContext, Kms } from './kms.ts';
import { Remembered } from './remembered.ts';
import { landingOf } from './shared-flight.ts';

/** A data key as its row in `data_keys` holds it. */
export interface WrappedDataKey {
  id: string;
  tenantId: string;
  generation: number;
  kmsKeyId: string;
  wrapped: Uint8Array;
}

export interface DataKey {
  id: string;
  /** AES-256-GCM: seals secrets. */
  key: CryptoKey;
  /** HKDF (RFC 5869): what keys that seal one thing alone are derived from. */
  base: CryptoKey;
}

type Imported = Omit<DataKey, 'id'>;

const MAX_AGE_MS = 5 * 60_000;

const cache = new Remembered<{ imported: Imported; until: number }>(200);
const flights = new Map<string, Promise<Imported>>();

/**
 * Unwraps a tenant's data key. Unwrapped keys stay in the isolate for five minutes, 200 at most, as
 * CryptoKeys that cannot be read out; those who ask for the same key at once share one call to KMS.
 */
export async function openDataKey(row: WrappedDataKey, kms: Kms, now: number): Promise<DataKey> {
  const known = cache.get(row.id);
  if (known && known.until > now) return { id: row.id, ...known.imported };

  const shared = flights.get(row.id);
  const landed = shared && (await landingOf(shared));
  if (landed) return { id: row.id, ...landed };

  const flight = kms.decrypt(row.wrapped, row.kmsKeyId, contextOf(row)).then(importKey);
  flights.set(row.id, flight);
  try {
    const imported = await flight;
    remember(row.id, imported, now);
    return { id: row.id, ...imported };
  } finally {
    if (flights.get(row.id) === flight) flights.delete(row.id);
  }
}

/** Makes a tenant's data key of a generation; the caller stores the row together with what it seals. */
export async function generateDataKey(
  tenantId: string,
  generation: number,
  kms: Kms,
  now: number,
): Promise<DataKey & { row: WrappedDataKey }> {
  const id = uuidv7();
  const { plaintext, wrapped, kmsKeyId } = await kms.generateDataKey(contextOf({ tenantId, id }));
  const row = { id, tenantId, generation, kmsKeyId, wrapped };
  const imported = await importKey(plaintext);
  remember(row.id, imported, now);
  return { id: row.id, ...imported, row };
}

/** The same data key, wrapped with our KMS key in place of the one that its row names. */
export function rewrapDataKey(
  row: WrappedDataKey,
  kms: Kms,
): Promise<Pick<WrappedDataKey, 'wrapped' | 'kmsKeyId'>> {
  return kms.reEncrypt(row.wrapped, row.kmsKeyId, contextOf(row));
}

function contextOf(row: Pick<WrappedDataKey, 'tenantId' | 'id'>): EncryptionContext {
  return { app: 'reeve-connectors', tenant: row.tenantId, data_key: row.id };
}

async function importKey(plaintext: Uint8Array): Promise<Imported> {
  const [key, base] = await Promise.all([
    crypto.subtle.importKey('raw', plaintext, 'AES-GCM', false, ['encrypt', 'decrypt']),
    crypto.subtle.importKey('raw', plaintext, 'HKDF', false, ['deriveKey']),
  ]);
  plaintext.fill(0);
  return { key, base };
}

function remember(id: string, imported: Imported, now: number): void {
  cache.set(id, { imported, until: now + MAX_AGE_MS });
}
