import { beforeEach, describe, expect, test } from 'vitest';
import { providers } from '../../providers/index.ts';
import { Client } from '../support/client.ts';
import { consent } from '../support/flows.ts';
import { brands, openWorld } from '../support/open-world.ts';

const world = await openWorld();
let browser: Client;

/** Posts a form as the page's own buttons do. */
function submit(path: string, fields: Record<string, string> = {}, origin = world.url) {
  return browser.send('POST', path, {
    raw: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin, accept: 'text/html' },
  });
}

const open = (path = '/cockpit') => browser.get(path, { headers: { accept: 'text/html' } });

/** The text of a page, without its tags. */
const words = (html: string) => html.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');

const issueKey = () => world.gateway.simulator('stripe').issueKey?.().api_key ?? '';

beforeEach(async () => {
  world.reset();
  await world.sql('delete from connections');
  browser = new Client(world, undefined);
  await submit('/cockpit/session', { session: world.sessions.ada });
});

test('without a session the page asks for one, and with one that is over it says so', async () => {
  browser = new Client(world, undefined);
  const page = await open();
  expect(page.status).toBe(401);
  expect(words(page.text)).toContain('Session token');
  await submit('/cockpit/session', { session: 'over' });
  expect(words((await open()).text)).toContain('The session is missing or has ended');
});

test('the session’s cookie is out of reach of scripts and other sites', async () => {
  const reply = await submit('/cockpit/session', { session: world.sessions.ada });
  expect(reply.headers.get('set-cookie')).toMatch(/^reeve-session=.*; Path=\/; HttpOnly; SameSite=Lax$/);
});

test('every page has a doctype and a policy that lets in nothing foreign', async () => {
  const page = await open();
  expect(page.text).toMatch(/^<!doctype html>/i);
  expect(page.text).not.toMatch(/<script|style="| on\w+="/);
  expect(page.headers.get('content-security-policy')).toBe(
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  );
  expect(page.headers.get('referrer-policy')).toBe('no-referrer');
});

test('the catalogue is shown by category, each with its state and its form', async () => {
  const page = await open();
  expect(page.status).toBe(200);
  for (const word of [
    'commerce',
    'payments',
    'support',
    'development',
    'Shopify',
    'Stripe',
    'Zendesk',
    'GitHub',
  ]) {
    expect(words(page.text)).toContain(word);
  }
  expect(page.text.match(/Not connected/g)).toHaveLength(providers.length);
  for (const field of ['shop', 'subdomain', 'email', 'api_key'])
    expect(page.text).toContain(`name="${field}"`);
});

describe('connecting', () => {
  test('with a key shows the account; a wrong key says what to do and keeps what was typed beside it', async () => {
    const done = await submit('/cockpit/connect/stripe', { api_key: issueKey() });
    expect(done.status).toBe(303);
    const page = await open(done.headers.get('location') ?? '');
    expect(words(page.text)).toContain('Stripe is connected.');
    expect(words(page.text)).toContain('Acme Inc');

    const refused = await submit('/cockpit/connect/zendesk', {
      subdomain: 'acme',
      email: 'agent@acme.example',
      api_key: 'a'.repeat(40),
    });
    expect(refused.status).toBe(422);
    expect(words(refused.text)).toContain('Zendesk does not');
    expect(refused.text).toContain('value="agent@acme.example"');
    expect(refused.text).not.toContain('a'.repeat(40));
  });

  test('by signing in leaves for the provider and lands here with the outcome in words', async () => {
    const leaving = await submit('/cockpit/connect/github');
    const [, url = ''] = /http-equiv="refresh" content="0; url=([^"]+)"/.exec(leaving.text) ?? [];
    const back = await consent(new URL(url.replaceAll('&amp;', '&')));
    const landed = await browser.get(`${back.pathname}${back.search}`, { headers: { accept: 'text/html' } });
    expect(landed.status).toBe(302);
    const location = new URL(landed.headers.get('location') ?? '');
    expect([...location.searchParams.keys()].sort()).toEqual(['provider', 'status']);
    expect(words((await open(`${location.pathname}${location.search}`)).text)).toContain(
      'GitHub is connected.',
    );
  });

  test('in a brand stays in that brand', async () => {
    const done = await submit(`/cockpit/connect/stripe?brand=${brands.north}`, { api_key: issueKey() });
    expect(done.headers.get('location')).toContain(brands.north);
    expect(words((await open()).text)).not.toContain('Acme Inc');
    expect(words((await open(`/cockpit?brand=${brands.north}`)).text)).toContain('Acme Inc');
    expect((await open(`/cockpit?brand=${brands.rival}`)).status).toBe(404);
  });
});

test('testing and disconnecting work, and what is left to a person is told', async () => {
  await submit('/cockpit/connect/stripe', { api_key: issueKey() });
  const tested = await submit('/cockpit/test/stripe');
  expect(words((await open(tested.headers.get('location') ?? '')).text)).toContain('Stripe was asked');
  const ended = await submit('/cockpit/disconnect/stripe');
  const page = words((await open(ended.headers.get('location') ?? '')).text);
  expect(page).toContain('Stripe is disconnected.');
  expect(page).toContain('delete it in the Stripe Dashboard');
  expect((await submit('/cockpit/disconnect/stripe')).status).toBe(404);
});

test('a form that another site sends changes nothing', async () => {
  const reply = await submit('/cockpit/connect/stripe', { api_key: issueKey() }, 'https://evil.example');
  expect(reply.status).toBe(400);
  expect(world.gateway.count('stripe')).toBe(0);
});

test.each([
  '/cockpit?brand=a%0Ab',
  '/cockpit?brand=%00',
  '/cockpit?provider=stripe&status=error&error=%3Cscript%3E',
  '/cockpit?provider=__proto__&status=connected',
  '/cockpit/',
])('%s is no reason to fail', async (path) => {
  const page = await open(path);
  expect(page.status).toBeLessThan(500);
  expect(page.text).not.toContain('<script>');
});

test.each(['x%3Fa', '%E2%82%AC', 'stripe%2F..%2F..%2F..%2Fhealth', '%00'])(
  'a provider named %s is refused',
  async (provider) => {
    for (const action of ['connect', 'test', 'disconnect']) {
      const reply = await submit(`/cockpit/${action}/${provider}`, { api_key: 'x' });
      expect(reply.status, action).toBeGreaterThanOrEqual(400);
      expect(reply.status, action).toBeLessThan(500);
    }
  },
);

test('/docs shows every endpoint', async () => {
  const page = await open('/docs');
  expect(page.status).toBe(200);
  expect(words(page.text)).toContain('DELETE /api/connectors/{provider}');
});
