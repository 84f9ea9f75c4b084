import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { meta } from '../../providers/meta.ts';
import type { HttpRequest } from '../../providers/provider.ts';
import { endMetaTokens, foreignMetaToken, metaTokens, meta as simulated } from '../world/providers/meta.ts';
import { hold, sendTo } from './probing.ts';
import { answer, made, type SigningIn, signingIn } from './signing-in.ts';

const NORA = { id: '10230948571230981', name: 'Nora Lind' };
const DAY = 86_400;
const CALLBACK = 'https://connect.example/callback';

let world: SigningIn;
beforeEach(() => {
  world = signingIn(meta, simulated);
});

const set = (name: string, value: unknown) => world.store.set(`settings.${name}`, value);
const signIn = async () => (await world.signIn()).accessToken;
const grant = () => ({ client: world.client, token: 'EAA', config: {} });
const access = () => ({ client: world.client, credential: 'EAA', config: {} });
const error = (code: number, message = '', status = 400, headers = {}) =>
  answer(status, { error: { message, type: 'OAuthException', code, fbtrace_id: 'A' } }, headers);
/** What debug_token says of a living token of ours. */
const inspection = (data: object = {}) =>
  answer(200, { data: { app_id: world.client.id, is_valid: true, user_id: '1', ...data } });
const person = (body: object = {}) => answer(200, { id: '1', name: 'N', ...body });
const granted = () => answer(200, { data: [{ permission: 'ads_read', status: 'granted' }] });
const REFUSED = { finding: 'refused', detail: expect.stringContaining('Connect Meta Ads again') };

describe('signing in', () => {
  test('asks for the one permission that reading takes, and again for what was left unticked', async () => {
    const declined = await world.signIn({ scopes: [] });
    expect(await world.probe({ credential: declined.accessToken })).toMatchObject({
      scopes: ['public_profile'],
    });
    const given = await world.signIn();
    expect(await world.probe({ credential: given.accessToken })).toMatchObject({
      finding: 'works',
      account: NORA,
      scopes: expect.arrayContaining(['ads_read']),
    });
  });

  test('makes a token of 60 days out of that of an hour or two', async () => {
    const { accessToken, expiresIn, refreshToken } = await world.signIn();
    expect(expiresIn).toBeGreaterThan(59 * DAY);
    expect(refreshToken).toBeUndefined();
    expect(metaTokens(world.store).map(({ longLived }) => longLived)).toEqual([false, true]);
    expect(metaTokens(world.store).at(-1)?.token).toBe(accessToken);
  });

  test.each(['longLivedAtOnce', 'noExpiry'])('leaves a token that lasts alone (%s)', async (setting) => {
    set(setting, true);
    await world.signIn();
    expect(metaTokens(world.store)).toHaveLength(1);
  });

  test('has an end within 60 days, or of access to data in 90 where the token has none', async () => {
    const days = async () => {
      const finding = await world.probe({ credential: await signIn() });
      if (finding?.finding !== 'works' || !finding.endsAt) throw new Error('no end');
      return (finding.endsAt.getTime() - Date.now()) / 86_400_000;
    };
    expect(await days()).toBeCloseTo(60, 0);
    set('noExpiry', true);
    expect(await days()).toBeCloseTo(90, 0);
  });

  test('the secret of the app and the tokens stand in no URL, but for the documented question about a token', async () => {
    const sent: HttpRequest[] = [];
    const send = (request: HttpRequest) => {
      sent.push(request);
      return sendTo(world.simulator, request);
    };
    const { client } = world;
    const code = (await world.comeBack()).searchParams.get('code') ?? '';
    const exchange = { client, code, codeVerifier: undefined, redirectUri: CALLBACK, config: {} };
    const { result } = await hold(meta.auth.exchange(exchange), send);
    const credential = 'tokens' in result ? result.tokens.accessToken : '';
    await hold(meta.auth.refresh.request({ client, token: credential }), send);
    await hold(meta.probe({ client, credential, config: {} }), send);
    await send(meta.revocation.grant.request({ client, credential, config: {} }));
    expect(sent).toHaveLength(7);
    for (const { url } of sent) {
      expect(decodeURIComponent(url)).not.toContain(code);
      if (url.includes('/debug_token?')) continue;
      expect(url).not.toContain(client.secret);
      expect(url).not.toContain(credential);
    }
  });

  test('a code works once, and a code that is none is no fault of ours', async () => {
    const back = await world.comeBack();
    expect(await world.exchange(back)).toMatchObject({ tokens: {} });
    expect(await world.exchange(back)).toEqual({ error: 'code_100' });
    back.searchParams.set('code', 'nobodys');
    expect(await world.exchange(back)).toEqual({ error: 'code_100' });
  });

  test.each([
    ['another secret', { secret: 'other' }],
    ['another id', { id: 'other' }],
  ])('with %s our own client is refused', async (_, bent) => {
    const back = await world.comeBack();
    Object.assign(world.client, bent);
    const result = await world.exchange(back);
    expect(result).toEqual({ error: 'invalid_client' });
    expect(meta.auth.clientErrors).toContain('invalid_client');
  });

  test('an address that is not registered is our fault', async () => {
    const exchange = () =>
      meta.auth.exchange({
        client: world.client,
        code: 'c',
        codeVerifier: undefined,
        redirectUri: 'r',
        config: {},
      });
    const advice =
      'Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request';
    for (const given of [error(191, 'Missing redirect_uri parameter.'), error(100, advice)]) {
      const result = await made(exchange(), given);
      expect(meta.auth.clientErrors).toContain('error' in result ? result.error : '');
    }
  });
});

