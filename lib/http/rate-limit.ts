import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { Problem } from '../problem.ts';
import type { AppEnv } from './app.ts';

/** Seconds; the window of every limit in wrangler.toml. */
const WINDOW = 60;

/** The bindings of wrangler.toml. */
export type Limit = 'AUTHORIZE_LIMIT' | 'CALLBACK_LIMIT' | 'CONNECT_LIMIT' | 'UNAUTHENTICATED_LIMIT';

/** Holds a route to the platform's rate limit: by session where there is one, else by address. */
export function rateLimit(limit: Limit) {
  return createMiddleware<AppEnv>(async (c, next) => {
    await spend(c, limit, c.get('caller')?.sessionId ?? clientAddress(c));
    await next();
  });
}

/** Counts one use. Throws `rate_limited` where the window's are used up. */
export async function spend(c: Context<AppEnv>, limit: Limit, key: string): Promise<void> {
  const { success } = await c.env[limit].limit({ key });
  if (!success) {
    throw new Problem('rate_limited', `Too many requests. Wait ${WINDOW} seconds and try again.`, {
      retryAfter: WINDOW,
    });
  }
}

/** Set by Cloudflare on every request; clients cannot choose it. */
export function clientAddress(c: Context<AppEnv>): string {
  return c.req.header('cf-connecting-ip') ?? 'unknown';
}
