import { beforeEach, describe, expect, test } from 'vitest';
import { github, githubApp } from '../../providers/github.ts';
import { githubAppSettings, githubTokens, github as simulator } from '../world/providers/github.ts';
import { detailOf } from './probing.ts';
import { answer, made, type SigningIn, signingIn } from './signing-in.ts';

const appSettings = { APP_ID: githubAppSettings.APP_ID?.() ?? '' };
const ways = [
  { way: 'an OAuth App', provider: github, settings: {}, prefix: 'gho_' },
  { way: 'a GitHub App', provider: githubApp, settings: appSettings, prefix: 'ghu_' },
];
const octocat = { id: '583231', name: 'octocat' };
const access = { credential: 'gho_x', config: {}, client: { id: 'i', secret: 's', settings: {} } };
const refused = (status: number, message: string, headers = {}) => answer(status, { message }, headers);

describe.each(ways)('GitHub as $way', ({ provider, settings, prefix }) => {
  const { auth } = provider;
  let world: SigningIn;
  beforeEach(() => {
    world = signingIn(provider, simulator, settings);
  });

  test('signs in, and tells the issuer and whose account it is', async () => {
    const back = await world.comeBack();
    expect(back.searchParams.get('iss')).toBe(auth.issuer);
    const result = await world.exchange(back);
    expect(result).toMatchObject({ tokens: { accessToken: expect.stringContaining(prefix) } });
    const { accessToken = '' } = 'tokens' in result ? result.tokens : {};
    expect(await world.probe({ credential: accessToken })).toMatchObject({
      finding: 'works',
      account: octocat,
    });
    expect(await world.exchange(back)).toEqual({ error: 'bad_verification_code' });
  });

  test('renews tokens that end, each refresh token once', async () => {
    world.store.set('settings.expiring', true);
    const first = await world.signIn();
    expect(first).toMatchObject({ expiresIn: 28_800, refreshTokenExpiresIn: 15_897_600 });
    world.wait(28_800);
    expect(await world.probe({ credential: first.accessToken })).toMatchObject({ finding: 'refused' });
    const second = await world.refresh(first.refreshToken ?? '');
    if (!('tokens' in second)) throw new Error('not renewed');
    expect(second.tokens).toMatchObject({ expiresIn: 28_800, refreshToken: expect.any(String) });
    expect(await world.probe({ credential: second.tokens.accessToken })).toMatchObject({ finding: 'works' });
    const again = await world.refresh(first.refreshToken ?? '');
    expect(auth.refresh).toMatchObject({ reuse: 'never', dead: ['error' in again && again.error] });
  });

  test.each([
    ['its id', { id: 'unknown' }],
    ['its secret', { secret: 'another' }],
  ])('refuses our client by %s, which says nothing of the grant', async (_, bent) => {
    world.store.set('settings.expiring', true);
    const back = await world.comeBack();
    const { refreshToken = '' } = await world.signIn();
    Object.assign(world.client, bent);
    for (const result of [await world.exchange(back), await world.refresh(refreshToken)]) {
      expect(auth.clientErrors).toContain('error' in result && result.error);
      expect(auth.refresh.dead).not.toContain('error' in result && result.error);
    }
  });

  test('an access that was taken away is refused, in words', async () => {
    const { accessToken } = await world.signIn();
    expect(await world.end(provider.revocation.grant, accessToken)).toBe(true);
    const finding = await world.probe({ credential: accessToken });
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('Connect GitHub again');
    expect(await world.end(provider.revocation.grant, accessToken), 'already gone').toBe(true);
  });

  test('one token is ended alone, or all of the grant', async () => {
    const [one, other, third] = [await world.signIn(), await world.signIn(), await world.signIn()];
    const alive = () => githubTokens(world.store).map((token) => token.alive);
    expect(await world.end(provider.revocation.token, one.accessToken)).toBe(true);
    expect(await world.end(provider.revocation.token, one.accessToken), 'already gone').toBe(true);
    expect(alive()).toEqual([false, true, true]);
    expect(await world.end(provider.revocation.grant, other.accessToken)).toBe(true);
    expect(alive()).toEqual([false, false, false]);
    expect(await world.end(provider.revocation.token, third.accessToken), 'already gone').toBe(true);
  });

  test('nothing has ended where our client is refused or limited', async () => {
    const { accessToken } = await world.signIn();
    world.client.secret = 'another';
    expect(await world.end(provider.revocation.grant, accessToken)).toBe(false);
    expect(provider.revocation.grant.ended(refused(403, 'API rate limit exceeded'))).toBe(false);
    expect(provider.revocation.grant.ended(answer(429))).toBe(false);
  });

  test('a spent hourly limit, which GitHub tells by 403, was taken for a missing permission', async () => {
    const { accessToken } = await world.signIn();
    world.store.set('settings.rateLimit', 2);
    let finding = await world.probe({ credential: accessToken });
    while (finding?.finding === 'works') finding = await world.probe({ credential: accessToken });
    expect(finding).toEqual({ finding: 'limited', retryAfter: expect.any(Number) });
    const { retryAfter = 0 } = finding?.finding === 'limited' ? finding : {};
    expect(retryAfter).toBeGreaterThan(3_500);
    expect(retryAfter).toBeLessThanOrEqual(3_602);
  });

  test('a secondary limit says how long to wait', async () => {
    const { accessToken } = await world.signIn();
    world.store.set('settings.retryAfter', 9);
    expect(await world.probe({ credential: accessToken })).toEqual({ finding: 'limited', retryAfter: 9 });
  });

  test.each([
    [403, 'You have exceeded a secondary rate limit.', {}, {}],
    [403, 'You have triggered an abuse detection mechanism.', { 'retry-after': '30' }, { retryAfter: 30 }],
    [403, 'Maximum number of login attempts exceeded. Please try again later.', {}, {}],
    [403, 'API rate limit exceeded', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'soon' }, {}],
    [429, 'Too many', { 'retry-after': 'Wed, 25 Nov 2026 00:00:00 GMT' }, {}],
  ])('%i %s says nothing of the token', async (status, message, headers, wait) => {
    expect(await made(provider.probe(access), refused(status, message, headers))).toEqual({
      finding: 'limited',
      ...wait,
    });
  });

  test('a suspended account was taken for a missing permission', async () => {
    const { accessToken } = await world.signIn();
    world.store.set('settings.suspendedUsers', ['octocat']);
    const finding = await world.probe({ credential: accessToken });
    expect(finding).toMatchObject({ finding: 'refused' });
    expect(detailOf(finding)).toContain('GitHub Support');
  });

  test('what is no answer of the API is left to its status', async () => {
    for (const odd of [answer(500, { message: 'x' }), answer(403), answer(401), answer(200, []), answer(404)])
      expect(await made(provider.probe(access), odd)).toBeUndefined();
    expect(await made(provider.probe(access), answer(200, { id: '1', login: 'a' }))).toBeUndefined();
    expect(await made(auth.refresh.request({ ...access, token: 't' }), answer(200, '<html>'))).toEqual({
      unreadable: true,
    });
  });
});

test('a redirect URI that is not registered is our own fault', async () => {
  const code = { code: 'c', codeVerifier: 'v', redirectUri: 'https://other.example/' };
  const exchange = github.auth.exchange({ ...access, ...code });
  const result = await made(exchange, answer(200, { error: 'redirect_uri_mismatch' }));
  expect(github.auth.clientErrors).toContain('error' in result && result.error);
});

test('an OAuth App’s scopes are those of the token, as GitHub tells them now', async () => {
  const world = signingIn(github, simulator);
  const full = await world.signIn();
  expect(full.scopes).toEqual(['repo']);
  expect(await world.probe({ credential: full.accessToken })).toMatchObject({ scopes: ['repo'] });
  const none = await world.signIn({ account: 'hubot', scopes: [] });
  expect(await world.probe({ credential: none.accessToken })).toMatchObject({
    finding: 'works',
    account: { name: 'hubot' },
    scopes: [],
  });
});
