import { beforeEach, expect, test } from 'vitest';
import { githubApp } from '../../providers/github.ts';
import {
  changeGithubInstallation,
  githubAppSettings,
  githubInstallations,
  github as simulator,
} from '../world/providers/github.ts';
import { detailOf } from './probing.ts';
import { answer, made, type SigningIn, signingIn } from './signing-in.ts';

const access = { credential: 'ghu_x', config: {}, client: { id: 'i', secret: 's', settings: {} } };

let world: SigningIn;
beforeEach(() => {
  world = signingIn(githubApp, simulator, { APP_ID: githubAppSettings.APP_ID?.() ?? '' });
});
const probe = async () => world.probe({ credential: (await world.signIn()).accessToken });

test('an App has the permissions of its installations', async () => {
  const scopes = ['actions:read', 'contents:read', 'deployments:read', 'metadata:read', 'pull_requests:read'];
  expect(await probe()).toEqual({
    finding: 'works',
    account: { id: '583231', name: 'octocat' },
    scopes,
    missing: [],
  });
});

test('an App is missing where nobody has installed it, or the owner has suspended it', async () => {
  for (const { id } of githubInstallations(world.store))
    changeGithubInstallation(world.store, id, { suspended: true });
  expect(await probe()).toMatchObject({ finding: 'works', missing: ['installation'], scopes: [] });
  world.store.set('settings.notInstalled', true);
  expect(await probe()).toMatchObject({ finding: 'works', missing: ['installation'], scopes: [] });
});

test('an App tells which permissions its installations lack', async () => {
  const who = answer(200, { id: 1, login: 'a' });
  const installed = answer(200, {
    installations: [{ permissions: { metadata: 'read', contents: 'write' } }],
  });
  expect(await made(githubApp.probe(access), who, installed)).toMatchObject({
    scopes: ['contents:write', 'metadata:read'],
    missing: ['pull_requests:read', 'actions:read', 'deployments:read'],
  });
});

test('an App does not take the token of an OAuth App that stood here before', async () => {
  const who = answer(200, { id: 1, login: 'a' });
  const message =
    'You must authenticate with an access token authorized to a GitHub App in order to list installations';
  const other = answer(403, { message });
  const finding = await made(githubApp.probe(access), who, other);
  expect(finding).toMatchObject({ finding: 'refused' });
  expect(detailOf(finding)).toContain('Connect GitHub again');
});

test('an App says what is left after its grant has ended', () => {
  expect(githubApp.revocation.help).toContain('Installed GitHub Apps');
});
