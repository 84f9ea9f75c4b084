import { beforeEach, describe, expect, test } from 'vitest';
import { readConfigFields } from '../../lib/config-fields.ts';
import { checkCallbackSignature } from '../../lib/oauth/callback-signature.ts';
import { shopify } from '../../providers/shopify.ts';
import { shopifyTokens, shopify as simulator } from '../world/providers/shopify.ts';
import { detailOf } from './probing.ts';
import { answer, made, type SigningIn, signingIn } from './signing-in.ts';

const { auth, revocation } = shopify;
const config = { shop: 'north-store.myshopify.com' };
const access = { credential: 't', config, client: { id: 'i', secret: 's', settings: {} } };
const refused = (status: number, errors: unknown, more = {}) => answer(status, { errors, ...more });
const graphql = (code: string) => [{ message: 'words', extensions: { code } }];

let world: SigningIn;
beforeEach(() => {
  world = signingIn(shopify, simulator);
});
const signIn = () => world.signIn({ config });
const probe = (credential: string) => world.probe({ credential, config });

test('signs in on the shop’s own host with a signed callback, for a token of an hour', async () => {
  const back = await world.comeBack({ config });
  const finding = (more = {}) => {
    const about = { client: world.client, config, now: Date.now(), ...more };
    return checkCallbackSignature(auth.callbackSignature, back.searchParams, about);
  };
  expect(await finding()).toEqual({ finding: 'signed' });
  expect(await finding({ now: Date.now() + 92_000 })).toEqual({ finding: 'not_signed' });
  const other = { finding: 'other_config', name: 'shop', value: config.shop };
  expect(await finding({ config: { shop: 'south-store.myshopify.com' } })).toEqual(other);
  const result = await world.exchange(back, config);
  expect(result).toEqual({
    tokens: {
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      expiresIn: expect.closeTo(3600, -1),
      refreshTokenExpiresIn: 7_776_000,
      scopes: auth.scopes,
      account: config.shop,
    },
  });
  const again = await world.exchange(back, config);
  expect(auth.clientErrors).not.toContain('error' in again && again.error);
});

test('shows the shop, and the scopes it gives now', async () => {
  const { accessToken } = await signIn();
  expect(await probe(accessToken)).toEqual({
    finding: 'works',
    account: { id: 'north-store.myshopify.com', name: 'North Store' },
    scopes: auth.scopes,
  });
});

test('another shop’s word is not believed', async () => {
  const shop = { id: 'gid://shopify/Shop/1', name: 'S', myshopifyDomain: 'south-store.myshopify.com' };
  const data = { shop, currentAppInstallation: { accessScopes: [] } };
  expect(await made(shopify.probe(access), answer(200, { data }))).toBeUndefined();
});

test('a write scope stands for the read scope beside it', () => {
  expect(auth.covers(['write_orders'], 'read_orders')).toBe(true);
  expect(auth.covers(['write_products', 'read_all_orders'], 'read_orders')).toBe(false);
});

describe('a refresh', () => {
  test('brings another pair, and can be asked for again until that is used', async () => {
    const first = await signIn();
    world.wait(3600);
    expect(await probe(first.accessToken)).toMatchObject({ finding: 'refused' });
    const second = await world.refresh(first.refreshToken ?? '', config);
    const repeated = await world.refresh(first.refreshToken ?? '', config);
    if (!('tokens' in second && 'tokens' in repeated)) throw new Error('not renewed');
    expect(auth.refresh.reuse).toBe('until_successor_used');
    expect(repeated.tokens.refreshToken).toBe(second.tokens.refreshToken);
    expect(await probe(repeated.tokens.accessToken)).toMatchObject({ finding: 'works' });
    await world.refresh(second.tokens.refreshToken ?? '', config);
    const dead = await world.refresh(first.refreshToken ?? '', config);
    expect(auth.refresh.dead).toContain('error' in dead && dead.error);
  });

  test('of a token that is over is told in either way', async () => {
    const { refreshToken = '' } = await signIn();
    world.wait(7_776_000);
    for (const setting of ['invalid_grant', 'invalid_request']) {
      world.store.set('settings.deadRefreshToken', setting);
      const dead = await world.refresh(refreshToken, config);
      expect(auth.refresh.dead, setting).toContain('error' in dead && dead.error);
    }
  });

  test('of a shop that removed the app, told as an invalid request, was tried for ever', async () => {
    const { accessToken, refreshToken = '' } = await signIn();
    world.store.set('settings.deadRefreshToken', 'invalid_request');
    expect(await world.end(revocation.grant, accessToken, { config })).toBe(true);
    const dead = await world.refresh(refreshToken, config);
    expect(auth.refresh.dead).toContain('error' in dead && dead.error);
  });

  test('that is wrongly made says nothing of the token', async () => {
    const wrong = { error: 'invalid_request', error_description: 'grant_type is missing' };
    const result = await made(auth.refresh.request({ ...access, token: 't' }), answer(400, wrong));
    expect(auth.refresh.dead).not.toContain('error' in result && result.error);
  });

  test.each([{}, { refresh_token: '' }, { refresh_token: 'r', expires_in: 'soon' }])(
    'that does not say when the token ends brought one without an end: %o',
    async (more) => {
      const renewed = answer(200, { access_token: 'a', scope: 'read_orders', ...more });
      expect(await made(auth.refresh.request({ ...access, token: 't' }), renewed)).toMatchObject({
        tokens: { accessToken: 'a', expiresIn: 3600 },
      });
    },
  );

  test('is refused with our client, which says nothing of the grant', async () => {
    const back = await world.comeBack({ config });
    const { refreshToken = '' } = await signIn();
    world.client.secret = 'another';
    for (const result of [await world.exchange(back, config), await world.refresh(refreshToken, config)]) {
      expect(auth.clientErrors).toContain('error' in result && result.error);
      expect(auth.refresh.dead).not.toContain('error' in result && result.error);
    }
  });

  test('answered by a page, or while Shopify is down, says nothing', async () => {
    for (const odd of [answer(404), answer(520), answer(200, [])])
      expect(await made(auth.refresh.request({ ...access, token: 't' }), odd)).toEqual({ unreadable: true });
  });
});

