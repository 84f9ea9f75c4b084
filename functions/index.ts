import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { allowedOrigins } from '../lib/config.ts';
import type { AppEnv } from '../lib/http/app.ts';
import { finishing } from '../lib/http/finishing.ts';
import { methodsAt } from '../lib/http/methods.ts';
import { respondToError } from '../lib/http/problem-response.ts';
import { requestLog } from '../lib/http/request-log.ts';
import { securityHeaders } from '../lib/http/security-headers.ts';
import { services } from '../lib/http/services.ts';
import { Problem } from '../lib/problem.ts';
import { cockpit } from './cockpit/index.tsx';
import { docs } from './docs.tsx';
import { endpoints } from './endpoints.ts';
import { openapi } from './openapi.ts';
import { onCron } from './scheduled/cron.ts';
import { onQueue } from './scheduled/queue.ts';

const app = new Hono<AppEnv>();
app.use(securityHeaders, requestLog, services);
// Browsers of other origins may use the API from the Cockpit alone, and never a callback or a webhook.
app.use('/api/*', async (c, next) => {
  if (c.req.path.endsWith('/callback') || c.req.path.startsWith('/api/webhooks/')) return next();
  c.header('Vary', 'Origin', { append: true });
  const origin = c.req.header('origin') ?? '';
  if (!allowedOrigins(c.get('services').config).includes(origin)) {
    return c.req.method === 'OPTIONS' ? c.body(null, 204) : next();
  }
  return cors({
    origin,
    credentials: true,
    allowMethods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'X-Brand-Id'],
    exposeHeaders: ['X-Request-Id', 'Retry-After'],
    maxAge: 600,
  })(c, next);
});
app.onError(respondToError);
app.notFound((c) => {
  const methods = methodsAt(app, c.req.path);
  if (methods.length === 0)
    return respondToError(new Problem('not_found', 'There is nothing at this address.'), c);
  c.header('Allow', methods.join(', '));
  return respondToError(new Problem('method_not_allowed', `This address takes ${methods.join(', ')}.`), c);
});
for (const endpoint of endpoints) app.route('/', endpoint.app);
const contracts = endpoints.map(({ contract }) => contract);
app.route('/', openapi(contracts));
app.route('/', docs(contracts));
app.get('/cockpit/', (c) => c.redirect('/cockpit', 308));
app.route(
  '/cockpit',
  cockpit((request, c) => app.fetch(request, c.env, c.executionCtx)),
);

export default {
  fetch: finishing(app.fetch),
  scheduled: onCron,
  queue: onQueue,
} satisfies ExportedHandler<Env>;
