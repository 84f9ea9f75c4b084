import { randomInt } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';

/** A user access token as GitHub remembers it; a dead one stays, so that tests can see it die. */
export interface TokenRecord {
  sequence: number;
  token: string;
  refresh: string | null;
  login: string;
  scopes: string[];
  issuedAt: number;
  usedAt: number | null;
  expiresAt: number | null;
  refreshExpiresAt: number | null;
  revoked: boolean;
}

/** Seconds, docs.github.com refreshing-user-access-tokens. */
export const LIFETIME = { access: 28_800, refresh: 15_897_600 };

const YEAR = 365 * 86_400_000;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** What a scope already holds, docs.github.com scopes-for-oauth-apps; an unknown scope is in no list. */
const SCOPES = new Map<string, string[]>([
  ['repo', ['repo:status', 'repo_deployment', 'public_repo', 'repo:invite', 'security_events']],
  ['admin:repo_hook', ['write:repo_hook', 'read:repo_hook']],
  ['write:repo_hook', ['read:repo_hook']],
  ['admin:org', ['write:org', 'read:org']],
  ['write:org', ['read:org']],
  ['user', ['read:user', 'user:email', 'user:follow']],
  ['project', ['read:project']],
  ...['repo:status', 'repo_deployment', 'public_repo', 'repo:invite', 'security_events'].map(alone),
  ...['read:repo_hook', 'read:org', 'read:user', 'user:email', 'user:follow', 'read:project'].map(alone),
  ...['admin:org_hook', 'gist', 'notifications', 'delete_repo', 'workflow'].map(alone),
]);

function alone(scope: string): [string, string[]] {
  return [scope, []];
}

/** Drops the scopes nobody knows and those another one implies ("Normalized scopes"). */
export function normalizeScopes(scopes: Iterable<string>): string[] {
  const known = [...new Set(scopes)].filter((scope) => SCOPES.has(scope));
  const implied = new Set(known.flatMap((scope) => SCOPES.get(scope) ?? []));
  return known.filter((scope) => !implied.has(scope));
}

/** A random string in the alphabet of GitHub's tokens. */
export function randomLetters(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** Every token the simulator issued, oldest first. */
export function tokenRecords(store: Store): TokenRecord[] {
  return store.list<TokenRecord>('token/').sort((a, b) => a.sequence - b.sequence);
}

/** Whether the API accepts the token; one unused for a year dies (token-expiration-and-revocation). */
export function isAlive(record: TokenRecord, now: number): boolean {
  if (record.revoked) return false;
  return record.expiresAt === null ? now - (record.usedAt ?? record.issuedAt) < YEAR : now < record.expiresAt;
}

/** Issues, finds and kills tokens. */
export type TokenBook = ReturnType<typeof tokenBook>;

export function tokenBook({ store, now, secret, client }: SimulatorContext) {
  const isApp = Boolean(client.settings.APP_ID);
  const prefix = isApp ? 'ghu_' : 'gho_';
  /** The store may still hold tokens of the OAuth App that came before the App. */
  const isOurs = (record: TokenRecord) => record.token.startsWith(prefix);
  const save = (record: TokenRecord) => store.set(`token/${record.token}`, record);
  const revoke = (record: TokenRecord) => save({ ...record, revoked: true });
  const living = (login: string) =>
    tokenRecords(store).filter(
      (record) => record.login === login && isOurs(record) && isAlive(record, now()),
    );

  /** Ten tokens per user, OAuth App and scope set: the eleventh costs one its life. */
  function makeRoom(login: string, scopes: string[]) {
    const wanted = scopes.toSorted().join(' ');
    const same = living(login).filter((record) => record.scopes.toSorted().join(' ') === wanted);
    if (same.length < 10) return;
    const unused = same.find((record) => record.usedAt === null && now() - record.issuedAt > 60_000);
    const [stalest] = same.toSorted((a, b) => (a.usedAt ?? a.issuedAt) - (b.usedAt ?? b.issuedAt));
    const victim = unused ?? stalest;
    if (victim) revoke(victim);
  }

  return {
    isOurs,

    issue(login: string, scopes: string[], expiring: boolean): TokenRecord {
      if (!isApp) makeRoom(login, scopes);
      const sequence = (store.get<number>('sequence') ?? 0) + 1;
      store.set('sequence', sequence);
      const record: TokenRecord = {
        sequence,
        token: secret(prefix + randomLetters(36)),
        refresh: expiring ? secret(`ghr_${randomLetters(76)}`) : null,
        login,
        scopes,
        issuedAt: now(),
        usedAt: null,
        expiresAt: expiring ? now() + LIFETIME.access * 1000 : null,
        refreshExpiresAt: expiring ? now() + LIFETIME.refresh * 1000 : null,
        revoked: false,
      };
      save(record);
      if (record.refresh !== null) store.set(`refresh/${record.refresh}`, record.token);
      return record;
    },

    find(token: string): TokenRecord | undefined {
      const record = store.get<TokenRecord>(`token/${token}`);
      return record && isAlive(record, now()) ? record : undefined;
    },

    /** The record whose refresh token may still be used; it outlives the access token, not the grant. */
    refreshable(refresh: string): TokenRecord | undefined {
      const record = store.get<TokenRecord>(`token/${store.get<string>(`refresh/${refresh}`) ?? ''}`);
      if (!record || record.revoked || !isOurs(record)) return undefined;
      return now() < (record.refreshExpiresAt ?? 0) ? record : undefined;
    },

    touch: (record: TokenRecord) => save({ ...record, usedAt: now() }),
    revoke,

    /** Ends the authorization of the application: expired access tokens still hold refresh tokens. */
    revokeGrant(login: string) {
      for (const record of tokenRecords(store)) if (record.login === login && isOurs(record)) revoke(record);
    },

    granted: (login: string) => normalizeScopes(living(login).flatMap((record) => record.scopes)),
  };
}
