import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { AppEnv } from '../../lib/http/app.ts';
import { securityHeaders } from '../../lib/http/security-headers.ts';

const app = new Hono<AppEnv>().use(securityHeaders).get('/', (c) => c.text('ok'));

test.each([
  ['https://connectors.example/', 'max-age=31536000'],
  ['http://127.0.0.1:8787/', null],
])('a browser may try us without TLS, though it has come by %s before', async (url, expected) => {
  expect((await app.request(url)).headers.get('strict-transport-security')).toBe(expected);
});
