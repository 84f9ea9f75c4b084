import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { googleAds } from '../../providers/google-ads.ts';
import { endGoogleAdsGrant, googleAdsTokens, googleAds as simulated } from '../world/providers/google-ads.ts';
import { detailOf } from './probing.ts';
import { answer, made, type SigningIn, signingIn } from './signing-in.ts';

const ADA = { id: '100000000000000000001', name: 'ada@acme.example' };
const SCOPES = [...googleAds.auth.scopes];
const HOUR = 3_600;
const DAY = 24 * HOUR;

let world: SigningIn;
beforeEach(() => {
  world = signingIn(googleAds, simulated, { DEVELOPER_TOKEN: randomBytes(11).toString('hex') });
});

const set = (name: string, value: unknown) => world.store.set(`settings.${name}`, value);
const access = () => ({ client: world.client, credential: 'ya29.', config: {} });
const grant = () => ({ client: world.client, token: '1//0', config: {} });
const probeOf = async (choice = {}) => {
  const { accessToken } = await world.signIn(choice);
  return world.probe({ credential: accessToken });
};
/** A refusal of the Ads API. */
const refusal = (status: number, errorCode: object, details?: object) =>
  answer(status, {
    error: {
      code: status,
      message: 'm',
      status: 'S',
      details: [{ '@type': 't', errors: [{ errorCode, message: 'm', details }] }],
    },
  });
/** A refusal that stands before every API of Google's. */
const before = (status: number, reason: string) =>
  answer(status, {
    error: { code: status, message: 'm', details: [{ '@type': 't', reason }, { links: [] }] },
  });
const listed = (json: unknown = { resourceNames: ['customers/1'] }) => answer(200, json);

describe('signing in', () => {
  test('gives both tokens, every scope that was asked, and the Google account', async () => {
    const tokens = await world.signIn();
    expect(tokens).toMatchObject({ expiresIn: 3599, refreshToken: expect.stringMatching(/^1\/\/0/) });
    expect(SCOPES.filter((scope) => !tokens.scopes?.includes(scope))).toEqual([]);
    expect(await world.probe({ credential: tokens.accessToken })).toEqual({ finding: 'works', account: ADA });
  });

  test('gives a refresh token the second time, too', async () => {
    await world.signIn();
    expect((await world.signIn()).refreshToken).toBeDefined();
  });

  test('tells the end that a consent screen in testing sets', async () => {
    set('testing', true);
    const { refreshTokenExpiresIn = 0 } = await world.signIn();
    expect(refreshTokenExpiresIn / DAY).toBeCloseTo(7, 2);
  });

  test('without a refresh token is none', async () => {
    const exchange = { ...grant(), code: 'c', codeVerifier: 'v', redirectUri: 'r' };
    const token = answer(200, { access_token: 'ya29.', token_type: 'Bearer', expires_in: 3599 });
    expect(await made(googleAds.auth.exchange(exchange), token)).toEqual({
      error: 'no_refresh_token',
      brought: { accessToken: 'ya29.', expiresIn: 3599 },
    });
    const empty = answer(200, { access_token: 'ya29.', token_type: 'Bearer', refresh_token: '' });
    expect(await made(googleAds.auth.exchange(exchange), empty)).toEqual({
      error: 'no_refresh_token',
      brought: { accessToken: 'ya29.' },
    });
  });

  test('an ID token tells whose it is, be the rest as odd as it may', async () => {
    const exchange = { ...grant(), code: 'c', codeVerifier: 'v', redirectUri: 'r' };
    const claims = Buffer.from(JSON.stringify({ sub: '1070', email: 'ü?>@acme.example' }));
    const id_token = `e30.${claims.toString('base64url')}.x`;
    const whole = { access_token: 'ya29.', token_type: 'Bearer', refresh_token: '1//0', id_token };
    const tokens = { accessToken: 'ya29.', refreshToken: '1//0' };
    const exchanged = (json: object) => made(googleAds.auth.exchange(exchange), answer(200, json));
    expect(await exchanged(whole)).toEqual({ tokens: { ...tokens, account: '1070' } });
    for (const odd of ['', 'e30', 'e30.%.x', 'e30.e30.x', 1])
      expect(await exchanged({ ...whole, id_token: odd })).toEqual({ tokens });
    expect(await exchanged({ ...whole, refresh_token: '' })).toEqual({
      error: 'no_refresh_token',
      brought: { accessToken: 'ya29.', account: '1070' },
    });
    expect(await exchanged({ ...whole, token_type: 'N_A' })).toEqual({
      unreadable: true,
      brought: { ...tokens, account: '1070' },
    });
  });

  test('a code works once', async () => {
    const back = await world.comeBack();
    expect(back.searchParams.get('iss')).toBe(googleAds.auth.issuer);
    expect(await world.exchange(back)).toMatchObject({ tokens: {} });
    expect(await world.exchange(back)).toEqual({ error: 'invalid_grant' });
  });

  test.each([
    ['another secret', 'invalid_client', () => (world.client.secret = 'other')],
    ['another id', 'invalid_client', () => (world.client.id = 'other')],
    ['a client that was disabled', 'disabled_client', () => set('suspendedClient', true)],
    ['a client that was deleted', 'deleted_client', () => set('deletedClient', true)],
  ])('with %s our own client is refused, at the exchange and at every refresh', async (_, error, bend) => {
    const { refreshToken = '' } = await world.signIn();
    const back = await world.comeBack();
    bend();
    expect(await world.exchange(back)).toEqual({ error });
    expect(await world.refresh(refreshToken)).toEqual({ error });
    expect(googleAds.auth.clientErrors).toContain(error);
    expect(googleAds.auth.refresh.dead).not.toContain(error);
  });

  test.each(['unauthorized_client', 'org_internal', 'redirect_uri_mismatch'])(
    '%s is our own client’s',
    (error) => {
      expect(googleAds.auth.clientErrors).toContain(error);
    },
  );
});

