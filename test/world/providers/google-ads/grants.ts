import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { randomLetters } from './google.ts';

/** A token as Google remembers it; a dead one stays, so that tests can see it die. */
export interface TokenRecord {
  kind: 'access' | 'refresh';
  sequence: number;
  token: string;
  email: string;
  scopes: string[];
  issuedAt: number;
  /** Of a refresh token: each use keeps it alive. */
  usedAt: number;
  expiresAt: number | null;
  revoked: boolean;
}

/** What a person has allowed the application so far. */
export interface Grant {
  email: string;
  scopes: string[];
}

/** Seconds; identity/protocols/oauth2 ("Refresh token expiration"). */
export const LIFETIME = { access: 3599, testing: 604_799 };

/** "Six months" there; which months is not said, so the shortest six. */
const UNUSED = 181 * 86_400_000;
/** Living refresh tokens for an account and client. */
const MOST_REFRESH_TOKENS = 100;

export function isAlive(record: TokenRecord, now: number): boolean {
  if (record.revoked || now >= (record.expiresAt ?? Infinity)) return false;
  return record.kind === 'access' || now - record.usedAt < UNUSED;
}

/** Every token issued so far, oldest first. */
export function tokenRecords(store: Store): TokenRecord[] {
  return store.list<TokenRecord>('token/').sort((a, b) => a.sequence - b.sequence);
}

/** Ends what a person allowed: all tokens die, whatever their scopes. */
export function endGrant(store: Store, email: string): void {
  store.delete(`grant/${email}`);
  for (const record of tokenRecords(store)) {
    if (record.email === email) store.set(`token/${record.token}`, { ...record, revoked: true });
  }
}

/** Issues, finds and kills tokens. */
export type Grants = ReturnType<typeof grantBook>;

export function grantBook({ store, now, secret }: SimulatorContext) {
  const save = (record: TokenRecord) => {
    store.set(`token/${record.token}`, record);
    return record;
  };
  const alive = (token: string, kind: TokenRecord['kind']) => {
    const record = store.get<TokenRecord>(`token/${token}`);
    return record?.kind === kind && isAlive(record, now()) ? record : undefined;
  };

  function issue(kind: TokenRecord['kind'], token: string, email: string, scopes: string[]) {
    const sequence = (store.get<number>('sequence') ?? 0) + 1;
    store.set('sequence', sequence);
    const seconds =
      kind === 'access' ? LIFETIME.access : store.get<boolean>('settings.testing') ? LIFETIME.testing : null;
    return save({
      kind,
      sequence,
      token: secret(token),
      email,
      scopes,
      issuedAt: now(),
      usedAt: now(),
      expiresAt: seconds === null ? null : now() + seconds * 1000,
      revoked: false,
    });
  }

  return {
    issueAccess: (email: string, scopes: string[]) =>
      issue('access', `ya29.a0${randomLetters(210)}`, email, scopes),

    issueRefresh(email: string, scopes: string[]): TokenRecord {
      const living = tokenRecords(store).filter(
        (record) => record.kind === 'refresh' && record.email === email && isAlive(record, now()),
      );
      for (const record of living.slice(0, Math.max(0, living.length + 1 - MOST_REFRESH_TOKENS))) {
        save({ ...record, revoked: true });
      }
      return issue('refresh', `1//0${randomLetters(95)}`, email, scopes);
    },

    /** The record of an access token, dead or alive: the API tells how it died. */
    access(token: string): TokenRecord | undefined {
      const record = store.get<TokenRecord>(`token/${token}`);
      return record?.kind === 'access' ? record : undefined;
    },
    livingAccess: (token: string) => alive(token, 'access'),

    /** A refresh token is used, not used up. */
    useRefresh(token: string): TokenRecord | undefined {
      const record = alive(token, 'refresh');
      return record && save({ ...record, usedAt: now() });
    },

    living: (token: string) => alive(token, 'access') ?? alive(token, 'refresh'),
    grant: (email: string) => store.get<Grant>(`grant/${email}`),
    /** Adds to what the person has allowed. */
    allow(email: string, scopes: string[]): Grant {
      const before = store.get<Grant>(`grant/${email}`)?.scopes ?? [];
      const grant = { email, scopes: [...new Set([...before, ...scopes])] };
      store.set(`grant/${email}`, grant);
      return grant;
    },
    end: (email: string) => endGrant(store, email),
  };
}
