import { randomBytes } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { fits } from '../../lib/config-fields.ts';
import { klaviyo } from '../../providers/klaviyo.ts';
import { disableKlaviyoKey, klaviyo as simulated } from '../world/providers/klaviyo.ts';
import { detailOf, type Probing, probing, read } from './probing.ts';

let world: Probing;
beforeEach(() => {
  world = probing(klaviyo, simulated);
});

test.each(['new', 'old'])('a key of the %s form yields the account’s id and name', async (format) => {
  const key = world.issue({ format, name: 'Acme Mail' });
  expect(fits(klaviyo.auth.key, key.api_key)).toBe(true);
  expect(await world.probe(key)).toEqual({ finding: 'works', account: key.account });
});

test('a full-access key works', async () => {
  expect(await world.probe(world.issue({ scopes: '*' }))).toMatchObject({ finding: 'works' });
});

test('a key that Klaviyo does not know, or that was disabled, is refused', async () => {
  const key = world.issue();
  disableKlaviyoKey(world.store, key.api_key);
  const stranger = { api_key: `pk_${randomBytes(17).toString('hex')}`, config: {} };
  for (const each of [key, stranger]) {
    const finding = await world.probe(each);
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('Settings, API keys');
  }
});

test('a key that may not read the account lacks a permission, which is named', async () => {
  const finding = await world.probe(world.issue({ scopes: 'campaigns:read' }));
  expect(finding).toMatchObject({ finding: 'insufficient' });
  expect(detailOf(finding)).toContain('Accounts');
});

test.each([
  ['Cloudflare’s challenge', 'settings.challenge', true],
  ['a rate limit', 'settings.retryAfter', 7],
])('%s says nothing about the key', async (_, setting, value) => {
  const key = world.issue();
  world.store.set(setting, value);
  expect(await world.probe(key)).toBeUndefined();
});

test('an answer without exactly one account is none', () => {
  for (const json of ['<html>', '""', '{}', '{"data":[]}', '{"data":[{"id":""}]}', '{"data":{}}'])
    expect(read(klaviyo, world.issue(), 200, json)).toBeUndefined();
});

test('what cannot be a private key is refused before anybody is asked', () => {
  const hex = randomBytes(17).toString('hex');
  const wrong = [
    '',
    hex,
    `pk_${hex}0`,
    `pk_${hex.toUpperCase()}x`,
    `pk_abc_${hex}`,
    `Bearer pk_${hex}`,
    `pk_${hex}\n`,
  ];
  for (const key of wrong) expect(fits(klaviyo.auth.key, key), key).toBe(false);
  expect(klaviyo.auth.refuse('AbC123')).toContain('public');
  expect(klaviyo.auth.refuse(`pk_${hex}`)).toBeUndefined();
});
