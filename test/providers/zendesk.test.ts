import { beforeEach, describe, expect, test } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import { zendesk } from '../../providers/zendesk.ts';
import { zendesk as simulator, zendeskTokens } from '../world/providers/zendesk.ts';
import { detailOf, hold, type Key, type Probing, probing, sendTo } from './probing.ts';
import { answer, made } from './signing-in.ts';

const { grant } = zendesk.auth;
const ended = zendesk.revocation.grant;
const nobody = { id: '', secret: '', settings: {} };
const acme = { id: 'acme', name: 'acme.zendesk.com' };
const access = { credential: 't', config: { subdomain: 'acme', client_id: 'reeve' }, client: nobody };

let now: number;
let world: Probing;
beforeEach(() => {
  now = Date.UTC(2026, 10, 24);
  world = probing(zendesk, simulator, () => now);
});

describe('an OAuth client of one’s own', () => {
  const exchange = async (key: Key) => {
    const request = { key: key.api_key, config: key.config, assertion: '' };
    return (await hold(grant.request(request), (each) => sendTo(world.simulator, each))).result;
  };
  const tokenOf = async (key: Key): Promise<Key> => {
    const result = await exchange(key);
    if (!('tokens' in result)) throw new Error(JSON.stringify(result));
    return { ...key, api_key: result.tokens.accessToken };
  };
  const end = async ({ api_key, config }: Key) =>
    ended.ended(
      await sendTo(world.simulator, ended.request({ credential: api_key, config, client: nobody })),
    );

  test('gives a token of a day that reads, again and again', async () => {
    const key = world.issue({ kind: 'oauth_client' });
    expect(grant.applies(key.config)).toBe(true);
    expect(fits(zendesk.auth.key, key.api_key)).toBe(true);
    const result = await exchange(key);
    expect(result).toEqual({
      tokens: { accessToken: expect.any(String), expiresIn: 86_400, scopes: ['read'] },
    });
    const token = await tokenOf(key);
    expect(await world.probe(token)).toEqual({ finding: 'works', account: acme });
    now += 86_400_000;
    expect(await world.probe(token)).toMatchObject({ finding: 'refused' });
    expect(await world.probe(await tokenOf(key))).toMatchObject({ finding: 'works' });
  });

  test.each([
    ['another secret', {}, { api_key: 'a'.repeat(64) }, 'Copy both anew'],
    ['another identifier', {}, { config: { subdomain: 'acme', client_id: 'reeve_other' } }, 'Copy both anew'],
    ['another help desk', {}, { config: { subdomain: 'nowhere', client_id: 'r' } }, 'nowhere.zendesk.com'],
  ])('is dead with %s, in words', async (_, options, bent, words) => {
    const result = await exchange({ ...world.issue({ kind: 'oauth_client', ...options }), ...bent });
    expect(grant.dead).toContain('error' in result && result.error);
    expect('detail' in result && result.detail).toContain(words);
  });

  test('whose allowed scopes leave out read was told to try again', async () => {
    const result = await exchange(world.issue({ kind: 'oauth_client', allowedScopes: 'tickets:read write' }));
    expect(grant.dead).toContain('error' in result && result.error);
    expect('detail' in result && result.detail).toContain('allowed scopes');
  });

  test('that is no confidential one is told what to make', async () => {
    const request = grant.request({ key: 'k', config: access.config, assertion: '' });
    const result = await made(request, answer(400, { error: 'unauthorized_client' }));
    expect(grant.dead).toContain('error' in result && result.error);
    expect('detail' in result && result.detail).toContain('Confidential');
  });

  test('is not dead while Zendesk limits requests, or answers a page', async () => {
    const request = () => grant.request({ key: 'k', config: access.config, assertion: '' });
    for (const odd of [answer(429), answer(503), answer(200), answer(404)])
      expect(await made(request(), odd)).toEqual({ unreadable: true });
    const invalid = await made(request(), answer(400, { error: 'invalid_request' }));
    expect(grant.dead).not.toContain('error' in invalid && invalid.error);
  });

  test('whose user is no agent is refused, in words', async () => {
    const key = world.issue({ kind: 'oauth_client', email: 'buyer@acme.example', role: 'end-user' });
    const finding = await world.probe(await tokenOf(key));
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('Have an admin make the client');
  });

  test('loses a token that is ended, and can end it twice', async () => {
    const token = await tokenOf(world.issue({ kind: 'oauth_client' }));
    expect(await end(token)).toBe(true);
    expect(zendeskTokens(world.store)).toMatchObject([{ alive: false }]);
    const finding = await world.probe(token);
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('Connect Zendesk again');
    expect(await end(token), 'already gone').toBe(true);
  });

  test.each([403, 429, 500])('has lost nothing where that is answered by %i', (status) => {
    expect(ended.ended(answer(status, { error: 'Forbidden' }))).toBe(false);
  });

  test('alone is what we can end', () => {
    expect(zendesk.revocation.only).toBe('client_id');
    expect(zendesk.revocation.help).toContain('Admin Center');
  });
});

