import { randomInt } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { PEOPLE } from './fixtures.ts';

/** Why a token died before its time, by the subcode the API answers (guides/error-handling). */
export const ENDINGS = {
  458: 'The user has not authorized application {app}.',
  459: 'You cannot access the app till you log in to www.facebook.com and follow the instructions given.',
  460: 'The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.',
  464: 'Sessions for the user are not allowed because the user is not a confirmed user.',
  467: 'This may be because the user logged out or may be due to a system error.',
} as const;

export type Ending = keyof typeof ENDINGS;

/** A user access token as Facebook remembers it; a dead one stays, so that tests can see it die. */
export interface TokenRecord {
  sequence: number;
  token: string;
  app: string;
  person: string;
  longLived: boolean;
  issuedAt: number;
  /** Null for one that never expires. */
  expiresAt: number | null;
  ended: Ending | null;
}

/** What a person lets an app do: it belongs to the two of them, not to a token. */
export interface Grant {
  permissions: Record<string, 'granted' | 'declined'>;
  /** When the person last used the dialog. */
  activeAt: number;
}

export interface Code {
  person: string;
  redirectUri: string;
  issuedAt: number;
  used: boolean;
}

/**
 * Seconds. Short-lived tokens last one to two hours, long-lived ones about 60 days (here the number of the
 * example in access-tokens/get-long-lived), access to data 90 days (auth-vs-data). How long a code lasts is
 * not documented.
 */
export const LIFETIME = { short: 5400, long: 5_183_944, data: 90 * 86_400, code: 600 };

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export function randomLetters(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** Every token the simulator issued, oldest first. */
export function tokenRecords(store: Store): TokenRecord[] {
  return store.list<TokenRecord>('token/').sort((a, b) => a.sequence - b.sequence);
}

export function isAlive(record: TokenRecord, now: number): boolean {
  return record.ended === null && now < (record.expiresAt ?? Infinity);
}

/** The permissions a token stands for: what the person has granted its app by now. */
export function grantedTo(store: Store, { app, person }: Pick<TokenRecord, 'app' | 'person'>): string[] {
  const grant = store.get<Grant>(`grant/${app}/${person}`);
  return Object.entries(grant?.permissions ?? {}).flatMap(([name, is]) => (is === 'granted' ? [name] : []));
}

/** Remembers a new token; `seconds` null is for ever. */
export function keepToken(
  store: Store,
  token: string,
  of: { app: string; person: string; longLived: boolean; now: number; seconds: number | null },
): TokenRecord {
  const sequence = (store.get<number>('sequence') ?? 0) + 1;
  store.set('sequence', sequence);
  const record: TokenRecord = {
    sequence,
    token,
    app: of.app,
    person: of.person,
    longLived: of.longLived,
    issuedAt: of.now,
    expiresAt: of.seconds === null ? null : of.now + of.seconds * 1000,
    ended: null,
  };
  store.set(`token/${token}`, record);
  return record;
}

export const newToken = (): string => `EAA${randomLetters(184)}`;

/** The tokens, codes and grants of all people. */
export type Book = ReturnType<typeof tokenBook>;

export function tokenBook({ store, client, now, secret }: SimulatorContext) {
  const grantKey = (app: string, person: string) => `grant/${app}/${person}`;

  return {
    issue(person: string, longLived: boolean, seconds: number | null): TokenRecord {
      return keepToken(store, secret(newToken()), { app: client.id, person, longLived, now: now(), seconds });
    },

    token: (token: string) => store.get<TokenRecord>(`token/${token}`),

    newCode(person: string, redirectUri: string): string {
      const code = secret(`AQ${randomLetters(200)}`);
      store.set(`code/${code}`, { person, redirectUri, issuedAt: now(), used: false } satisfies Code);
      return code;
    },

    /** The first to try a code uses it up, whatever comes of it. The docs only say that it works once. */
    takeCode(code: string): Code | undefined {
      const kept = store.get<Code>(`code/${code}`);
      if (kept) store.set(`code/${code}`, { ...kept, used: true });
      return kept;
    },

    grant: (app: string, person: string) => store.get<Grant>(grantKey(app, person)),
    saveGrant: (app: string, person: string, grant: Grant) => store.set(grantKey(app, person), grant),

    /** Who has let the app in. */
    peopleOf: (app: string): string[] =>
      PEOPLE.map(({ name }) => name).filter((name) => store.get<Grant>(grantKey(app, name)) !== undefined),

    dataAccessEnds(app: string, person: string): number {
      return (store.get<Grant>(grantKey(app, person))?.activeAt ?? 0) + LIFETIME.data * 1000;
    },

    /** The person's link to the app goes, and with it every token. */
    removeApp(app: string, person: string) {
      store.delete(grantKey(app, person));
      for (const record of tokenRecords(store)) {
        if (record.app !== app || record.person !== person || record.ended !== null) continue;
        store.set(`token/${record.token}`, { ...record, ended: 458 });
      }
    },
  };
}
