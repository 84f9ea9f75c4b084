import { createMiddleware } from 'hono/factory';
import { openServices } from '../services.ts';
import type { AppEnv } from './app.ts';

/** Opens what a request works with. Throws `unavailable` where a setting is missing. */
export const services = createMiddleware<AppEnv>(async (c, next) => {
  c.set('services', openServices(c.env));
  await next();
});
