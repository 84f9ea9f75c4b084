import type { Context, Next } from 'hono';
import type { SimulatorContext } from '../../simulator.ts';

const DOCS = 'https://docs.github.com/rest';
const LIMITS_PAGE = '/using-the-rest-api/rate-limits-for-the-rest-api';
const USER_AGENT_PAGE = '/using-the-rest-api/getting-started-with-the-rest-api#user-agent';
const VERSIONS = ['2022-11-28', '2026-03-10'];

/** The schema `basic-error` of the REST description; `page` is where the answer says to read on. */
export function refuse(status: number, message: string, page = '', more: Record<string, unknown> = {}) {
  return Response.json(
    { message, ...more, documentation_url: DOCS + page, status: String(status) },
    { status },
  );
}

/** What every call to the API must have: a user agent, a version GitHub knows, an acceptable Accept. */
export function headerCheck({ store }: SimulatorContext) {
  return async (c: Context, next: Next): Promise<Response | undefined> => {
    if (!c.req.header('user-agent')?.trim()) {
      const rule = 'Request forbidden by administrative rules.';
      const advice = `Please make sure your request has a User-Agent header (${DOCS}${USER_AGENT_PAGE}).`;
      return c.text(`\r\n${rule} ${advice}\r\n`, 403);
    }
    const version = c.req.header('x-github-api-version');
    if (version !== undefined && !VERSIONS.includes(version)) {
      const message = `Version "${version}" is not supported. Supported versions: ${VERSIONS.join(', ')}.`;
      return refuse(400, message, '/about-the-rest-api/api-versions');
    }
    const accept = c.req.header('accept') ?? '*/*';
    if (!/(^|,)\s*(\*\/\*|application\/(\*|json|vnd\.github[\w.+-]*))/.test(accept)) {
      return refuse(415, `Unsupported 'Accept' header: '${accept}'. Must accept 'application/json'.`);
    }
    const retryAfter = store.get<number>('settings.retryAfter');
    if (retryAfter !== undefined) {
      const response = refuse(429, 'You have exceeded a secondary rate limit.', LIMITS_PAGE);
      response.headers.set('retry-after', String(retryAfter));
      return response;
    }
    await next();
    c.header('x-github-api-version-selected', version ?? '2022-11-28');
    c.header('x-github-media-type', 'github.v3; format=json');
    return undefined;
  };
}

/** Counts the calls of a bucket by the hour; headers and refusal as in rate-limits-for-the-rest-api. */
export function rateLimiter({ store, now }: SimulatorContext) {
  return async (c: Context, next: Next, bucket: { name: string; limit: number; who: string }) => {
    const { name, limit, who } = bucket;
    const kept = store.get<{ used: number; reset: number }>(`rate/${name}`);
    const current = kept && kept.reset * 1000 > now();
    const reset = current ? kept.reset : Math.ceil(now() / 1000) + 3600;
    const before = current ? kept.used : 0;
    const exceeded = before >= limit;
    const used = exceeded ? before : before + 1;
    store.set(`rate/${name}`, { used, reset });
    if (exceeded) c.res = refuse(403, `API rate limit exceeded for ${who}.`, LIMITS_PAGE);
    else await next();
    c.header('x-ratelimit-limit', String(limit));
    c.header('x-ratelimit-remaining', String(Math.max(0, limit - used)));
    c.header('x-ratelimit-used', String(used));
    c.header('x-ratelimit-reset', String(reset));
    c.header('x-ratelimit-resource', 'core');
    c.header('date', new Date(now()).toUTCString());
  };
}
