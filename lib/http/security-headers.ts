import { createMiddleware } from 'hono/factory';
import type { AppEnv } from './app.ts';

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `Cache-Control` of what is the same for everybody until the next deployment. */
export const KEPT_FOR_A_WHILE = 'public, max-age=300';

/** Seconds: a year, in which no browser tries us without TLS. */
const TLS_ALONE = 'max-age=31536000';

/** Headers of every answer; pages get a policy that lets in nothing but our own stylesheet and forms. */
export const securityHeaders = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  if (!c.res.headers.has('cache-control')) c.header('Cache-Control', 'no-store');
  c.header('X-Content-Type-Options', 'nosniff');
  // Said without TLS it would mean nothing (RFC 6797 section 7.2).
  if (c.req.url.startsWith('https:')) c.header('Strict-Transport-Security', TLS_ALONE);
  if (c.res.headers.get('content-type')?.startsWith('text/html')) {
    c.header('Referrer-Policy', 'no-referrer');
    c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  }
});
