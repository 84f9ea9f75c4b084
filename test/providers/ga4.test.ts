import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import { signAssertion } from '../../lib/oauth/assertion.ts';
import { ga4 } from '../../providers/ga4.ts';
import type { HttpRequest } from '../../providers/provider.ts';
import {
  deleteGa4Account,
  deleteGa4Key,
  disableGa4Key,
  removeGa4Access,
  ga4 as simulated,
} from '../world/providers/ga4.ts';
import type { IssuedKey } from '../world/simulator.ts';
import { detailOf, hold, type Probing, probing, sendTo } from './probing.ts';
import { answer, made } from './signing-in.ts';

const HOUR = 3_600_000;
const { grant } = ga4.auth;

// Making keys takes long: one world for all, with a property of its own for whoever bends one.
let clock = Date.now();
let world: Probing;
let key: IssuedKey;
beforeAll(() => {
  world = probing(ga4, simulated, () => clock);
});
beforeEach(() => {
  clock = Date.now();
  key = world.issue();
});

const kept = (text: string) => ga4.auth.key.normalize(text.trim());
const file = (issued = key) => JSON.parse(issued.api_key) as Record<string, string>;
const changed = (change: Record<string, unknown>) => JSON.stringify({ ...file(), ...change });

/** The key for an access token, at the simulator; `by` is the time by our clock. */
async function exchange(text: string, by = clock, sent: HttpRequest[] = []) {
  const assertion = await signAssertion(grant.assertion(kept(text)), by);
  if (assertion === undefined) throw new Error('unreadable');
  const { result } = await hold(grant.request({ key: '', config: {}, assertion }), (request) => {
    sent.push(request);
    return sendTo(world.simulator, request);
  });
  return result;
}

async function tokenOf(text: string): Promise<string> {
  const result = await exchange(text);
  if (!('tokens' in result)) throw new Error(JSON.stringify(result));
  return result.tokens.accessToken;
}

const probeOf = async (issued: IssuedKey, config = issued.config) =>
  world.probe({ api_key: await tokenOf(issued.api_key), config });
const probeBy = (...answers: Parameters<typeof made>[1][]) =>
  made(
    ga4.probe({
      credential: 'ya29.',
      config: { property_id: '7' },
      client: { id: '', secret: '', settings: {} },
    }),
    ...answers,
  );
const metadata = answer(200, { name: 'properties/7/metadata', dimensions: [], metrics: [] });
const refusal = (status: number, message = 'm', details?: unknown) =>
  answer(status, { error: { code: status, message, status: 'S', details } });

describe('a key', () => {
  test('becomes an access token of an hour, which shows the property', async () => {
    const result = await exchange(key.api_key);
    expect(result).toEqual({ tokens: { accessToken: expect.stringMatching(/^ya29\./), expiresIn: 3599 } });
    expect(await probeOf(key)).toEqual({ finding: 'works', account: key.account });
  });

  test('is asked for no more than reading, at Google’s own address, whatever address it names', async () => {
    const evil = { token_uri: 'https://evil.example/token', auth_uri: 'http://169.254.169.254/' };
    const sent: HttpRequest[] = [];
    expect(await exchange(changed(evil), clock, sent)).toMatchObject({ tokens: {} });
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST https://oauth2.googleapis.com/token',
    ]);
    const { claims, lifetime } = grant.assertion(kept(changed(evil)));
    expect(claims).toEqual({
      iss: file().client_email,
      scope: 'https://www.googleapis.com/auth/analytics.readonly',
      aud: 'https://oauth2.googleapis.com/token',
    });
    expect(lifetime).toBe(3600);
    expect(kept(changed(evil))).not.toContain('evil.example');
  });

  test('is kept without what is not needed of it, the same whatever stood around it', () => {
    expect(Object.keys(JSON.parse(kept(key.api_key))).sort()).toEqual([
      'client_email',
      'private_key',
      'private_key_id',
      'project_id',
    ]);
    const shuffled = JSON.stringify(Object.fromEntries(Object.entries(file()).reverse()));
    for (const text of [
      shuffled,
      `\uFEFF ${key.api_key}\r\n`,
      changed({ client_id: '1' }),
      kept(key.api_key),
    ])
      expect(kept(text)).toBe(kept(key.api_key));
  });

  test('whose line ends were written out works all the same', async () => {
    const { private_key = '' } = file();
    for (const pem of [private_key.replaceAll('\n', '\\n'), private_key.replaceAll('\n', '\r\n')]) {
      expect(ga4.auth.refuse(changed({ private_key: pem }))).toBeUndefined();
      expect(await exchange(changed({ private_key: pem }))).toMatchObject({ tokens: {} });
    }
  });

  test.each<[string, (text: string) => void]>([
    ['was deleted', (text) => deleteGa4Key(world.store, text)],
    ['was disabled', (text) => disableGa4Key(world.store, text)],
    ['was of an account that is deleted', (text) => deleteGa4Account(world.store, text)],
  ])('that %s is dead, and another is to be made', async (_, end) => {
    end(key.api_key);
    const result = await exchange(key.api_key);
    expect(result).toEqual({ error: expect.any(String), detail: expect.stringContaining('Add key') });
    expect(grant.dead).toContain('error' in result && result.error);
  });

  test('of another account than its e-mail names is dead', async () => {
    const result = await exchange(changed({ client_email: file(world.issue()).client_email }));
    expect(result).toMatchObject({ error: 'invalid_grant' });
  });

  test.each([2 * HOUR, -2 * HOUR])('is not dead because our clock is wrong (by %i ms)', async (skew) => {
    const result = await exchange(key.api_key, clock + skew);
    expect(result).toEqual({ error: 'assertion_out_of_time' });
    expect(grant.dead).not.toContain('assertion_out_of_time');
  });

  test.each<[string, number, unknown]>([
    ['a page', 200, undefined],
    ['an id token alone', 200, { id_token: 'e.y.J' }],
    ['a throttle', 429, {}],
    ['a fault', 503, { error: { code: 503 } }],
  ])('%s for an answer says nothing', async (_, status, json) => {
    expect(
      await made(grant.request({ key: '', config: {}, assertion: 'a.b.c' }), answer(status, json)),
    ).toEqual({
      unreadable: true,
    });
  });

  test.each(['invalid_request', 'invalid_scope', 'unsupported_grant_type', 'internal_failure'])(
    '%s is no fault of a key',
    (error) => {
      expect(grant.dead).not.toContain(error);
    },
  );
});