describe('refreshing', () => {
  test('gives another access token by the same refresh token, for as long as it is used', async () => {
    const { refreshToken = '', accessToken } = await world.signIn();
    for (let month = 0; month < 8; month += 1) {
      const result = await world.refresh(refreshToken);
      expect(result).toEqual({
        tokens: { accessToken: expect.any(String), expiresIn: 3599, scopes: expect.any(Array) },
      });
      expect('tokens' in result && result.tokens.accessToken).not.toBe(accessToken);
      world.wait(30 * DAY);
    }
    world.wait(182 * DAY);
    expect(await world.refresh(refreshToken)).toEqual({ error: 'invalid_grant' });
  });

  test.each<[string, () => void]>([
    ['the person removed the access', () => endGoogleAdsGrant(world.store, ADA.name)],
    ['the account was deleted', () => set('accountDeleted', true)],
    ['a policy wants another sign-in', () => set('reauthenticate', true)],
  ])('is over when %s', async (_, end) => {
    const { refreshToken = '' } = await world.signIn();
    end();
    expect(await world.refresh(refreshToken)).toEqual({ error: 'invalid_grant' });
    expect(googleAds.auth.refresh.dead).toEqual(['invalid_grant']);
  });

  test('is over after seven days for a consent screen in testing', async () => {
    set('testing', true);
    const { refreshToken = '' } = await world.signIn();
    world.wait(7 * DAY);
    expect(await world.refresh(refreshToken)).toEqual({ error: 'invalid_grant' });
  });

  test.each<[string, number, unknown]>([
    ['a page', 200, undefined],
    ['half a body', 200, undefined],
    ['an error of Google’s own', 500, { error: { code: 500 } }],
    ['a throttle', 429, {}],
  ])('%s for an answer says nothing', async (_, status, json) => {
    expect(await made(googleAds.auth.refresh.request(grant()), answer(status, json))).toEqual({
      unreadable: true,
    });
  });

  test('a token of another type for an answer says nothing, and is brought to its end', async () => {
    const other = answer(200, { access_token: 'ya29.', token_type: 'N_A' });
    expect(await made(googleAds.auth.refresh.request(grant()), other)).toEqual({
      unreadable: true,
      brought: { accessToken: 'ya29.' },
    });
  });
});

