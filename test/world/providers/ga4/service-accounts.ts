import { generateKeyPairSync, randomBytes, randomInt } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { propertyOf } from './properties.ts';

/** A service account, the project it lives in, and the properties it was added to. */
export interface ServiceAccount {
  email: string;
  clientId: string;
  projectId: string;
  projectNumber: string;
  properties: string[];
  hasDataApi: boolean;
  hasAdminApi: boolean;
  isDeleted: boolean;
}

export interface KeyRecord {
  id: string;
  email: string;
  publicKey: string;
  isDeleted: boolean;
  isDisabled: boolean;
}

const options = z.strictObject({
  property: z.string().regex(/^\d+$/).default('333000111'),
  access: z.enum(['viewer', 'none']).default('viewer'),
  data_api: z.enum(['on', 'off']).default('on'),
  admin_api: z.enum(['on', 'off']).default('on'),
});

const keyFile = z.object({ private_key_id: z.string(), client_email: z.string() });
const digits = (length: number) => Array.from({ length }, () => randomInt(1, 10)).join('');

/** A pair of keys takes long to make; two of them, used in turn, do for all keys of a simulator. */
export function keyPairs() {
  const pairs: Array<{ privateKey: string; publicKey: string }> = [];
  let turn = 0;
  return () => {
    const made = pairs[turn % 2] ?? {
      ...generateKeyPairSync('rsa', {
        modulusLength: 2048,
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
        publicKeyEncoding: { type: 'spki', format: 'pem' },
      }),
    };
    pairs[turn % 2] = made;
    turn += 1;
    return made;
  };
}

/** Creates a service account with a key, and adds it to a property (iam/docs/keys-create-delete). */
export function createKey(
  { store, secret }: SimulatorContext,
  nextPair: ReturnType<typeof keyPairs>,
  given: Record<string, string> = {},
): IssuedKey {
  const { property: id, access, data_api, admin_api } = options.parse(given);
  const property = propertyOf(store, id);
  const { privateKey, publicKey } = nextPair();
  const projectId = `reeve-analytics-${digits(6)}`;
  const email = `reader@${projectId}.iam.gserviceaccount.com`;
  const keyId = randomBytes(20).toString('hex');
  const account: ServiceAccount = {
    email,
    clientId: digits(21),
    projectId,
    projectNumber: digits(12),
    properties: access === 'none' ? [] : [property.id],
    hasDataApi: data_api === 'on',
    hasAdminApi: admin_api === 'on',
    isDeleted: false,
  };
  const key: KeyRecord = { id: keyId, email, publicKey, isDeleted: false, isDisabled: false };
  store.set(`account/${email}`, account);
  store.set(`key/${keyId}`, key);
  const file = {
    type: 'service_account',
    project_id: projectId,
    private_key_id: keyId,
    private_key: secret(privateKey),
    client_email: email,
    client_id: account.clientId,
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: 'https://oauth2.googleapis.com/token',
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(email)}`,
    universe_domain: 'googleapis.com',
  };
  return {
    api_key: secret(`${JSON.stringify(file, null, 2)}\n`),
    config: { property_id: property.id },
    account: { id: `properties/${property.id}`, name: property.displayName },
  };
}

export const accountOf = (store: Store, email: string) => store.get<ServiceAccount>(`account/${email}`);

/** The living keys of an account. */
export function keysOf(store: Store, email: string): KeyRecord[] {
  return store.list<KeyRecord>('key/').filter((key) => key.email === email && !key.isDeleted);
}

/** Deletes or disables the key of a key file, as one does in the console. */
export function changeKey(
  store: Store,
  apiKey: string,
  change: Partial<Pick<KeyRecord, 'isDeleted' | 'isDisabled'>>,
): void {
  const { private_key_id: id } = keyFile.parse(JSON.parse(apiKey));
  const key = store.get<KeyRecord>(`key/${id}`);
  if (key) store.set(`key/${id}`, { ...key, ...change });
}

/** Bends the account of a key file. */
export function changeAccount(store: Store, apiKey: string, change: Partial<ServiceAccount>): void {
  const account = accountOf(store, keyFile.parse(JSON.parse(apiKey)).client_email);
  if (account) store.set(`account/${account.email}`, { ...account, ...change });
}
