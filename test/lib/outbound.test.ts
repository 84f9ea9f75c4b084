import { afterEach, beforeEach, expect, test } from 'vitest';
import { newMeter } from '../../lib/meter.ts';
import { outletOf, send } from '../../lib/outbound.ts';
import { providers } from '../../providers/index.ts';
import type { Config, HttpRequest, Provider } from '../../providers/provider.ts';

// The gate alone: here whatever a row says has opened.

const usual = globalThis.fetch;
let asked: string[] = [];
beforeEach(() => {
  asked = [];
  globalThis.fetch = (input) => {
    asked.push(String(input));
    return Promise.resolve(new Response('{}'));
  };
});
afterEach(() => {
  globalThis.fetch = usual;
});

const byId = (id: string) => providers.find((each) => each.id === id) as Provider;
const ask = (id: string, config: Config, url: string) =>
  send({ method: 'GET', url, headers: {} } satisfies HttpRequest, outletOf(byId(id), config, newMeter()));

test.each([
  ['shopify', { shop: 'acme.myshopify.com' }, 'https://acme.myshopify.com/admin'],
  ['posthog', { host: 'posthog.acme.example', project_id: '1' }, 'https://posthog.acme.example/api'],
  ['zendesk', { subdomain: 'acme' }, 'https://acme.zendesk.com/api'],
  ['stripe', {}, 'https://api.stripe.com/v1'],
])('%s is asked at its own host', async (id, config, url) => {
  await ask(id, config, url);
  expect(asked).toEqual([url]);
});

test.each([
  ['shopify', { shop: 'evil.example' }, 'https://evil.example/admin'],
  ['shopify', { shop: 'acme.myshopify.com' }, 'https://acme.myshopify.com.evil.example/'],
  ['shopify', { shop: 'acme.myshopify.com' }, 'https://evil.example/.myshopify.com'],
  ['shopify', { shop: 'acme.myshopify.com' }, 'https://a.b.myshopify.com/'],
  ['shopify', { shop: 'acme.myshopify.com' }, 'https://acme.myshopify.com@evil.example/'],
  ['shopify', { shop: 'acme.myshopify.com' }, 'https://x@acme.myshopify.com/'],
  ['shopify', { shop: 'acme.myshopify.com' }, 'https://acme.myshopify.com:8443/'],
  ['shopify', { shop: 'acme.myshopify.com' }, 'http://acme.myshopify.com/'],
  ['shopify', { shop: 'acme.myshopify.com/x' }, 'https://acme.myshopify.com/x/admin'],
  ['posthog', { host: '169.254.169.254', project_id: '1' }, 'https://169.254.169.254/api'],
  ['posthog', { host: 'posthog.acme.example', project_id: '1' }, 'https://evil.example/api'],
  ['posthog', {}, 'https://us.posthog.com/api'],
  ['gorgias', { domain: 'evil.example/', email: 'a@b.example' }, 'https://evil.example/.gorgias.com'],
  ['stripe', {}, 'https://evil.example/v1'],
  ['github', {}, 'https://api.github.com.evil.example/user'],
  ['github', {}, 'not a url'],
])('%s with %j is asked for %s, and sent whatever it is asked with', async (id, config, url) => {
  await expect(ask(id, config as Config, url)).rejects.toMatchObject({ failure: 'host' });
  expect(asked).toEqual([]);
});
