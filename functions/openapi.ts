import { Hono } from 'hono';
import type { AppEnv } from '../lib/http/app.ts';
import type { Contract } from '../lib/http/endpoint.ts';
import { openApiDocument } from '../lib/http/openapi.ts';

/** GET /openapi.json: the document made of the endpoints' contracts. */
export function openapi(contracts: readonly Contract[]) {
  return new Hono<AppEnv>().get('/openapi.json', (c) =>
    c.json(openApiDocument(contracts, c.get('services').config.PUBLIC_URL)),
  );
}