describe('making a token last', () => {
  test('gives the same again or a longer one, and ends with the token', async () => {
    const token = await signIn();
    world.wait(20 * DAY);
    const same = await world.refresh(token);
    expect(same).toMatchObject({ tokens: { accessToken: token } });
    expect('tokens' in same && same.tokens.expiresIn).toBeLessThan(40 * DAY);
    set('exchangeExtends', true);
    const longer = await world.refresh(token);
    expect('tokens' in longer && longer.tokens.expiresIn).toBeGreaterThan(59 * DAY);
    world.wait(40 * DAY);
    expect(await world.refresh(token)).toEqual({ error: 'invalid_grant' });
  });

  test.each([458, 459, 460, 464, 467] as const)('a token that ended by %i is dead', async (ending) => {
    const token = await signIn();
    endMetaTokens(world.store, ending);
    expect(await world.refresh(token)).toEqual({ error: 'invalid_grant' });
    expect(meta.auth.refresh.dead).toContain('invalid_grant');
  });

  test.each(['deleted', 'blocked'])(
    'does not take our own app being %s for the end of everybody’s token',
    async (state) => {
      const token = await signIn();
      set('app', state);
      expect(await world.refresh(token)).toEqual({ error: 'invalid_client' });
      world.store.delete('settings.app');
      expect(await world.refresh(token)).toMatchObject({ tokens: {} });
    },
  );

  test('does not take a parameter that is wrong for the end of a token', async () => {
    const proof = 'API calls from the server require an appsecret_proof argument';
    for (const given of [
      error(100, '(#100) Invalid parameter'),
      error(100, proof),
      error(2, '', 500),
      error(1),
    ]) {
      const result = await made(meta.auth.refresh.request(grant()), given);
      expect(result).toEqual({ error: expect.any(String) });
      expect(meta.auth.refresh.dead).not.toContain('error' in result && result.error);
    }
  });

  test.each([4, 17, 32, 341, 613, 80_000, 80_004, 80_014])(
    'code %i is a throttle at whatever status',
    async (code) => {
      for (const status of [400, 403, 429])
        expect(await made(meta.auth.refresh.request(grant()), error(code, '', status))).toEqual({
          limited: undefined,
        });
    },
  );

  test.each<[string, unknown, unknown]>([
    ['a page', undefined, { unreadable: true }],
    ['a list', [], { unreadable: true }],
    ['an error of another kind', { error: 'invalid_grant' }, { error: 'invalid_grant' }],
    [
      'a token of another type',
      { access_token: 'EAA', token_type: 'mac' },
      { unreadable: true, brought: { accessToken: 'EAA' } },
    ],
    ['an empty token', { access_token: '', token_type: 'bearer' }, { unreadable: true }],
    [
      'a lifetime as text',
      { access_token: 'EAA', expires_in: '5183944' },
      { tokens: { accessToken: 'EAA', expiresIn: 5_183_944 } },
    ],
    ['a lifetime below nothing', { access_token: 'EAA', expires_in: -1 }, { tokens: { accessToken: 'EAA' } }],
  ])('%s for an answer is read for what it is', async (_, json, result) => {
    expect(await made(meta.auth.refresh.request(grant()), answer(200, json))).toEqual(result);
  });
});

