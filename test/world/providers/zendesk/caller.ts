import type { SimulatorContext } from '../../simulator.ts';
import { type AccessToken, type DeskUser, INACTIVITY, type Records } from './desk.ts';

/** Who is calling: nobody, somebody who failed to say who, or a user with a key or an OAuth token. */
export type Caller =
  | { kind: 'anonymous' }
  | { kind: 'refused' }
  | { kind: 'user'; user: DeskUser; token?: AccessToken };

/** `{email}/token:{api token}` as Basic, or an OAuth token as Bearer; a password is no longer accepted. */
export function identify(
  { store, now }: SimulatorContext,
  records: Records,
  desk: string,
  authorization: string | undefined,
): Caller {
  if (authorization === undefined) return { kind: 'anonymous' };
  const [scheme = '', credential = ''] = authorization.split(' ');

  if (scheme.toLowerCase() === 'bearer') {
    const token = records.accessToken(credential);
    const user = token && records.user(desk, token.email);
    const dead = !token || token.revoked || token.desk !== desk || now() >= (token.expiresAt ?? Infinity);
    return dead || !user ? { kind: 'refused' } : { kind: 'user', user, token };
  }

  if (scheme.toLowerCase() !== 'basic' || store.get<boolean>('settings.apiTokensRemoved')) {
    return { kind: 'refused' };
  }
  const [, email, key] = /^(.+)\/token:(.+)$/.exec(Buffer.from(credential, 'base64').toString()) ?? [];
  if (email === undefined || key === undefined) return { kind: 'refused' };
  const token = records.apiToken(key);
  const user = records.user(desk, email);
  if (!token || !user || token.desk !== desk || now() - token.lastUsedAt >= INACTIVITY) {
    return { kind: 'refused' };
  }
  records.saveApiToken(key, { ...token, lastUsedAt: now() });
  return { kind: 'user', user };
}

/** The limit is the account's, by the minute (rate-limits; 400 is the Professional plan). */
export function countCall({ store, now }: SimulatorContext, desk: string) {
  const limit = store.get<number>('settings.rateLimit') ?? 400;
  const minute = Math.floor(now() / 60_000);
  const kept = store.get<{ minute: number; used: number }>(`rate/${desk}`);
  const used = (kept?.minute === minute ? kept.used : 0) + 1;
  if (used <= limit) store.set(`rate/${desk}`, { minute, used });
  return { limit, used, exceeded: used > limit, seconds: Math.ceil(((minute + 1) * 60_000 - now()) / 1000) };
}
