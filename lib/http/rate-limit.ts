import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { Problem } from '../problem.ts';
import { Remembered } from '../remembered.ts';
import type { AppEnv } from './app.ts';

/** Seconds; the window of every limit in wrangler.toml. */
const WINDOW = 60;

/** The bindings of wrangler.toml. */
export type Limit = 'AUTHORIZE_LIMIT' | 'CALLBACK_LIMIT' | 'CONNECT_LIMIT' | 'UNAUTHENTICATED_LIMIT';

/** Who has used up a limit, as far as this isolate has been told: until when, in milliseconds since 1970. */
const spent = new Remembered<number>(10_000);

/** Holds a route to the platform's rate limit: by session where there is one, else by address. */
export function rateLimit(limit: Limit) {
  return createMiddleware<AppEnv>(async (c, next) => {
    await spend(c, limit, c.get('caller')?.sessionId ?? clientAddress(c));
    await next();
  });
}

/** Counts one use. Throws `rate_limited` where the window's are used up. */
export async function spend(c: Context<AppEnv>, limit: Limit, key: string): Promise<void> {
  refuseSpent(limit, key);
  const { success } = await c.env[limit].limit({ key });
  if (success) return;
  spent.set(`${limit} ${key}`, Date.now() + WINDOW * 1000);
  throw tooMany(WINDOW);
}

/** Throws `rate_limited` where the window's are known to be used up, before anything is done or counted. */
export function refuseSpent(limit: Limit, key: string): void {
  const left = (spent.get(`${limit} ${key}`) ?? 0) - Date.now();
  if (left > 0) throw tooMany(Math.ceil(left / 1000));
}

function tooMany(seconds: number): Problem {
  return new Problem('rate_limited', `Too many requests. Wait ${seconds} seconds and try again.`, {
    retryAfter: seconds,
  });
}

/**
 * Who asks, as limits count them: the address that Cloudflare sets on every request, which clients cannot choose; of
 * IPv6 its first 64 bits, since all behind them are one customer's (RFC 6177).
 */
export function clientAddress(c: Context<AppEnv>): string {
  return networkOf(c.req.header('cf-connecting-ip') ?? 'unknown');
}

function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [before = '', after] = address.toLowerCase().split('::');
  const head = before.split(':').filter((part) => part !== '');
  const tail = after?.split(':').filter((part) => part !== '') ?? [];
  const zeros = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const parts = [...head, ...Array<string>(zeros).fill('0'), ...tail];
  return `${parts
    .slice(0, 4)
    .map((part) => part.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