describe('the probe', () => {
  test.each([400, 401])('a dead token is refused, be its status %i', async (status) => {
    set('deadTokenStatus', status);
    const credential = await signIn();
    endMetaTokens(world.store, 460);
    expect(await world.probe({ credential })).toEqual(REFUSED);
    expect(await made(meta.probe(access()), inspection(), error(190, 'Session has expired', status))).toEqual(
      REFUSED,
    );
  });

  test('a token that Facebook cannot read is refused although it tells no app of it', async () => {
    expect(await world.probe({ credential: `EAA${randomBytes(20).toString('hex')}` })).toEqual(REFUSED);
  });

  test('a token is refused when its 60 days are over', async () => {
    const credential = await signIn();
    world.wait(61 * DAY);
    expect(await world.probe({ credential })).toEqual(REFUSED);
  });

  test('a token that outlives the access to data is refused although it is valid', async () => {
    set('noExpiry', true);
    const credential = await signIn();
    world.wait(91 * DAY);
    expect(await world.probe({ credential })).toEqual(REFUSED);
  });

  test.each([true, false])(
    'another app’s token is refused (debug_token of one’s own alone: %s)',
    async (ownAppOnly) => {
      set('debugOwnAppOnly', ownAppOnly);
      const credential = foreignMetaToken(world.store, Date.now());
      expect(await world.probe({ credential })).toEqual(REFUSED);
    },
  );

  test('a token of somebody else than was inspected is nobody’s', async () => {
    expect(await made(meta.probe(access()), inspection(), person({ id: '2' }))).toBeUndefined();
  });

  test('a wrong secret of ours, asking who a token is of, blames no token', async () => {
    const credential = await signIn();
    world.client.secret = 'other';
    expect(await world.probe({ credential })).toEqual({ finding: 'client_refused', reason: 'code 190' });
  });

  test.each(['deleted', 'blocked'])(
    'an app of ours that is %s blames no token and no permission',
    async (state) => {
      const credential = await signIn();
      set('app', state);
      expect(await world.probe({ credential })).toMatchObject({ finding: 'client_refused' });
      const code = state === 'deleted' ? 190 : 200;
      const words =
        state === 'deleted'
          ? 'Error validating application. Application has been deleted.'
          : 'API access blocked.';
      expect(await made(meta.probe(access()), inspection(), error(code, words))).toMatchObject({
        finding: 'client_refused',
      });
    },
  );

  test('a bad parameter in what the app asks blames no token', async () => {
    const message =
      '(#100) You must provide an app access token, or a user access token that is an owner or developer of the app';
    expect(await made(meta.probe(access()), error(100, message))).toMatchObject({
      finding: 'client_refused',
    });
  });

  test('an app that demands a proof of its secret is our fault', async () => {
    const credential = await signIn();
    set('requireProof', true);
    expect(await world.probe({ credential })).toEqual({ finding: 'client_refused', reason: 'code 100' });
  });

  test.each([10, 200, 273, 299])('code %i is a permission that is missing', async (code) => {
    expect(
      await made(meta.probe(access()), inspection(), error(code, `(#${code}) Requires ads_read`, 403)),
    ).toEqual({
      finding: 'insufficient',
      detail: expect.stringContaining('ticked'),
    });
  });

  test.each([
    [{ code: 17, status: 400, minutes: 12 }, { retryAfter: 720 }],
    [{ code: 80_004, status: 403 }, { retryAfter: 300 }],
    [{ code: 613, status: 429, minutes: 0 }, {}],
    [{ code: 4 }, {}],
  ])('the throttle %o is told, with the minutes where there are any', async (throttle, wait) => {
    const credential = await signIn();
    set('throttle', throttle);
    expect(await world.probe({ credential })).toEqual({ finding: 'limited', ...wait });
  });

  test('a throttle is one although Meta calls it a passing fault', async () => {
    const passing = {
      error: { message: '(#4) Application request limit reached', code: 4, is_transient: true },
    };
    expect(await made(meta.probe(access()), answer(403, passing))).toEqual({ finding: 'limited' });
    const usage =
      '{"1":[{"estimated_time_to_regain_access": 3},{"estimated_time_to_regain_access":7}],"2":"x"}';
    const header = { 'x-business-use-case-usage': usage };
    expect(await made(meta.probe(access()), error(32, '', 400, header))).toEqual({
      finding: 'limited',
      retryAfter: 420,
    });
  });

  test('faults of Meta’s, pages and half a body say nothing of a token', async () => {
    const credential = await signIn();
    set('transient', 1);
    expect(await world.probe({ credential })).toBeUndefined();
    const odd = [
      answer(200),
      answer(200, {}),
      answer(200, []),
      answer(403),
      answer(500, { error: { code: 2 } }),
    ];
    const passing = answer(400, { error: { code: 190, message: 'x', is_transient: true } });
    for (const given of [...odd, error(1), passing]) {
      expect(await made(meta.probe(access()), given)).toBeUndefined();
      expect(await made(meta.probe(access()), inspection(), given)).toBeUndefined();
    }
  });

  test.each([0, -1, 1e300, Number.MAX_SAFE_INTEGER, '1', 1.5, undefined])(
    'an end at %s is none',
    async (end) => {
      const told = inspection({ expires_at: end, data_access_expires_at: 0 });
      expect(await made(meta.probe(access()), told, person(), granted())).toEqual({
        finding: 'works',
        account: { id: '1', name: 'N' },
        scopes: ['ads_read'],
      });
    },
  );
});

