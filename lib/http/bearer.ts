import { createMiddleware } from 'hono/factory';
import { unauthenticated } from '../access.ts';
import { sha256Hex } from '../bytes.ts';
import { invalidInput } from '../problem.ts';
import type { AppEnv } from './app.ts';

/**
 * Reads who asks: the bearer token (RFC 6750 section 2.1), of which only the hash goes on, and the brand. Whether
 * the session lives is decided by the endpoint's first statement, together with its work.
 */
export const bearer = createMiddleware<AppEnv>(async (c, next) => {
  const token = /^Bearer +([A-Za-z0-9._~+/-]{1,512}=*) *$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (token === undefined) throw unauthenticated();
  const sessionId = await sha256Hex(token);
  const brand = c.req.header('x-brand-id')?.toLowerCase();
  const wellFormed = brand === undefined || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(brand);
  c.set('caller', { sessionId, brandId: wellFormed ? (brand ?? null) : null });
  if (!wellFormed) throw invalidInput('x-brand-id', 'X-Brand-Id must be a brand’s UUID.');
  await next();
});
