import { randomInt } from 'node:crypto';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { StripeRefusal } from './errors.ts';

/** A key as the Dashboard lists it (docs.stripe.com/keys); an expired one stays. */
export interface KeyRecord {
  sequence: number;
  key: string;
  kind: 'restricted' | 'secret';
  mode: 'test' | 'live';
  account: string;
  permissions: string[];
  alive: boolean;
  /** Only from addresses that none of the callers has. */
  ipLimited?: boolean;
}

export interface AccountRecord {
  id: string;
  name: string;
  createdAt: number;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** What Reeve asks a person to tick; the names are those of Stripe's refusals, without `rak_`. */
const PERMISSIONS =
  'subscription_read,invoice_read,customer_read,charge_read,product_read,plan_read,balance_read,event_read,webhook_write';

/** The permission behind `GET /v1/account`. */
const ACCOUNT_READ = 'accounts_kyc_basic_read';

/** A random string in the alphabet of Stripe's ids. */
export function randomLetters(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** A number greater than all before, to tell what came first. */
export function nextSequence(store: Store): number {
  const sequence = (store.get<number>('sequence') ?? 0) + 1;
  store.set('sequence', sequence);
  return sequence;
}

/** Every key made, oldest first. */
export function keyRecords(store: Store): KeyRecord[] {
  return store.list<KeyRecord>('key/').sort((a, b) => a.sequence - b.sequence);
}

/** The account behind a key. */
export function accountOf(store: Store, record: KeyRecord): AccountRecord {
  return (
    store.get<AccountRecord>(`account/${record.account}`) ?? { id: record.account, name: '', createdAt: 0 }
  );
}

/** The account of that id, or the one that the first key is of. */
export function accountNamed(context: SimulatorContext, id?: string): AccountRecord {
  const first = id ?? keyRecords(context.store)[0]?.account;
  if (first === undefined) return findOrCreateAccount(context, {});
  const account = context.store.get<AccountRecord>(`account/${first}`);
  if (!account) throw new Error(`no such account: ${first}`);
  return account;
}

/** The mode of an account's first key that still works. */
export function modeOf(store: Store, account: string): KeyRecord['mode'] {
  const key = keyRecords(store).find((record) => record.account === account && record.alive);
  return key?.mode ?? 'test';
}

/**
 * Makes a key. `kind`: restricted (default), claimable (the restricted key of a claimable sandbox, always of test
 * mode) or secret; `mode`: test (default) or live; `permissions`: names
 * with commas; `account`: 'false' leaves out the permission for /v1/account; `expired`: 'true' makes a dead
 * one; `ipLimited`: 'true' lets nobody here use it; `accountId` and `name`: an account other than Acme Inc.
 */
export function createKey(context: SimulatorContext, options: Record<string, string> = {}): IssuedKey {
  const { store, now, secret } = context;
  const kind = options.kind === 'secret' ? 'secret' : 'restricted';
  const isClaimable = options.kind === 'claimable';
  const mode = options.mode === 'live' && !isClaimable ? 'live' : 'test';
  const prefix = isClaimable ? 'rkcs' : kind === 'secret' ? 'sk' : 'rk';
  const account = findOrCreateAccount(context, options);
  const permissions = (options.permissions ?? PERMISSIONS).split(',').filter((name) => name !== '');
  if (options.account !== 'false') permissions.push(ACCOUNT_READ);
  const sequence = nextSequence(store);
  const key = secret(`${prefix}_${mode}_${randomLetters(99)}`);
  const alive = options.expired !== 'true';
  const ipLimited = options.ipLimited === 'true';
  const record: KeyRecord = { sequence, key, kind, mode, account: account.id, permissions, alive, ipLimited };
  store.set(`key/${key}`, record);
  store.set(`account/${account.id}`, { ...account, createdAt: account.createdAt || now() });
  return { api_key: key, config: {}, account: { id: account.id, name: account.name } };
}

function findOrCreateAccount({ store }: SimulatorContext, options: Record<string, string>): AccountRecord {
  const own = options.accountId === undefined && options.name === undefined;
  const usual = own ? store.get<string>('account-default') : undefined;
  const id = options.accountId ?? usual ?? `acct_${randomLetters(16)}`;
  if (own) store.set('account-default', id);
  const known = store.get<AccountRecord>(`account/${id}`);
  return { id, name: options.name ?? known?.name ?? 'Acme Inc', createdAt: known?.createdAt ?? 0 };
}

/** The key of a request: Bearer, or the user name of Basic (docs.stripe.com/api/authentication). */
export function authenticate(store: Store, authorization: string | undefined): KeyRecord {
  const key = presentedKey(authorization ?? '');
  if (!key) {
    throw new StripeRefusal(
      401,
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
    );
  }
  const record = store.get<KeyRecord>(`key/${key}`);
  if (!record) throw new StripeRefusal(401, `Invalid API Key provided: ${mask(key, 4)}`);
  if (!record.alive) {
    throw new StripeRefusal(401, `Expired API Key provided: ${mask(key, 6)}`, { code: 'api_key_expired' });
  }
  // The sentence is known from callers' reports; that the status is 401 as well.
  if (record.ipLimited) {
    throw new StripeRefusal(401, 'The API key provided does not allow requests from your IP address.');
  }
  return record;
}

function presentedKey(authorization: string): string | undefined {
  const [, scheme, value] = /^(bearer|basic) +(\S+)$/i.exec(authorization) ?? [];
  if (scheme?.toLowerCase() !== 'basic') return value;
  return Buffer.from(value ?? '', 'base64')
    .toString()
    .split(':')[0];
}

/** Refuses a restricted key that lacks the permission; to write is also to read. */
export function demand(record: KeyRecord, permission: string): void {
  if (record.kind === 'secret' || record.permissions.includes(permission)) return;
  if (record.permissions.includes(permission.replace(/_read$/, '_write'))) return;
  throw new StripeRefusal(
    403,
    `The provided key '${mask(record.key, 6)}' does not have the required permissions for this endpoint on account '${record.account}'. Having the 'rak_${permission}' permission would allow this request to continue.`,
  );
}

/** The demand of `GET /v1/account`. */
export function demandAccount(record: KeyRecord): void {
  demand(record, ACCOUNT_READ);
}

/** A key as error messages show it. */
export function mask(key: string, shown: number): string {
  const [prefix = ''] = /^[a-z]{2,4}_(test|live)_/.exec(key) ?? [];
  const rest = key.slice(prefix.length);
  const tail = rest.length > shown ? rest.slice(-shown) : '';
  return prefix + '*'.repeat(rest.length - tail.length) + tail;
}
