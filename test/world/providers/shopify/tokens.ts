import { randomBytes } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';

/** An offline access token; a dead one stays, so that tests can see it die. */
export interface AccessToken {
  sequence: number;
  token: string;
  shop: string;
  scopes: string[];
  expiresAt: number | null;
  revoked: boolean;
}

interface RefreshToken {
  token: string;
  shop: string;
  scopes: string[];
  expiresAt: number;
  firstUsedAt: number | null;
  /** The pair its first use gave. */
  replacement: Pair | null;
  predecessor: string | null;
  state: 'active' | 'retired' | 'uninstalled';
}

interface Pair {
  access: string;
  refresh: string;
}

/** What the token endpoint answers with. */
export interface Grant {
  access: AccessToken;
  refresh: { token: string; expiresAt: number } | null;
}

/** shopify.dev offline-access-tokens: 60 minutes, and 90 days that start again with each refresh. */
export const LIFETIME = { access: 3_600_000, refresh: 7_776_000_000 };

/** shopify.dev/changelog/more-resilient-refreshes-for-expiring-offline-access-tokens. */
const RETRY = 30 * 86_400_000;

/** Every access token issued, oldest first. */
export function accessTokens(store: Store): AccessToken[] {
  return store.list<AccessToken>('token/').sort((a, b) => a.sequence - b.sequence);
}

/** Whether the Admin API takes the token. */
export function isAlive(record: AccessToken, now: number): boolean {
  return !record.revoked && (record.expiresAt === null || now < record.expiresAt);
}

/** `write_products` holds `read_products`, and the answer then names only the first. */
export function normalizeScopes(scopes: string[]): string[] {
  const asked = new Set(scopes);
  return [...asked].filter((scope) => {
    const writing = scope.replace(/^((?:unauthenticated_)?)read_/, '$1write_');
    return writing === scope || !asked.has(writing);
  });
}

export type TokenBook = ReturnType<typeof tokenBook>;

/** Issues, finds, refreshes and kills the tokens of the app. */
export function tokenBook({ store, now, secret }: SimulatorContext) {
  const saveRefresh = (record: RefreshToken) => store.set(`refresh/${record.token}`, record);
  const random = (prefix: string) => secret(prefix + randomBytes(16).toString('hex'));

  function issueAccess(shop: string, scopes: string[], expiring: boolean): AccessToken {
    const sequence = (store.get<number>('sequence') ?? 0) + 1;
    store.set('sequence', sequence);
    const token = random('shpat_');
    const expiresAt = expiring ? now() + LIFETIME.access : null;
    const record: AccessToken = { sequence, token, shop, scopes, expiresAt, revoked: false };
    store.set(`token/${token}`, record);
    return record;
  }

  function issuePair(shop: string, scopes: string[], predecessor: string | null): Grant {
    const access = issueAccess(shop, scopes, true);
    const refresh: RefreshToken = {
      token: random('shprt_'),
      shop,
      scopes,
      expiresAt: now() + LIFETIME.refresh,
      firstUsedAt: null,
      replacement: null,
      predecessor,
      state: 'active',
    };
    saveRefresh(refresh);
    return { access, refresh };
  }

  function refreshTokensOf(shop: string) {
    return store.list<RefreshToken>('refresh/').filter((record) => record.shop === shop);
  }

  /** A retry of a used token: the same pair once more, with a fresh access token where that one is dead. */
  function repeat(record: RefreshToken, pair: Pair): Grant | 'dead' {
    const refresh = store.get<RefreshToken>(`refresh/${pair.refresh}`);
    if (refresh?.state !== 'active' || now() >= refresh.expiresAt) return 'dead';
    const first = store.get<AccessToken>(`token/${pair.access}`);
    if (first && isAlive(first, now())) return { access: first, refresh };
    const access = issueAccess(record.shop, record.scopes, true);
    saveRefresh({ ...record, replacement: { access: access.token, refresh: pair.refresh } });
    return { access, refresh };
  }

  return {
    find(shop: string, token: string): AccessToken | undefined {
      const record = store.get<AccessToken>(`token/${token}`);
      return record && record.shop === shop && isAlive(record, now()) ? record : undefined;
    },

    /**
     * For an authorization code. "Only one expiring offline token can be active per app/shop combination",
     * and the lasting kind is the same token each time (offline-access-tokens).
     */
    grant(shop: string, scopes: string[], expiring: boolean): Grant {
      if (!expiring) {
        const lasting = accessTokens(store).find(
          (record) => record.shop === shop && !record.revoked && record.expiresAt === null,
        );
        if (!lasting) return { access: issueAccess(shop, scopes, false), refresh: null };
        const access = { ...lasting, scopes };
        store.set(`token/${access.token}`, access);
        return { access, refresh: null };
      }
      for (const record of refreshTokensOf(shop)) {
        if (record.state === 'active') saveRefresh({ ...record, state: 'retired' });
      }
      return issuePair(shop, scopes, null);
    },

    /**
     * A used refresh token works until its replacement is used, for 30 days, and within its own 90. That
     * the retry gives the same pair is not on the page; the page on migrating tokens says it of its own.
     */
    refresh(shop: string, token: string): Grant | 'dead' | 'uninstalled' {
      const record = store.get<RefreshToken>(`refresh/${token}`);
      if (!record || record.shop !== shop || record.state === 'retired') return 'dead';
      if (record.state === 'uninstalled') return 'uninstalled';
      if (now() >= record.expiresAt) return 'dead';
      if (record.firstUsedAt !== null && record.replacement) {
        return now() - record.firstUsedAt < RETRY ? repeat(record, record.replacement) : 'dead';
      }
      const predecessor = store.get<RefreshToken>(`refresh/${record.predecessor}`);
      if (predecessor) saveRefresh({ ...predecessor, state: 'retired' });
      const grant = issuePair(shop, record.scopes, token);
      const replacement = { access: grant.access.token, refresh: grant.refresh?.token ?? '' };
      saveRefresh({ ...record, firstUsedAt: now(), replacement });
      return grant;
    },

    /** What the shop has granted. */
    scopes(shop: string): string[] {
      return (
        refreshTokensOf(shop).find(({ state }) => state === 'active')?.scopes ??
        accessTokens(store).findLast((record) => record.shop === shop && isAlive(record, now()))?.scopes ??
        []
      );
    },

    /** The shop grants other scopes, and every token of theirs has these. */
    regrant(shop: string, scopes: string[]): void {
      for (const record of accessTokens(store)) {
        if (record.shop === shop) store.set(`token/${record.token}`, { ...record, scopes });
      }
      for (const record of refreshTokensOf(shop)) saveRefresh({ ...record, scopes });
    },

    /** The app leaves the shop, and every token of theirs dies. */
    uninstall(shop: string): void {
      for (const record of accessTokens(store)) {
        if (record.shop === shop) store.set(`token/${record.token}`, { ...record, revoked: true });
      }
      for (const record of refreshTokensOf(shop)) saveRefresh({ ...record, state: 'uninstalled' });
    },
  };
}
