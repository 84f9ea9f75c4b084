import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import { v7 as uuidv7 } from 'uuid';
import type { AppEnv } from './app.ts';

/**
 * Gives each request its id and closes it with one log line: route, status, code, milliseconds, round trips.
 * The route is the pattern, never the URL, which may carry a code or a state.
 */
export const requestLog = createMiddleware<AppEnv>(async (c, next) => {
  const started = Date.now();
  c.set('requestId', uuidv7());
  c.set('logged', {});
  c.header('X-Request-Id', c.get('requestId'));
  await next();
  const status = c.res.status;
  console.log(
    JSON.stringify({
      level: status >= 500 ? 'error' : 'info',
      event: 'request',
      request_id: c.get('requestId'),
      method: c.req.method,
      route: routePath(c, -1),
      status,
      ...c.get('logged'),
      duration_ms: Date.now() - started,
      ...c.get('services')?.meter,
    }),
  );
});
