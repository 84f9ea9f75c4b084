import { randomBytes } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { fits } from '../../lib/config-fields.ts';
import { stripe } from '../../providers/stripe.ts';
import { expireStripeKey, stripe as simulator } from '../world/providers/stripe.ts';
import { detailOf, type Probing, probing, read } from './probing.ts';

let world: Probing;
beforeEach(() => {
  world = probing(stripe, simulator);
});

const odd = { api_key: 'rk_test_x', config: {} };
const refusal = (message: string, more = {}) =>
  JSON.stringify({ error: { message, type: 'invalid_request_error', ...more } });

test.each([
  {},
  { mode: 'live' },
  { kind: 'claimable' },
  { kind: 'secret' },
  { kind: 'secret', mode: 'live' },
])('a key of %o shows its account', async (options: Record<string, string>) => {
  const key = world.issue(options);
  expect(fits(stripe.auth.key, key.api_key)).toBe(true);
  expect(stripe.auth.refuse(key.api_key)).toBeUndefined();
  expect(await world.ask(key)).toEqual({
    status: 200,
    finding: { finding: 'works', account: key.account },
  });
});

test('a restricted key that may not read the account works: the refusal names the account', async () => {
  const key = world.issue({ account: 'false' });
  expect(await world.ask(key)).toEqual({
    status: 403,
    finding: {
      finding: 'works',
      account: { id: key.account.id, name: null },
      missing: ['rak_accounts_kyc_basic_read'],
    },
  });
});

test('an account is named by the first name it has', () => {
  const name = (more: object) => read(stripe, odd, 200, JSON.stringify({ id: 'acct_1', ...more }));
  const settings = (display_name: string | null) => ({ dashboard: { display_name } });
  const email = 'owner@acme.example';
  const business_profile = { name: 'Profile' };
  expect(name({ settings: settings('Board'), business_profile, email })).toMatchObject({
    account: { name: 'Board' },
  });
  expect(name({ settings: settings(''), business_profile, email })).toMatchObject({
    account: { name: 'Profile' },
  });
  expect(name({ settings: null, business_profile: { name: null }, email })).toMatchObject({
    account: { name: email },
  });
  expect(name({})).toEqual({ finding: 'works', account: { id: 'acct_1', name: null } });
});

test('a key that was deleted, and one of nobody, are refused, in words', async () => {
  const key = world.issue();
  expireStripeKey(world.store, key.api_key);
  for (const each of [key, { ...key, api_key: `rk_test_${randomBytes(24).toString('hex')}` }]) {
    const finding = await world.probe(each);
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('Developers, API keys');
    expect(detailOf(finding)).not.toContain(each.api_key.slice(-6));
  }
});

test('a key that is limited to other IP addresses was taken for a dead one', async () => {
  const finding = await world.probe(world.issue({ ipLimited: 'true' }));
  expect(finding).toMatchObject({ finding: 'insufficient' });
  expect(detailOf(finding)).toContain('IP addresses');
  const told = refusal('The API key provided does not allow requests from your IP address (192.0.2.1).');
  for (const status of [401, 403])
    expect(read(stripe, odd, status, told)).toMatchObject({ finding: 'insufficient' });
});

test('a refusal of the account itself was taken for a key that works', () => {
  const message =
    "The provided key 'rk_test_***' does not have access to account 'acct_1' (or that account does not exist). Application access may have been revoked.";
  expect(read(stripe, odd, 403, refusal(message, { code: 'account_invalid' }))).toMatchObject({
    finding: 'refused',
  });
  expect(read(stripe, odd, 403, refusal("Account 'acct_1' is closed."))).toBeUndefined();
});

test('a rate limit says nothing of the key, whatever its status', async () => {
  world.store.set('settings.rateLimit', true);
  expect(await world.ask(world.issue())).toEqual({ status: 429, finding: { finding: 'limited' } });
  expect(read(stripe, odd, 400, refusal('Slow down', { code: 'rate_limit' }))).toEqual({
    finding: 'limited',
  });
  const locked = refusal('This object cannot be accessed right now', { code: 'lock_timeout' });
  expect(read(stripe, odd, 429, locked)).toBeUndefined();
});

test('a page, half a body and trouble at Stripe are left to their status', () => {
  expect(read(stripe, odd, 200, '<html>')).toBeUndefined();
  expect(read(stripe, odd, 200, '{"id":"acct_1"')).toBeUndefined();
  expect(read(stripe, odd, 200, '{"id":"cus_1"}')).toBeUndefined();
  expect(read(stripe, odd, 401, '<html>')).toBeUndefined();
  expect(read(stripe, odd, 403, '<html>')).toBeUndefined();
  expect(read(stripe, odd, 500, refusal('boom'))).toBeUndefined();
  expect(read(stripe, odd, 403, refusal('No.'))).toBeUndefined();
});

test.each([
  ['pk_live_', 'publishable'],
  ['pk_test_', 'publishable'],
  ['whsec_', 'webhook signing secret'],
  ['sk_org_live_', 'organization key'],
  ['sk_org_', 'organization key'],
])('%s is told from a key that can be used', (prefix, words) => {
  const key = prefix + randomBytes(24).toString('hex');
  expect(stripe.auth.refuse(key)).toContain(words);
  expect(stripe.auth.refuse(key)).toContain('rk_');
  expect(fits(stripe.auth.key, key)).toBe(false);
});

test('what cannot be a key is refused before any call', () => {
  const random = randomBytes(24).toString('hex');
  for (const key of [
    '',
    'rk_live_',
    `rk_${random}`,
    `rk_prod_${random}`,
    `rkcs_${random}`,
    `skcs_test_${random}`,
    `rk_live_${random}\n`,
    `Bearer rk_live_${random}`,
    `rk_live_${'a'.repeat(248)}`,
    `rk_live_${random}é`,
  ])
    expect(fits(stripe.auth.key, key), key).toBe(false);
});

test('nobody but its owner can end a key, and where is said', () => {
  expect(stripe.revocation.unsupported).toContain('Developers, API keys');
});