describe('the probe', () => {
  test('a Google account without an Ads account lacks one', async () => {
    const finding = await probeOf({ account: 'noads@plain.example' });
    expect(finding).toMatchObject({ finding: 'insufficient' });
    expect(detailOf(finding)).toContain('no access to any Google Ads account');
    for (const empty of [{}, { resourceNames: [] }])
      expect(await made(googleAds.probe(access()), listed(empty))).toEqual(finding);
  });

  test('access to Google Ads that was left unticked is asked for', async () => {
    const finding = await probeOf({ scopes: [] });
    expect(finding).toMatchObject({ finding: 'insufficient' });
    expect(detailOf(finding)).toContain('unticked');
  });

  test('a token that is over is refused, and it is said where access may have been removed', async () => {
    const { accessToken } = await world.signIn();
    world.wait(HOUR);
    const refused = { finding: 'refused', detail: expect.stringContaining('Connect Google Ads again') };
    expect(await world.probe({ credential: accessToken })).toEqual(refused);
    const again = await world.signIn();
    endGoogleAdsGrant(world.store, ADA.name);
    expect(await world.probe({ credential: again.accessToken })).toEqual(refused);
    expect(await world.probe({ credential: 'ya29.nobodys' })).toEqual(refused);
    const deleted = refusal(401, { authenticationError: 'GOOGLE_ACCOUNT_DELETED' });
    expect(await made(googleAds.probe(access()), deleted)).toEqual(refused);
  });

  test.each([
    ['TWO_STEP_VERIFICATION_NOT_ENROLLED', '2-Step Verification'],
    ['ADVANCED_PROTECTION_NOT_ENROLLED', 'Advanced Protection'],
  ])('%s tells what to turn on', async (code, words) => {
    const finding = await made(googleAds.probe(access()), refusal(401, { authenticationError: code }));
    expect(finding).toMatchObject({ finding: 'insufficient' });
    expect(detailOf(finding)).toContain(words);
  });

  test('a throttle is told with its delay, and without where there is none', async () => {
    const { accessToken: credential } = await world.signIn();
    set('retryDelay', 30);
    expect(await world.probe({ credential })).toEqual({ finding: 'limited', retryAfter: 30 });
    const delayed = (retryDelay: unknown) =>
      refusal(
        429,
        { quotaError: 'RESOURCE_EXHAUSTED' },
        { quotaErrorDetails: { rateScope: 'ACCOUNT', retryDelay } },
      );
    for (const [delay, wait] of [
      ['0.2s', { retryAfter: 1 }],
      ['86400s', { retryAfter: 86_400 }],
      ['soon', {}],
      [30, {}],
    ] as const)
      expect(await made(googleAds.probe(access()), delayed(delay))).toEqual({ finding: 'limited', ...wait });
    expect(
      await made(googleAds.probe(access()), refusal(429, { quotaError: 'RESOURCE_TEMPORARILY_EXHAUSTED' })),
    ).toEqual({
      finding: 'limited',
    });
    expect(await made(googleAds.probe(access()), answer(429))).toBeUndefined();
  });

  test('a throttle at the second request is left to its status', async () => {
    expect(await made(googleAds.probe(access()), listed(), answer(429, {}))).toBeUndefined();
  });

  test('pages, half a body and faults of Google’s say nothing, be they at 200', async () => {
    for (const given of [
      answer(200),
      answer(200, []),
      answer(403),
      answer(500, { error: { code: 500 } }),
      answer(503),
    ]) {
      expect(await made(googleAds.probe(access()), given)).toBeUndefined();
      expect(await made(googleAds.probe(access()), listed(), given)).toBeUndefined();
    }
  });

  test('a page in place of the accounts is no proof of any', async () => {
    const who = answer(200, { sub: '1', email: 'a@b.example' });
    expect(await made(googleAds.probe(access()), answer(200), who)).toBeUndefined();
    expect(await made(googleAds.probe(access()), listed(), who)).toEqual({
      finding: 'works',
      account: { id: '1', name: 'a@b.example' },
    });
  });
});

