import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { randomLetters } from '../google-ads/google.ts';
import { accountOf, type ServiceAccount } from './service-accounts.ts';

export interface TokenRecord {
  sequence: number;
  token: string;
  email: string;
  scopes: string[];
  expiresAt: number;
}

/** Seconds, as the answer has them. */
export const LIFETIME = 3599;

export function tokenRecords(store: Store): TokenRecord[] {
  return store.list<TokenRecord>('token/').sort((a, b) => a.sequence - b.sequence);
}

export function issueToken(
  { store, now, secret }: SimulatorContext,
  email: string,
  scopes: string[],
): TokenRecord {
  const sequence = (store.get<number>('sequence') ?? 0) + 1;
  store.set('sequence', sequence);
  const record: TokenRecord = {
    sequence,
    token: secret(`ya29.c.${randomLetters(240)}`),
    email,
    scopes,
    expiresAt: now() + LIFETIME * 1000,
  };
  store.set(`token/${record.token}`, record);
  return record;
}

/**
 * Who a token speaks for. It outlives its key, not its account (iam/docs/service-account-creds, "Short-lived
 * credentials").
 */
export function bearerOf(
  { store, now }: SimulatorContext,
  token: string,
): { account: ServiceAccount; scopes: string[] } | undefined {
  const record = store.get<TokenRecord>(`token/${token}`);
  const account = record && accountOf(store, record.email);
  if (!account || account.isDeleted || now() >= record.expiresAt) return undefined;
  return { account, scopes: record.scopes };
}