describe('an old API token', () => {
  test('works until its last day, and is not exchanged', async () => {
    const key = world.issue();
    expect(grant.applies(key.config)).toBe(false);
    expect(fits(zendesk.auth.key, key.api_key)).toBe(true);
    expect(await world.probe(key)).toEqual({
      finding: 'works',
      account: acme,
      endsAt: new Date('2027-04-30T00:00:00Z'),
    });
  });

  test.each(['', 'settings.anonymousOnBadCredentials'])(
    'that nobody knows is refused, in words that help (%s)',
    async (setting) => {
      if (setting) world.store.set(setting, true);
      const key = world.issue();
      const others = [
        { ...key, api_key: 'a'.repeat(40) },
        { ...key, config: { subdomain: 'acme', email: 'nobody@acme.example' } },
        { ...key, config: { subdomain: 'globex', email: 'agent@acme.example' } },
      ];
      now += 30 * 86_400_000;
      for (const each of [key, ...others]) {
        const finding = await world.probe(each);
        expect(finding).toMatchObject({ finding: 'refused' });
        expect(detailOf(finding)).toContain('30 days');
        expect(detailOf(finding)).toContain('OAuth client');
      }
    },
  );

  test.each([
    ['an end user’s', { email: 'buyer@acme.example', role: 'end-user' }],
    ['a suspended agent’s', { email: 'gone@acme.example', suspended: 'true' }],
  ])('%s is refused', async (_, options: Record<string, string>) => {
    expect(await world.probe(world.issue(options))).toMatchObject({ finding: 'refused' });
  });

  test('of a help desk that is not there is told', async () => {
    const { api_key } = world.issue();
    const finding = await world.probe({
      api_key,
      config: { subdomain: 'nowhere', email: 'agent@acme.example' },
    });
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('nowhere.zendesk.com');
  });
});

test('an agent who may not see tickets is told so, and the key lives', async () => {
  const agent = answer(200, { user: { id: 1, role: 'agent', suspended: false } });
  for (const error of [{ title: 'Forbidden', message: 'words' }, 'Forbidden']) {
    const finding = await made(zendesk.probe(access), agent, answer(403, { error }));
    expect(finding).toMatchObject({ finding: 'insufficient' });
    expect(detailOf(finding)).toContain('tickets');
  }
  expect(await made(zendesk.probe(access), agent, answer(500, {}))).toBeUndefined();
  expect(await made(zendesk.probe(access), agent, answer(403))).toBeUndefined();
});

test('a rate limit, which is plain text, a page and half a body are left to their status', async () => {
  world.store.set('settings.retryAfter', 17);
  expect(await world.ask(world.issue())).toEqual({ status: 429, finding: undefined });
  for (const odd of [answer(401), answer(404), answer(503), answer(200), answer(200, { user: {} })])
    expect(await made(zendesk.probe(access), odd)).toBeUndefined();
});

test('a help desk is known by either the client or the agent, not by both', () => {
  const config = { subdomain: 'acme', client_id: 'reeve', email: 'a@acme.example' };
  expect(() => readConfigFields(zendesk, config)).toThrow();
  expect(() => readConfigFields(zendesk, { subdomain: 'acme' })).toThrow();
  expect(readConfigFields(zendesk, { subdomain: 'acme', client_id: 'reeve' })).toEqual(access.config);
});