describe('our own project', () => {
  test('a version that is over is our fault and no missing access', async () => {
    set('retiredVersions', ['v25']);
    expect(await probeOf()).toEqual({ finding: 'client_refused', reason: 'no v25' });
  });

  test('the API switched off in our project is no permission that the person lacks', async () => {
    set('serviceDisabled', true);
    expect(await probeOf()).toEqual({ finding: 'client_refused', reason: 'service_disabled' });
  });

  test('an organization of ours that is not approved ends nobody’s sign-in', async () => {
    set('refusal', 'ORGANIZATION_NOT_APPROVED');
    expect(await probeOf()).toEqual({ finding: 'client_refused', reason: 'organization_not_approved' });
  });

  test.each([
    [
      'another developer token',
      'developer_token_invalid',
      () => (world.client.settings = { DEVELOPER_TOKEN: 'other' }),
    ],
    [
      'no developer token where one is wanted',
      'developer_token_parameter_missing',
      () => (world.client.settings = {}),
    ],
    [
      'a developer token of another project',
      'developer_token_prohibited',
      () => set('developerToken', 'prohibited'),
    ],
    ['a project that is shut out', 'project_disabled', () => set('refusal', 'PROJECT_DISABLED')],
  ])('%s blames no token', async (_, reason, bend) => {
    bend();
    expect(await probeOf()).toEqual({ finding: 'client_refused', reason });
  });

  test.each([
    [403, 'DEVELOPER_TOKEN_NOT_APPROVED'],
    [403, 'CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION'],
    [403, 'CLOUD_PROJECT_NOT_UNDER_ORGANIZATION'],
    [403, 'MISSING_TOS'],
    [401, 'ORGANIZATION_NOT_RECOGNIZED'],
    [400, 'UNSUPPORTED_VERSION'],
  ])('%i %s is about us', async (status, code) => {
    expect(await made(googleAds.probe(access()), refusal(status, { anyError: code }))).toEqual({
      finding: 'client_refused',
      reason: code.toLowerCase(),
    });
  });

  test.each(['CONSUMER_INVALID', 'CONSUMER_SUSPENDED', 'BILLING_DISABLED', 'USER_PROJECT_DENIED'])(
    '%s is about our project',
    async (reason) => {
      expect(await made(googleAds.probe(access()), before(403, reason))).toEqual({
        finding: 'client_refused',
        reason: reason.toLowerCase(),
      });
    },
  );

  test('what goes to the log is a name that is known, and nothing else of the answer', async () => {
    const odd = refusal(403, { authorizationError: 'DEVELOPER_TOKEN_ x: ya29.secret' });
    expect(await made(googleAds.probe(access()), odd)).toBeUndefined();
    const beside = refusal(403, { a: 'ya29.secret', b: 'PROJECT_DISABLED' });
    expect(await made(googleAds.probe(access()), beside)).toEqual({
      finding: 'client_refused',
      reason: 'project_disabled',
    });
  });

  test('a developer token is not needed any more, and one that is sent is ignored', async () => {
    set('developerToken', 'ignored');
    for (const settings of [{}, { DEVELOPER_TOKEN: 'other' }]) {
      world.client.settings = settings;
      expect(await probeOf()).toMatchObject({ finding: 'works', account: ADA });
    }
  });
});

describe('taking access back', () => {
  test('ends the grant by either token, and a second time finds it gone', async () => {
    for (const which of ['accessToken', 'refreshToken'] as const) {
      const { [which]: token = '' } = await world.signIn();
      expect(await world.end(googleAds.revocation.grant, token)).toBe(true);
      expect(googleAdsTokens(world.store).some(({ alive }) => alive)).toBe(false);
      expect(await world.end(googleAds.revocation.grant, token)).toBe(true);
    }
  });

  test('is not done for a throttle, a fault or another error', () => {
    const invalidRequest = answer(400, { error: 'invalid_request' });
    for (const given of [
      answer(429, {}),
      answer(500),
      answer(503, { error: 'invalid_token' }),
      answer(400),
      invalidRequest,
    ])
      expect(googleAds.revocation.grant.ended(given)).toBe(false);
  });
});
