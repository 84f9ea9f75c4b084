import { beforeEach, expect, test } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import { gorgias } from '../../providers/gorgias.ts';
import { gorgias as simulator } from '../world/providers/gorgias.ts';
import { type Probing, probing, read } from './probing.ts';

let world: Probing;
beforeEach(() => {
  world = probing(gorgias, simulator);
});

const config = { domain: 'acme', email: 'reader@acme.example' };
const findingOf = async (options?: Record<string, string>, bend: Record<string, string> = {}) => {
  const key = world.issue(options);
  return world.ask({ ...key, config: { ...key.config, ...bend } });
};

test.each(['acme', 'globex'])('a good key shows the account %s, named by its address', async (domain) => {
  expect((await findingOf({ domain })).finding).toEqual({
    finding: 'works',
    account: { id: domain, name: `${domain}.gorgias.com` },
  });
});

test('a key that was reset is refused, and so is another user’s e-mail', async () => {
  const refused = {
    status: 401,
    finding: { finding: 'refused', detail: expect.stringContaining('Settings, Account, REST API') },
  };
  expect(await findingOf({ expired: 'true' })).toEqual(refused);
  expect(await findingOf({}, { email: 'other@acme.example' })).toEqual(refused);
  expect(await findingOf({}, { domain: 'globex' })).toEqual(refused);
});

test('a role that may not read the account is a living key without a permission', async () => {
  expect(await findingOf({ account: 'false' })).toEqual({
    status: 403,
    finding: { finding: 'insufficient', detail: expect.stringContaining('role') },
  });
});

test('a domain without a helpdesk is said to be wrong', async () => {
  expect(await findingOf({}, { domain: 'nobody' })).toEqual({
    status: 404,
    finding: { finding: 'refused', detail: expect.stringContaining('nobody.gorgias.com') },
  });
});

test('a deactivated account is refused', async () => {
  expect(await findingOf({ domain: 'closed' })).toEqual({
    status: 200,
    finding: { finding: 'refused', detail: expect.stringContaining('not active') },
  });
});

test('a rate limit, a page and half a body are left to their status', async () => {
  world.store.set('settings.retryAfter', 12);
  expect(await findingOf()).toEqual({ status: 429, finding: undefined });
  const key = { api_key: '', config };
  expect(read(gorgias, key, 200, '<html>')).toBeUndefined();
  expect(read(gorgias, key, 200, '{"domain":"acme"')).toBeUndefined();
  expect(read(gorgias, key, 200, '{"domain":"a.b"}')).toBeUndefined();
  expect(read(gorgias, key, 500, '{"error":{"msg":"oops"}}')).toBeUndefined();
});

test.each([
  'acme',
  'ACME',
  ' acme ',
  'acme.gorgias.com',
  'https://acme.gorgias.com/app/tickets',
  'https://Acme.gorgias.com/api/',
])('the domain %j is acme', (domain) => {
  expect(readConfigFields(gorgias, { ...config, domain }).domain).toBe('acme');
});

test.each([
  'acme.gorgias.com.evil.example',
  'http://acme.gorgias.com',
  'https://evil.example/acme.gorgias.com',
  'https://me@acme.gorgias.com',
  'https://acme.gorgias.com:8443/',
  'a.acme.gorgias.com',
  'acme.',
  'acme/..',
  'acme#',
  '-acme',
  'acme_store',
  'a'.repeat(64),
  'ａcme',
  '127.0.0.1',
])('the domain %j is refused before any call', (domain) => {
  expect(() => readConfigFields(gorgias, { ...config, domain })).toThrow(
    expect.objectContaining({ code: 'invalid_request', detail: expect.stringContaining('Gorgias domain') }),
  );
});

test.each(['a:b@acme.example', 'a@acme', 'ä@acme.example', 'a@acme.example\r\nx: y'])(
  'the e-mail %j is refused before any call',
  (email) => {
    expect(() => readConfigFields(gorgias, { ...config, email })).toThrow(
      expect.objectContaining({ code: 'invalid_request', detail: expect.stringContaining('e-mail') }),
    );
  },
);

test.each(['', 'short', 'two words make no key', 'k'.repeat(257), `${'k'.repeat(20)}\u00e9`])(
  'the key %j cannot be one',
  (key) => {
    expect(fits(gorgias.auth.key, key)).toBe(false);
  },
);