describe('taking access back', () => {
  test('ends every token of the person, and a second time finds it gone', async () => {
    const [first, second] = [await signIn(), await signIn()];
    expect(await world.end(meta.revocation.grant, first)).toBe(true);
    expect(metaTokens(world.store).some(({ alive }) => alive)).toBe(false);
    for (const token of [first, second]) expect(await world.end(meta.revocation.grant, token)).toBe(true);
  });

  test('is done in the app’s own name where a new password has ended the token, and a second time finds it gone', async () => {
    const token = await signIn();
    endMetaTokens(world.store, 460);
    const { byApp } = meta.revocation.grant;
    const granted = () => world.store.list('grant/').length;
    const before = granted();
    expect(await world.end(byApp, token, { pinned: '10230948571230981' })).toBe(true);
    expect(granted()).toBe(before - 1);
    expect(await world.end(byApp, token, { pinned: '10230948571230981' })).toBe(true);
    expect(byApp.ended(error(190))).toBe(false);
  });

  test('is not done for a throttle, a fault, a page or an app of ours that is refused', () => {
    const words = 'Error validating application. Cannot get application info due to a system error.';
    const open = [
      error(4),
      error(2, '', 500),
      error(10, '', 403),
      error(190, words),
      answer(200),
      answer(502),
    ];
    for (const given of [...open, answer(200, { success: false })])
      expect(meta.revocation.grant.ended(given)).toBe(false);
    for (const given of [error(190, '', 401), error(102), answer(200, { success: true })])
      expect(meta.revocation.grant.ended(given)).toBe(true);
  });
});

test('whoever may manage ads may read them', () => {
  expect(meta.auth.covers(['ads_management'], 'ads_read')).toBe(true);
  expect(meta.auth.covers(['public_profile', 'ads_read'], 'ads_read')).toBe(true);
  expect(meta.auth.covers(['public_profile', 'read_insights'], 'ads_read')).toBe(false);
});
