import { randomBytes } from 'node:crypto';

/** What a connection holds of a grant. */
export interface Held {
  access: string;
  refresh: string | null;
}

/** An answer by which a provider says that access has ended, now or before. */
export interface Word {
  pair: number;
  said: 'grant ended' | 'token ended' | 'unknown';
  /** Pairs of the grant that lived on after it. */
  left: number;
  /** By performance.now(). */
  at: number;
}

interface Pair {
  id: number;
  grant: string;
  isAlive: boolean;
}

interface Token {
  pair: Pair;
  isExpired: boolean;
}

/** The grants that people have given at all providers, the tokens of each, and what was said of them. */
export class GrantBook {
  readonly #tokens = new Map<string, Token>();
  readonly #grants = new Map<string, Pair[]>();
  readonly #words = new Map<string, Word[]>();
  readonly #outages = new Map<string, number>();

  /** A token of the grant, or a pair of them; an expired one is over, unless it has a refresh token that goes on. */
  issue(grant: string, prefixes: readonly [string, string?], isExpired = false): Held {
    const pairs = this.#grants.get(grant) ?? [];
    this.#grants.set(grant, pairs);
    const pair = { id: pairs.length, grant, isAlive: !isExpired || prefixes[1] !== undefined };
    pairs.push(pair);
    return this.#hand(pair, prefixes, isExpired);
  }

  /** The provider, or a person there, has ended these alone. */
  kill({ access }: Held): void {
    const token = this.#tokens.get(access);
    if (token) token.pair.isAlive = false;
  }

  /** For so many requests to end it, the provider is down. */
  failOn(grant: string, times: number): void {
    this.#outages.set(grant, times);
  }

  lives({ access }: Held): boolean {
    return this.#tokens.get(access)?.pair.isAlive === true;
  }

  living(grant: string): number {
    return (this.#grants.get(grant) ?? []).filter(({ isAlive }) => isAlive).length;
  }

  pairOf({ access }: Held): number {
    return this.#tokens.get(access)?.pair.id ?? -1;
  }

  words(grant: string): readonly Word[] {
    return this.#words.get(grant) ?? [];
  }

  /** Whether a request with this access token is served. */
  accepts(access: string): boolean {
    const token = this.#tokens.get(access);
    return token?.pair.isAlive === true && !token.isExpired;
  }

  /** The grant that a token is of is ended, or the token alone. */
  end(presented: string, what: 'grant' | 'token'): 'ended' | 'unknown' | 'down' {
    const token = this.#tokens.get(presented);
    if (!token) return 'unknown';
    const { grant } = token.pair;
    const outage = this.#outages.get(grant) ?? 0;
    if (outage > 0) {
      this.#outages.set(grant, outage - 1);
      return 'down';
    }
    if (!token.pair.isAlive || token.isExpired) {
      this.#say(token.pair, 'unknown');
      return 'unknown';
    }
    const ended = what === 'grant' ? (this.#grants.get(grant) ?? []) : [token.pair];
    for (const pair of ended) pair.isAlive = false;
    this.#say(token.pair, what === 'grant' ? 'grant ended' : 'token ended');
    return 'ended';
  }

  /** Another pair for a refresh token, which is spent by that where it `rotates`. */
  renew(refresh: string, prefixes: readonly [string, string?], rotates: boolean): Held | undefined {
    const token = this.#tokens.get(refresh);
    if (!token?.pair.isAlive) {
      if (token) this.#say(token.pair, 'unknown');
      return undefined;
    }
    if (rotates) this.#tokens.delete(refresh);
    return this.#hand(token.pair, rotates ? prefixes : [prefixes[0]], false);
  }

  #hand(pair: Pair, [access, refresh]: readonly [string, string?], isExpired: boolean): Held {
    const held = {
      access: access + randomBytes(20).toString('hex'),
      refresh: refresh === undefined ? null : refresh + randomBytes(20).toString('hex'),
    };
    this.#tokens.set(held.access, { pair, isExpired });
    if (held.refresh !== null) this.#tokens.set(held.refresh, { pair, isExpired: false });
    return held;
  }

  #say({ id, grant }: Pair, said: Word['said']): void {
    const words = this.#words.get(grant) ?? [];
    this.#words.set(grant, words);
    words.push({ pair: id, said, left: this.living(grant), at: performance.now() });
  }
}
