import { beforeEach, describe, expect, test } from 'vitest';
import { missingScopes } from '../../lib/connections/scopes.ts';
import { tiktok } from '../../providers/tiktok.ts';
import { tiktok as simulator, tiktokTokens } from '../world/providers/tiktok.ts';
import { detailOf } from './probing.ts';
import { answer, made, type SigningIn, signingIn } from './signing-in.ts';

const { auth, revocation } = tiktok;
const access = { credential: 't', config: {}, client: { id: 'i', secret: 's', settings: {} } };
const agency = 'agency@globex.example';
const told = (code: number, data: unknown = {}) => answer(200, { code, message: 'words', data });
const exchanged = (code: number, data?: unknown) =>
  made(auth.exchange({ ...access, code: 'c', codeVerifier: undefined, redirectUri: 'r' }), told(code, data));

let world: SigningIn;
beforeEach(() => {
  world = signingIn(tiktok, simulator);
});

test('signs in by auth_code, for a token without an end, and shows the advertiser', async () => {
  const back = await world.comeBack();
  expect(back.searchParams.has('auth_code')).toBe(true);
  const result = await world.exchange(back);
  expect(result).toEqual({ tokens: { accessToken: expect.any(String), scopes: ['1', '2', '4', '44'] } });
  const { accessToken = '' } = 'tokens' in result ? result.tokens : {};
  world.wait(365 * 86_400);
  const account = { id: '7012345678901234567', name: 'Kettle Works' };
  expect(await world.probe({ credential: accessToken })).toEqual({ finding: 'works', account });
  expect(await world.exchange(back)).toEqual({ error: 'invalid_grant' });
});

test('of several advertisers the oldest is taken, and kept once it is', async () => {
  const { accessToken } = await world.signIn({ account: agency });
  const probe = async (pinned?: string) => world.probe({ credential: accessToken, pinned });
  expect(await probe()).toMatchObject({ account: { id: '7112345678901234561', name: 'Mugs' } });
  expect(await probe('7112345678901234569')).toMatchObject({ account: { name: 'Bowls' } });
  expect(await probe('7000000000000000000'), 'one that is gone').toMatchObject({ account: { name: 'Mugs' } });
});

test('a sign-in that reaches no advertiser lacks one', async () => {
  const { accessToken } = await world.signIn({ account: 'newcomer@initech.example' });
  const finding = await world.probe({ credential: accessToken });
  expect(finding).toMatchObject({ finding: 'insufficient' });
  expect(detailOf(finding)).toContain('no advertiser account');
});

test('access that was taken away is refused, in words, and ends twice', async () => {
  const { accessToken } = await world.signIn();
  expect(await world.end(revocation.grant, accessToken)).toBe(true);
  expect(tiktokTokens(world.store)).toMatchObject([{ alive: false }]);
  const finding = await world.probe({ credential: accessToken });
  expect(finding).toMatchObject({ finding: 'refused' });
  expect(detailOf(finding)).toContain('Connect TikTok Ads again');
  expect(await world.end(revocation.grant, accessToken), 'already gone').toBe(true);
});

describe('permissions', () => {
  const lacking = (...scopes: string[]) => missingScopes(tiktok, { scopes, missing: [] });

  test('no more than reading is needed, and what stands above it in the tree covers it', () => {
    expect(lacking('100', '200', '44'), 'the least, which was told as lacking Campaign').toEqual([]);
    expect(lacking('1', '2', '4')).toEqual([]);
    expect(lacking('10', '20', '44')).toEqual([]);
    expect(lacking('1', '2')).toEqual(['44']);
    expect(lacking('100', '201', '44')).toEqual(['200']);
    expect(lacking('10000', '2000', '440', '')).toEqual(['100', '200', '44']);
  });

  test('of the least the probe works, without the right to read accounts it lacks one', async () => {
    world.store.set('settings.scope', [100, 200, 44]);
    const { accessToken } = await world.signIn();
    expect(await world.probe({ credential: accessToken })).toMatchObject({ finding: 'works' });
    world.store.set('settings.scope', [200, 44]);
    const finding = await world.probe({ credential: accessToken });
    expect(finding).toMatchObject({ finding: 'insufficient' });
    expect(detailOf(finding)).toContain('Connect again');
  });
});

