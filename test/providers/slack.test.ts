import { beforeEach, describe, expect, test } from 'vitest';
import { slack } from '../../providers/slack.ts';
import { slack as simulator, slackTokens } from '../world/providers/slack.ts';
import { detailOf } from './probing.ts';
import { answer, made, type SigningIn, signingIn } from './signing-in.ts';

const { auth, revocation } = slack;
const acme = { id: 'T0ACME00001', name: 'Acme' };
const access = { credential: 'xoxb-x', config: {}, client: { id: 'i', secret: 's', settings: {} } };

let world: SigningIn;
beforeEach(() => {
  world = signingIn(slack, simulator);
});

test('signs in to a workspace with a bot token that has no end', async () => {
  const back = await world.comeBack();
  const result = await world.exchange(back);
  expect(result).toEqual({
    tokens: { accessToken: expect.stringMatching(/^xoxb-/), scopes: auth.scopes, account: acme.id },
  });
  const { accessToken = '' } = 'tokens' in result ? result.tokens : {};
  expect(await world.probe({ credential: accessToken })).toEqual({
    finding: 'works',
    account: acme,
    scopes: auth.scopes,
  });
  const again = await world.exchange(back);
  expect(auth.clientErrors).not.toContain('error' in again && again.error);
});

test('an installation by an organization is the organization’s', async () => {
  world.store.set('settings.orgInstall', true);
  const { accessToken, account } = await world.signIn();
  expect(account).toBe('E0UMBREL001');
  expect(await world.probe({ credential: accessToken })).toMatchObject({
    finding: 'works',
    account: { id: 'E0UMBREL001', name: 'Umbrella' },
  });
});

test('the scopes are those that the token has now', async () => {
  const { accessToken } = await world.signIn({ scopes: ['chat:write'] });
  expect(await world.probe({ credential: accessToken })).toMatchObject({ scopes: ['chat:write'] });
  await world.signIn();
  expect(await world.probe({ credential: accessToken })).toMatchObject({
    scopes: expect.arrayContaining(auth.scopes),
  });
});

describe('token rotation', () => {
  beforeEach(() => world.store.set('settings.rotation', true));

  test('renews a token of twelve hours, each refresh token once', async () => {
    const first = await world.signIn();
    expect(first).toMatchObject({ expiresIn: 43_200, refreshToken: expect.stringMatching(/^xoxe-1-/) });
    world.wait(43_200);
    expect(await world.probe({ credential: first.accessToken })).toMatchObject({ finding: 'refused' });
    const second = await world.refresh(first.refreshToken ?? '');
    if (!('tokens' in second)) throw new Error('not renewed');
    expect(second.tokens).toMatchObject({ expiresIn: 43_200, scopes: auth.scopes });
    expect(second.tokens.refreshToken).not.toBe(first.refreshToken);
    expect(await world.probe({ credential: second.tokens.accessToken })).toMatchObject({ account: acme });
    expect(auth.refresh.reuse).toBe('never');
    const again = await world.refresh(first.refreshToken ?? '');
    expect(auth.refresh.dead).toContain('error' in again && again.error);
  });

  test('ends with the app', async () => {
    const { accessToken, refreshToken = '' } = await world.signIn();
    expect(await world.end(revocation.grant, accessToken)).toBe(true);
    const dead = await world.refresh(refreshToken);
    expect(auth.refresh.dead).toContain('error' in dead && dead.error);
    expect(await world.end(revocation.grant, accessToken), 'already gone').toBe(true);
  });

  test.each([
    ['its id', { id: 'unknown' }],
    ['its secret', { secret: 'another' }],
  ])('our client is refused by %s, which says nothing of the grant', async (_, bent) => {
    const back = await world.comeBack();
    const { accessToken, refreshToken = '' } = await world.signIn();
    Object.assign(world.client, bent);
    for (const result of [await world.exchange(back), await world.refresh(refreshToken)]) {
      expect(auth.clientErrors).toContain('error' in result && result.error);
      expect(auth.refresh.dead).not.toContain('error' in result && result.error);
    }
    expect(await world.end(revocation.grant, accessToken)).toBe(false);
    expect(slackTokens(world.store).every(({ alive }) => alive)).toBe(true);
  });
});

test('an app that was removed is refused, in words', async () => {
  const { accessToken } = await world.signIn();
  expect(await world.end(revocation.grant, accessToken)).toBe(true);
  const finding = await world.probe({ credential: accessToken });
  expect(finding).toMatchObject({ finding: 'refused' });
  expect(detailOf(finding)).toContain('Connect Slack again');
  expect(await world.end(revocation.grant, accessToken), 'already gone').toBe(true);
});

test.each(['internal_error', 'service_unavailable', 'team_added_to_org', 'missing_scope', 'no_such_word'])(
  '%s at 200 says nothing of the token, and ends nothing',
  async (error) => {
    const { accessToken, refreshToken = 'xoxe-1-x' } = await world.signIn();
    world.store.set('settings.error', error);
    expect(await world.probe({ credential: accessToken })).toBeUndefined();
    expect(await world.end(revocation.grant, accessToken)).toBe(false);
    const result = await world.refresh(refreshToken);
    expect(auth.refresh.dead).not.toContain('error' in result && result.error);
  },
);

test('too many requests say how long to wait, and end nothing', async () => {
  const { accessToken } = await world.signIn();
  world.store.set('settings.retryAfter', 30);
  expect(await world.probe({ credential: accessToken })).toEqual({ finding: 'limited', retryAfter: 30 });
  expect(await world.refresh('xoxe-1-x')).toEqual({ limited: 30 });
  expect(await world.end(revocation.grant, accessToken)).toBe(false);
});

test('too many requests told at 200 are too many requests', async () => {
  const limited = { ok: false, error: 'ratelimited' };
  expect(await made(slack.probe(access), answer(200, limited))).toEqual({ finding: 'limited' });
});

test('a user’s token, a page and half a success are no tokens', async () => {
  const exchange = () =>
    made(
      auth.exchange({ ...access, code: 'c', codeVerifier: undefined, redirectUri: 'https://a.example/' }),
      ...answers,
    );
  const user = { ok: true, access_token: 'xoxp-1', token_type: 'user', scope: 'chat:write' };
  let answers = [answer(200, user)];
  expect(await exchange()).toEqual({ unreadable: true, brought: { accessToken: 'xoxp-1' } });
  answers = [answer(200, { ...user, team: { id: 'T1', name: 'T' } })];
  expect(await exchange()).toEqual({
    unreadable: true,
    brought: { accessToken: 'xoxp-1', account: 'T1' },
  });
  answers = [answer(200, { ok: true, authed_user: { id: 'U1', access_token: 'xoxp-1' } })];
  expect(await exchange()).toEqual({ unreadable: true });
  answers = [answer(200)];
  expect(await exchange()).toEqual({ unreadable: true });
  expect(await made(slack.probe(access), answer(200, { ok: true }))).toBeUndefined();
  expect(await made(slack.probe(access), answer(503, { ok: true, team_id: 'T1' }))).toBeUndefined();
});