test('an app that was removed is refused, in words, and is gone twice', async () => {
  const { accessToken } = await signIn();
  expect(await world.end(revocation.grant, accessToken, { config })).toBe(true);
  expect(shopifyTokens(world.store)).toMatchObject([{ alive: false }]);
  const finding = await probe(accessToken);
  expect(finding).toMatchObject({ finding: 'refused' });
  expect(detailOf(finding)).toContain('Connect Shopify again');
  expect(await world.end(revocation.grant, accessToken, { config }), 'already gone').toBe(true);
});

test.each([402, 403, 404, 423, 429, 500])('an uninstall answered by %i has ended nothing', (status) => {
  expect(revocation.grant.ended(answer(status, { errors: 'words' }))).toBe(false);
});

test('a throttled shop, told at 200, was taken for an answer that cannot be read', async () => {
  const { accessToken } = await signIn();
  world.store.set('settings.throttled', true);
  expect(await probe(accessToken)).toEqual({ finding: 'limited', retryAfter: 1 });
  const throttleStatus = { maximumAvailable: 2000, currentlyAvailable: 20, restoreRate: 100 };
  const extensions = { cost: { requestedQueryCost: 1020, throttleStatus } };
  const throttled = refused(200, graphql('THROTTLED'), { extensions });
  expect(await made(shopify.probe(access), throttled)).toEqual({ finding: 'limited', retryAfter: 10 });
  expect(await made(shopify.probe(access), refused(200, graphql('THROTTLED')))).toEqual({
    finding: 'limited',
  });
});

test.each([
  [402, 'frozen'],
  [403, 'Shopify Support'],
  [423, 'locked'],
])('a shop closed by %i says why, and its token lives', async (status, words) => {
  const { accessToken } = await signIn();
  world.store.set('settings.closed', status);
  const finding = await probe(accessToken);
  expect(finding).toMatchObject({ finding: 'insufficient' });
  expect(detailOf(finding)).toContain(words);
  world.store.delete('settings.closed');
  expect(await probe(accessToken)).toMatchObject({ finding: 'works' });
});

test('a token without an end, which Shopify takes no more, was said to lack a permission', async () => {
  const { accessToken } = await signIn();
  const [key] = [`token/${accessToken}`];
  world.store.set(key, { ...world.store.get<object>(key), expiresAt: null });
  world.store.set('settings.publicApp', true);
  const finding = await probe(accessToken);
  expect(finding).toMatchObject({ finding: 'refused' });
  expect(detailOf(finding)).toContain('Connect Shopify again');
});

test('a refusal of GraphQL lacks a permission, and what else it lists says nothing', async () => {
  const ask = (...answers: Parameters<typeof refused>) => made(shopify.probe(access), refused(...answers));
  expect(await ask(200, graphql('ACCESS_DENIED'))).toEqual({ finding: 'insufficient' });
  expect(await ask(200, graphql('INTERNAL_SERVER_ERROR'))).toBeUndefined();
  expect(await ask(200, [{ message: 'Field is unknown' }])).toBeUndefined();
  expect(await ask(500, 'Internal Server Error')).toBeUndefined();
  expect(await ask(404, 'Not Found')).toBeUndefined();
  for (const page of [answer(403), answer(401), answer(402), answer(200)])
    expect(await made(shopify.probe(access), page)).toBeUndefined();
});

test.each(['North-Store.myshopify.com', 'north-store.myshopify.com'])('%s is one shop', (shop) => {
  expect(readConfigFields(shopify, { shop })).toEqual(config);
});
