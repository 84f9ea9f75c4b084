import { randomInt } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { type Site, siteKey } from './workspaces.ts';

export type Kind = 'bot' | 'user';

/** A token as Slack remembers it; a dead one stays, so that tests can see it die. */
export interface TokenRecord {
  sequence: number;
  token: string;
  /** Whose it is; a refresh token renews tokens of this kind. */
  kind: Kind;
  refresh: boolean;
  site: string;
  scopes: string[];
  /** The installation it comes from by rotation; null is a token for good. */
  chain: number | null;
  expiresAt: number | null;
  /** When a refresh token was used. */
  usedAt: number | null;
  /** What a call with a dead token is told. */
  death: 'token_revoked' | 'account_inactive' | null;
}

/** What one kind of token came to in one answer. */
export interface Grant {
  access: TokenRecord;
  refresh: TokenRecord | null;
}

/** Seconds, docs.slack.dev/authentication/using-token-rotation. */
export const LIFETIME = 43_200;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const DIGITS = '0123456789';

export function random(length: number, alphabet = LETTERS): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}

export const randomDigits = (length: number) => `${randomInt(1, 10)}${random(length - 1, DIGITS)}`;

/** Every token the simulator issued, oldest first. */
export function tokenRecords(store: Store): TokenRecord[] {
  return store.list<TokenRecord>('token/').sort((a, b) => a.sequence - b.sequence);
}

export function isAlive({ death, expiresAt }: TokenRecord, now: number): boolean {
  return death === null && now < (expiresAt ?? Infinity);
}

/** Issues, rotates, finds and kills tokens. */
export type TokenBook = ReturnType<typeof tokenBook>;

export function tokenBook({ store, now, secret }: SimulatorContext) {
  const save = (record: TokenRecord) => store.set(`token/${record.token}`, record);
  const kill = (record: TokenRecord, death: TokenRecord['death']) => save({ ...record, death });
  const ofSite = (key: string) => tokenRecords(store).filter(({ site }) => site === key);
  const next = () => {
    const sequence = (store.get<number>('sequence') ?? 0) + 1;
    store.set('sequence', sequence);
    return sequence;
  };

  type Origin = Pick<TokenRecord, 'kind' | 'site' | 'scopes' | 'chain'>;

  function issue(
    token: string,
    origin: Origin,
    more: Pick<TokenRecord, 'refresh' | 'expiresAt'>,
  ): TokenRecord {
    const { kind, site, scopes, chain } = origin;
    const sequence = next();
    const record = {
      sequence,
      token: secret(token),
      kind,
      site,
      scopes,
      chain,
      ...more,
      usedAt: null,
      death: null,
    };
    save(record);
    return record;
  }

  function issuePair(origin: Origin): Grant {
    const access = `xoxe.${origin.kind === 'bot' ? 'xoxb' : 'xoxp'}-1-${random(160)}`;
    return {
      access: issue(access, origin, { refresh: false, expiresAt: now() + LIFETIME * 1000 }),
      refresh: issue(`xoxe-1-${random(140)}`, origin, { refresh: true, expiresAt: null }),
    };
  }

  /** How long the short grace period after the use of a refresh token is, the docs do not say. */
  function isSpent({ usedAt }: TokenRecord): boolean {
    const grace = (store.get<number>('settings.refreshGrace') ?? 0) * 1000;
    return usedAt !== null && now() >= usedAt + grace;
  }

  return {
    /** Scopes add up over installations, and without rotation the token stays the same one. */
    install(site: Site, kind: Kind, asked: string[]): Grant {
      const key = siteKey(site);
      const living = ofSite(key).filter((record) => record.kind === kind && record.death === null);
      const scopes = [...new Set([...living.flatMap((record) => record.scopes), ...asked])];
      for (const record of living) save({ ...record, scopes });
      if (store.get<boolean>('settings.rotation')) {
        return issuePair({ kind, site: key, scopes, chain: next() });
      }
      const same = living.find(({ chain }) => chain === null);
      if (same) return { access: { ...same, scopes }, refresh: null };
      const numbers = `${randomDigits(12)}-${randomDigits(13)}`;
      const token =
        kind === 'bot'
          ? `xoxb-${numbers}-${random(24)}`
          : `xoxp-${numbers}-${randomDigits(13)}-${random(32, '0123456789abcdef')}`;
      const origin = { kind, site: key, scopes, chain: null };
      return { access: issue(token, origin, { refresh: false, expiresAt: null }), refresh: null };
    },

    /** The record of a refresh token that may be used. */
    refreshable(token: string): TokenRecord | undefined {
      const record = store.get<TokenRecord>(`token/${token}`);
      return record?.refresh && record.death === null && !isSpent(record) ? record : undefined;
    },

    /** The former access token goes on until its time is over, or until it is one too many. */
    rotate(old: TokenRecord): Grant {
      save({ ...old, usedAt: old.usedAt ?? now() });
      const grant = issuePair(old);
      const active = ofSite(old.site).filter(
        (record) => record.chain === old.chain && !record.refresh && isAlive(record, now()),
      );
      for (const record of active.slice(0, -2)) kill(record, 'token_revoked');
      return grant;
    },

    /** The record of a token, or the error a call with it gets. */
    find(token: string): TokenRecord | string {
      const record = store.get<TokenRecord>(`token/${token}`);
      if (!record) return 'invalid_auth';
      if (record.death !== null) return record.death;
      if (isSpent(record)) return 'token_revoked';
      return isAlive(record, now()) ? record : 'token_expired';
    },

    /** Ends one token. One for good takes the bot user with it, one that rotates leaves the installation. */
    revoke(record: TokenRecord) {
      kill(record, record.kind === 'bot' && record.chain === null ? 'account_inactive' : 'token_revoked');
    },

    uninstall(site: string) {
      for (const record of ofSite(site)) {
        if (record.death === null) kill(record, record.kind === 'bot' ? 'account_inactive' : 'token_revoked');
      }
    },
  };
}
