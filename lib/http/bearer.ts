import { createMiddleware } from 'hono/factory';
import { unauthenticated } from '../access.ts';
import { sha256Hex } from '../bytes.ts';
import { invalidInput } from '../problem.ts';
import { Remembered } from '../remembered.ts';
import type { AppEnv } from './app.ts';
import { clientAddress, refuseSpent } from './rate-limit.ts';

/**
 * Reads who asks: the bearer token (RFC 6750 section 2.1), of which only the hash goes on, and the brand. Whether
 * the session lives is decided by the endpoint's first statement, together with its work. Throws `unauthenticated`, and
 * `rate_limited` for an address whose failed tries are used up.
 */
export const bearer = createMiddleware<AppEnv>(async (c, next) => {
  const token = /^Bearer +([A-Za-z0-9._~+/-]{1,512}=*) *$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (token === undefined) throw unauthenticated();
  const sessionId = await sha256Hex(token);
  // A page that is left open goes on asking with a session that has ended: that is no guess, and takes nothing of the tries
  // of those beside it.
  if ((ended.get(sessionId) ?? 0) > Date.now()) {
    c.set('isCounted', true);
    throw unauthenticated();
  }
  // Nor is who works beside them refused for what they have tried.
  const isKnown = (living.get(sessionId) ?? 0) > Date.now();
  if (!isKnown) refuseSpent('UNAUTHENTICATED_LIMIT', clientAddress(c));
  const brand = c.req.header('x-brand-id')?.toLowerCase();
  const wellFormed = brand === undefined || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(brand);
  c.set('caller', { sessionId, brandId: wellFormed ? (brand ?? null) : null });
  if (!wellFormed) throw invalidInput('x-brand-id', 'X-Brand-Id must be a brand’s UUID.');
  await next();
  if (c.res.ok) living.set(sessionId, Date.now() + KNOWN_MS);
  if (c.res.status === 401) ended.set(sessionId, Date.now() + ENDED_MS);
});

/** Milliseconds for which a session that lived is taken for one that is worth a statement. */
const KNOWN_MS = 300_000;
/** Hashes of tokens of sessions that lived when they were last asked about, and until when that counts. */
const living = new Remembered<number>(10_000);
/** Milliseconds for which one that did not live is not asked about again. */
const ENDED_MS = 10_000;
const ended = new Remembered<number>(10_000);