describe('our app', () => {
  test.each([{ id: 'unknown' }, { secret: 'another' }])(
    'is refused by %o, which says nothing of the token',
    async (bent) => {
      const back = await world.comeBack();
      const { accessToken } = await world.signIn();
      Object.assign(world.client, bent);
      expect(await world.probe({ credential: accessToken })).toMatchObject({ finding: 'client_refused' });
      const result = await world.exchange(back);
      expect(auth.clientErrors).toContain('error' in result && result.error);
      expect(await world.end(revocation.grant, accessToken)).toBe(false);
    },
  );

  test('is blocked, which says nothing of the token', async () => {
    const { accessToken } = await world.signIn();
    world.store.set('settings.appBlocked', true);
    expect(await world.probe({ credential: accessToken })).toEqual({
      finding: 'client_refused',
      reason: 'code 40113',
    });
    expect(await world.end(revocation.grant, accessToken)).toBe(false);
  });

  test.each([40_101, 40_113, 40_118, 40_124, 40_125, 41_000])(
    'is refused by %i, and so is not the token',
    async (code) => {
      expect(await made(tiktok.probe(access), told(code))).toMatchObject({ finding: 'client_refused' });
    },
  );
});

test.each([40_016, 40_100, 40_132, 40_133])('%i at 200 is too many requests', async (code) => {
  expect(await made(tiktok.probe(access), told(code))).toEqual({ finding: 'limited' });
  expect(await exchanged(code)).toEqual({ limited: undefined });
  expect(revocation.grant.ended(told(code))).toBe(false);
});

test('a throttled app ends nothing and says nothing of the token', async () => {
  const { accessToken } = await world.signIn();
  world.store.set('settings.throttled', true);
  expect(await world.probe({ credential: accessToken })).toEqual({ finding: 'limited' });
  expect(await world.end(revocation.grant, accessToken)).toBe(false);
});

test.each([40_102, 40_105])('%i is a token that is over', async (code) => {
  expect(await made(tiktok.probe(access), told(code))).toMatchObject({ finding: 'refused' });
  expect(revocation.grant.ended(told(code))).toBe(true);
});

test.each([40_002, 40_104, 50_000, 50_002, 51_305, 60_001, 20_001])(
  '%i says nothing of the token, and ends nothing',
  async (code) => {
    expect(await made(tiktok.probe(access), told(code))).toBeUndefined();
    expect(await exchanged(code)).toEqual({ error: `code_${code}` });
    expect(revocation.grant.ended(told(code))).toBe(false);
  },
);

test.each([40_110, 40_115])('%i is a code that is over', async (code) => {
  expect(await exchanged(code)).toEqual({ error: 'invalid_grant' });
});

test('what is no envelope is left to its status', async () => {
  for (const odd of [answer(404), answer(500, {}), answer(200, []), answer(200, { code: '0' })]) {
    expect(await made(tiktok.probe(access), odd)).toBeUndefined();
    expect(revocation.grant.ended(odd)).toBe(false);
  }
});

test('an advertiser’s id that is no number made the probe throw', async () => {
  const list = [{ advertiser_id: 'seven' }, { advertiser_id: '7112345678901234561' }];
  expect(await made(tiktok.probe(access), told(0, { list }))).toBeUndefined();
});

test('ids past 2^53 are told apart, whether they come as numbers or as text', async () => {
  // As lib reads them: what is no exact number any more comes as its digits.
  const list = [{ advertiser_id: '7112345678901234563' }, { advertiser_id: '7112345678901234561' }];
  expect(await made(tiktok.probe(access), told(0, { list }))).toMatchObject({
    account: { id: '7112345678901234561', name: null },
  });
  expect(await made(tiktok.probe(access), told(0, { list: [{ advertiser_id: 7112 }] }))).toMatchObject({
    account: { id: '7112' },
  });
});

test('odd scopes beside a good token do not lose it', async () => {
  for (const scope of ['1,2', null, [{}]])
    expect(await exchanged(0, { access_token: 't', scope })).toEqual({ tokens: { accessToken: 't' } });
  expect(await exchanged(0, { access_token: '' })).toEqual({ unreadable: true });
});