describe('the probe', () => {
  test('a service account that was not added, and one that was removed, is told where to be added', async () => {
    const added = world.issue();
    removeGa4Access(world.store, added.api_key);
    for (const each of [world.issue({ access: 'none' }), added]) {
      const finding = await probeOf(each);
      expect(finding).toMatchObject({ finding: 'insufficient' });
      expect(detailOf(finding)).toContain('Property access management');
      expect(detailOf(finding)).toContain('client_email');
    }
  });

  test('another’s property, and one that is not there, is a closed one', async () => {
    for (const property_id of ['444000333', '999999999'])
      expect(detailOf(await probeOf(key, { property_id }))).toContain(
        `may not see the property ${property_id}`,
      );
  });

  test('the API that is not enabled is told with the page that enables it, in its own project', async () => {
    const finding = await probeOf(world.issue({ data_api: 'off' }));
    expect(finding).toMatchObject({ finding: 'insufficient' });
    expect(detailOf(finding)).toMatch(
      /console\.cloud\.google\.com\/apis\/library\/analyticsdata\.googleapis\.com\?project=\d{12},/,
    );
  });

  test('the API that is not enabled is told by its words, where the answer has no details', async () => {
    const message = 'Google Analytics Data API has not been used in project 12345 before or it is disabled.';
    for (const details of [undefined, [], 'x']) {
      expect(detailOf(await probeBy(refusal(403, message, details)))).toContain('?project=12345');
    }
    const reason = [{ '@type': 't', reason: 'SERVICE_DISABLED' }, { links: [] }];
    expect(detailOf(await probeBy(refusal(403, 'm', reason)))).toContain(
      'analyticsdata.googleapis.com, wait',
    );
  });

  test.each(['CONSUMER_SUSPENDED', 'CONSUMER_INVALID', 'USER_PROJECT_DENIED'])(
    '%s is about the project, and does not send anybody to the property’s access',
    async (reason) => {
      const finding = await probeBy(refusal(403, 'm', [{ reason }]));
      expect(finding).toMatchObject({ finding: 'insufficient' });
      expect(detailOf(finding)).toContain('project in the Google Cloud console');
      expect(detailOf(finding)).not.toContain('Property access management');
    },
  );

  test('a measurement ID in place of the property is refused by its form, and by Google', async () => {
    for (const property_id of [
      'G-ABC123DEF4',
      'UA-12345-1',
      'GTM-ABCD',
      '0',
      '0123',
      '',
      '１２３',
      '123/../1',
      '1'.repeat(20),
    ])
      expect(() => readConfigFields(ga4, { property_id }), property_id).toThrow(
        expect.objectContaining({ code: 'invalid_request', detail: expect.stringContaining('G-') }),
      );
    const finding = await probeBy(refusal(400, 'Invalid property ID: G-7.'));
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('Check the Property ID');
  });

  test.each(['123456789', ' 123456789\n', 'properties/123456789'])(
    'the Property ID %j is read',
    (property_id) => {
      expect(readConfigFields(ga4, { property_id })).toEqual({ property_id: '123456789' });
    },
  );

  test('an access token that is over is refused with what to make', async () => {
    const api_key = await tokenOf(key.api_key);
    clock += HOUR;
    const finding = await world.probe({ api_key, config: key.config });
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('Create new key');
  });

  test('a quota that is used up, a fault, a page and half a body say nothing', async () => {
    const own = world.issue({ property: '5550001' });
    world.store.set('settings.tokensPerHour', 0);
    expect(await probeOf(own)).toBeUndefined();
    world.store.delete('settings.tokensPerHour');
    for (const given of [
      answer(200),
      answer(200, []),
      answer(200, { name: 'properties/8/metadata' }),
      answer(403),
      answer(401),
    ])
      expect(await probeBy(given)).toBeUndefined();
    for (const status of [404, 429, 500, 503]) expect(await probeBy(refusal(status))).toBeUndefined();
  });

  test('a property that the Admin API may not name has its number for a name', async () => {
    const off = world.issue({ admin_api: 'off' });
    expect(await probeOf(off)).toEqual({
      finding: 'works',
      account: { id: 'properties/333000111', name: 'GA4 property 333000111' },
    });
  });

  test('a throttle of the Admin API takes no property’s name away', async () => {
    for (const given of [answer(429, {}), answer(503), answer(200), answer(404)])
      expect(await probeBy(metadata, given)).toEqual({
        finding: 'works',
        account: { id: 'properties/7', name: null },
      });
  });
});

