import { randomBytes, randomInt } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { KlaviyoRefusal } from './errors.ts';

export interface KeyRecord {
  account: string;
  /** `accounts:read` and the like; `*` for a full-access key. */
  scopes: string[];
  status: 'active' | 'disabled';
}

export interface AccountRecord {
  id: string;
  name: string;
  test: boolean;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const SCOPES = 'accounts:read,campaigns:read,flows:read,lists:read,metrics:read,segments:read';

const keyOptions = z.strictObject({
  /** `new` has the account in it (2026), `old` has not. */
  format: z.enum(['new', 'old']).default('new'),
  /** With commas; `*` is full access. */
  scopes: z.string().default(SCOPES),
  expired: z.enum(['true', 'false']).default('false'),
  accountId: z
    .string()
    .regex(/^[A-Za-z0-9]{6}$/)
    .optional(),
  name: z.string().optional(),
});

/** Settings, API keys, Create Private API Key. */
export function createKey(
  { store, secret }: SimulatorContext,
  options: Record<string, string> = {},
): IssuedKey {
  const { format, scopes, expired, accountId, name } = keyOptions.parse(options);
  const usual = accountId ?? store.get<string>('usual-account');
  const id = usual ?? Array.from({ length: 6 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  if (accountId === undefined) store.set('usual-account', id);
  const known = store.get<AccountRecord>(`account/${id}`);
  const account = { id, name: name ?? known?.name ?? 'Acme Mail', test: false } satisfies AccountRecord;
  store.set(`account/${id}`, account);
  const random = randomBytes(17).toString('hex');
  const key = secret(format === 'new' ? `pk_${id}_${random}` : `pk_${random}`);
  const record: KeyRecord = {
    account: id,
    scopes: scopes.split(',').filter((scope) => scope !== ''),
    status: expired === 'true' ? 'disabled' : 'active',
  };
  store.set(`key/${key}`, record);
  return { api_key: key, config: {}, account: { id, name: account.name } };
}

/** Deletes or disables a key in the settings. */
export function disableKlaviyoKey(store: Store, key: string): void {
  const record = store.get<KeyRecord>(`key/${key}`);
  if (record) store.set(`key/${key}`, { ...record, status: 'disabled' } satisfies KeyRecord);
}

/** `Klaviyo-API-Key pk_…`; Bearer is for OAuth alone (developers.klaviyo.com/en/docs/authenticate_). */
export function authenticate(store: Store, authorization: string | undefined): KeyRecord {
  const key = /^Klaviyo-API-Key (\S+)$/.exec(authorization ?? '')?.[1];
  if (key === undefined && !/^Bearer \S/.test(authorization ?? '')) {
    throw new KlaviyoRefusal(401, 'not_authenticated', 'Authentication credentials were not provided.');
  }
  const record = key === undefined ? undefined : store.get<KeyRecord>(`key/${key}`);
  if (record?.status !== 'active') {
    throw new KlaviyoRefusal(401, 'authentication_failed', 'Incorrect authentication credentials.');
  }
  return record;
}

/** To write is also to read. */
export function demand({ scopes }: KeyRecord, scope: string): void {
  if (['*', scope, scope.replace(/:read$/, ':write')].some((each) => scopes.includes(each))) return;
  throw new KlaviyoRefusal(403, 'permission_denied', 'You do not have permission to perform this action.');
}
