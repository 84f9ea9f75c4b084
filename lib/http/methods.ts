import type { Hono } from 'hono';
import { TrieRouter } from 'hono/router/trie-router';
import type { AppEnv } from './app.ts';

/** The methods under which an app has a route at a path, middleware left out (RFC 9110 section 10.2.1). */
export function methodsAt(app: Hono<AppEnv>, path: string): string[] {
  const router = new TrieRouter<string>();
  for (const route of app.routes) {
    if (route.method !== 'ALL') router.add(route.method, route.path, route.method);
  }
  const methods = new Set(app.routes.map((route) => route.method).filter((method) => method !== 'ALL'));
  return [...methods].filter((method) => router.match(method, path)[0].length > 0).sort();
}