describe('what is pasted instead of a key', () => {
  const rsa = (type: 'pkcs1' | 'pkcs8') =>
    generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type, format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }).privateKey;

  test.each<[string, () => string, string]>([
    ['nothing', () => '', 'whole key file'],
    ['words', () => 'my key', 'whole key file'],
    ['the private key alone', () => file().private_key ?? '', 'whole key file'],
    ['half the file', () => key.api_key.slice(0, 900), 'whole key file'],
    ['a list', () => `[${key.api_key}]`, 'whole key file'],
    ['a number', () => '7', 'whole key file'],
    [
      'an OAuth client',
      () => JSON.stringify({ web: { client_id: 'x', client_secret: 'y' } }),
      'something else',
    ],
    [
      'a person’s credentials',
      () => changed({ type: 'authorized_user', refresh_token: 'x' }),
      'something else',
    ],
    ['a workload identity', () => changed({ type: 'external_account' }), 'something else'],
    ['a Firebase app', () => JSON.stringify({ project_info: { project_id: 'p' } }), 'something else'],
    ['an empty object', () => '{}', 'something else'],
    ['a key of another cloud', () => changed({ universe_domain: 'evil.example' }), 'another cloud'],
    ['no e-mail', () => changed({ client_email: undefined }), 'client_email'],
    ['an e-mail of no service account', () => changed({ client_email: 'me@acme.example' }), 'client_email'],
    [
      'an e-mail with more behind',
      () => changed({ client_email: 'a@b.gserviceaccount.com.evil.example' }),
      'client_email',
    ],
    ['no private key', () => changed({ private_key: undefined }), 'private_key'],
    ['no key id', () => changed({ private_key_id: '' }), 'private_key_id'],
    ['an odd key id', () => changed({ private_key_id: 'a\r\nb' }), 'private_key_id'],
    ['an odd project', () => changed({ project_id: '../x' }), 'project_id'],
    [
      'half a private key',
      () => changed({ private_key: (file().private_key ?? '').slice(0, 200) }),
      'cut off or changed',
    ],
    ['a private key of an older form', () => changed({ private_key: rsa('pkcs1') }), 'cut off or changed'],
  ])('%s is told apart, and where a key is made', (_, make, words) => {
    const text = make();
    const said = ga4.auth.refuse(text.trim());
    expect(said).toContain(words);
    if (words !== 'another cloud') expect(said).toContain('IAM & Admin, Service Accounts');
    for (const secret of [file().private_key ?? '-', 'evil.example', 'acme.example'])
      expect(said).not.toContain(secret);
  });

  test('a private key with a damaged middle cannot be signed with', async () => {
    const damaged = (file().private_key ?? '').replace(/\n[^\n-]{20}/, '\n!!!!!!!!!!!!!!!!!!!!');
    expect(ga4.auth.refuse(changed({ private_key: damaged }))).toBeUndefined();
    expect(
      await signAssertion(grant.assertion(kept(changed({ private_key: damaged }))), clock),
    ).toBeUndefined();
  });

  test('a file as it is downloaded is none of these', () => {
    expect(ga4.auth.refuse(key.api_key.trim())).toBeUndefined();
    expect(fits(ga4.auth.key, key.api_key.trim())).toBe(true);
    expect(fits(ga4.auth.key, `{${'x'.repeat(17_000)}}`)).toBe(false);
  });
});

test('the catalogue says where to click, for the key, the property and the end of both', () => {
  const [property] = ga4.config;
  expect(property?.help).toContain('Admin, Property details');
  for (const words of [
    'Service Accounts, Keys, Add key',
    'Enable the Google Analytics Data API',
    'as Viewer',
  ])
    expect(ga4.auth.key.help).toContain(words);
  expect(ga4.revocation.unsupported).toContain('Delete the key');
});
