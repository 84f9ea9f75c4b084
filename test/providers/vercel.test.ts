import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import { vercel } from '../../providers/vercel.ts';
import { deleteVercelToken, vercel as simulated } from '../world/providers/vercel.ts';
import { detailOf, type Probing, probing, read } from './probing.ts';

let world: Probing;
beforeEach(() => {
  world = probing(vercel, simulated);
});

test.each([
  { scope: 'team' },
  { scope: 'team', format: 'old' },
  { scope: 'account' },
  { scope: 'account', withTeam: 'true' },
])('a token of %o yields the account’s id and name', async (options) => {
  const key = world.issue(options);
  expect(fits(vercel.auth.key, key.api_key)).toBe(true);
  expect(readConfigFields(vercel, key.config)).toEqual(key.config);
  expect(await world.probe(key)).toEqual({ finding: 'works', account: key.account });
});

test.each(['true', 'false'])(
  'a token that was deleted is refused although Vercel says 403 (team: %s)',
  async (withTeam) => {
    const key = world.issue({ withTeam });
    deleteVercelToken(world.store, key.api_key);
    const stranger = { ...key, api_key: `vcp_${randomBytes(28).toString('hex')}` };
    for (const each of [key, stranger, world.issue({ withTeam, expired: 'true' })]) {
      const finding = await world.probe(each);
      expect(finding).toMatchObject({ finding: 'refused' });
      expect(detailOf(finding)).toContain('Create a new one');
    }
  },
);

test.each([
  ['of a team, without the Team ID', { withTeam: 'false' }, 'add the Team ID'],
  ['of one project, for the account', { scope: 'project', withTeam: 'false' }, 'one project is not enough'],
  ['of one project, for its team', { scope: 'project' }, 'one project is not enough'],
  ['whose team wants SSO first', { saml: 'true' }, 'SSO'],
])('a living token %s lacks a permission', async (_, options: Record<string, string>, words) => {
  const finding = await world.probe(world.issue(options));
  expect(finding).toMatchObject({ finding: 'insufficient' });
  expect(detailOf(finding)).toContain(words);
});

test('a token of another team lacks a permission', async () => {
  const { api_key } = world.issue();
  const { config } = world.issue({ teamId: 'team_other' });
  const finding = await world.probe({ api_key, config });
  expect(finding).toMatchObject({ finding: 'insufficient' });
  expect(detailOf(finding)).toContain('team_other');
});

test('a limited user or team is no account', async () => {
  const key = world.issue({ withTeam: 'false' });
  world.store.set('settings.limitedUser', true);
  expect(await world.probe(key)).toMatchObject({ finding: 'insufficient' });
  const json = { limited: true, limitedBy: ['scope'], id: 'team_a', slug: 'a', name: 'A' };
  const ofTeam = { ...key, config: { team_id: 'team_a' } };
  expect(read(vercel, ofTeam, 200, JSON.stringify(json))).toMatchObject({ finding: 'insufficient' });
});

test('a team that is not there is said', async () => {
  const { api_key } = world.issue();
  const finding = await world.probe({ api_key, config: { team_id: 'team_nowhere' } });
  expect(finding).toMatchObject({ finding: 'refused' });
  expect(detailOf(finding)).toContain('team_nowhere');
});

test('a rate limit, HTML and another team’s answer say nothing about the token', async () => {
  const key = world.issue();
  world.store.set('settings.retryAfter', 9);
  expect(await world.probe(key)).toBeUndefined();
  const ofTeam = { ...key, config: { team_id: 'team_a' } };
  for (const [status, json] of [
    [403, undefined],
    [404, undefined],
    [200, { id: 'team_b', name: 'B' }],
    [200, { user: { id: 'u' } }],
  ] as const)
    expect(read(vercel, ofTeam, status, JSON.stringify(json) ?? '<html>')).toBeUndefined();
});

describe('the grammar', () => {
  test.each(['vci_', 'vca_', 'vcr_', 'vck_'])('tells what a %s token is', (prefix) => {
    expect(vercel.auth.refuse(prefix + randomBytes(28).toString('hex'))).toContain('vcp_');
  });

  test('refuses what cannot be a token', () => {
    const random = randomBytes(28).toString('hex');
    for (const key of [
      '',
      'vcp_',
      'vcp_abc',
      random,
      `Bearer vcp_${random}`,
      `vcp_${random}\n`,
      random.slice(0, 23),
    ])
      expect(fits(vercel.auth.key, key), key).toBe(false);
    expect(vercel.auth.refuse(`vcp_${random}`)).toBeUndefined();
  });

  test.each(['acme', 'team_', 'team_a/b', 'team_a?slug=b', 'team_..', ' team_a', 'prj_a', ''])(
    'refuses %j as a Team ID',
    (team_id) => {
      expect(() => readConfigFields(vercel, { team_id })).toThrow();
    },
  );
});
