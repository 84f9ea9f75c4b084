import { Hono } from 'hono';
import type { AppEnv } from '../lib/http/app.ts';
import type { Contract } from '../lib/http/endpoint.ts';
import { openApiDocument } from '../lib/http/openapi.ts';
import { KEPT_FOR_A_WHILE } from '../lib/http/security-headers.ts';

/** GET /openapi.json: the document made of the endpoints' contracts, once an isolate. */
export function openapi(contracts: readonly Contract[]) {
  let text: string | undefined;
  return new Hono<AppEnv>().get('/openapi.json', (c) => {
    text ??= JSON.stringify(openApiDocument(contracts, c.get('services').config.PUBLIC_URL));
    return c.body(text, {
      headers: { 'Content-Type': 'application/json', 'Cache-Control': KEPT_FOR_A_WHILE },
    });
  });
}
