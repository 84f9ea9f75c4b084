import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import { posthog } from '../../providers/posthog.ts';
import { deletePostHogKey, posthog as simulated } from '../world/providers/posthog.ts';
import { detailOf, type Probing, probing, read } from './probing.ts';

let world: Probing;
beforeEach(() => {
  world = probing(posthog, simulated);
});

test.each(['us.posthog.com', 'eu.posthog.com', 'posthog.acme.example'])(
  'a key of %s yields the project’s id and name',
  async (host) => {
    const key = world.issue({ host });
    expect(fits(posthog.auth.key, key.api_key)).toBe(true);
    expect(readConfigFields(posthog, key.config)).toEqual(key.config);
    expect(await world.probe(key)).toMatchObject({ finding: 'works', account: key.account, missing: [] });
  },
);

test('keys without a prefix, with all scopes and of one project alone work', async () => {
  const legacy = world.issue({ format: 'legacy' });
  expect(fits(posthog.auth.key, legacy.api_key)).toBe(true);
  const scoped = world.issue({ projectId: '7', scopedTeams: '7' });
  for (const key of [legacy, scoped, world.issue({ scopes: '*' })])
    expect(await world.probe(key)).toMatchObject({ finding: 'works', account: key.account, missing: [] });
});

test('a key that may read the project and little else works, and says at once what is missing', async () => {
  const scopes = ['project:read', 'query:read', 'feature_flag:write'];
  expect(await world.probe(world.issue({ scopes: scopes.join(',') }))).toMatchObject({
    finding: 'works',
    scopes,
    missing: ['insight:read', 'session_recording:read'],
  });
});

test('the same project number in two regions is two accounts', async () => {
  const [us, eu] = ['us.posthog.com', 'eu.posthog.com'].map((host) => world.issue({ host, projectId: '7' }));
  expect(us?.account.id).not.toBe(eu?.account.id);
});

test('a key of the other region is refused, and the region is named', async () => {
  const { api_key, config } = world.issue({ host: 'eu.posthog.com' });
  const finding = await world.probe({ api_key, config: { ...config, host: 'us.posthog.com' } });
  expect(finding).toMatchObject({ finding: 'refused' });
  expect(detailOf(finding)).toContain('not at eu.posthog.com');
});

test('a key that was deleted or never was is refused', async () => {
  const key = world.issue();
  deletePostHogKey(world.store, key.api_key);
  const stranger = { ...key, api_key: `phx_${randomBytes(20).toString('hex')}` };
  for (const each of [key, stranger, world.issue({ expired: 'true' })])
    expect(await world.probe(each)).toMatchObject({ finding: 'refused' });
});

test('a project that is not there is said', async () => {
  const { api_key } = world.issue();
  const finding = await world.probe({ api_key, config: { host: 'us.posthog.com', project_id: '5' } });
  expect(finding).toEqual({
    finding: 'refused',
    detail: 'The key’s owner sees no project 5 at us.posthog.com.',
  });
});

test.each([
  [{ scopes: 'query:read' }, 'lacks project:read'],
  [{ projectId: '8', scopedTeams: '7' }, 'may not reach project 8'],
  [{ organizationForbids: 'true' }, 'Ask an admin'],
])('a key with %o lacks a permission, which is named', async (options: Record<string, string>, words) => {
  const finding = await world.probe(world.issue(options));
  expect(finding).toMatchObject({ finding: 'insufficient' });
  expect(detailOf(finding)).toContain(words);
});

test('a rate limit, HTML and another project’s answer say nothing about the key', async () => {
  const key = world.issue();
  world.store.set('settings.rateLimit', 0);
  expect(await world.probe(key)).toBeUndefined();
  for (const [status, json] of [
    [403, undefined],
    [404, undefined],
    [200, { id: 1, uuid: 'u', name: 'n' }],
    [200, []],
  ] as const)
    expect(read(posthog, key, status, JSON.stringify(json) ?? '<html>')).toBeUndefined();
});

describe('the key’s grammar', () => {
  const random = randomBytes(22).toString('hex');

  test.each(['phc_', 'phs_', 'pha_', 'phr_'])('tells what a %s key is', (prefix) => {
    expect(posthog.auth.refuse(prefix + random)).toContain('phx_');
  });

  test('refuses what cannot be one', () => {
    for (const key of [
      '',
      'phx_',
      'phx_abc',
      `phx_${random}\n`,
      `Bearer phx_${random}`,
      `phx-${random}`,
      random,
    ])
      expect(fits(posthog.auth.key, key), key).toBe(false);
    expect(posthog.auth.refuse(`phx_${random}`)).toBeUndefined();
  });
});

describe('the project ID', () => {
  const read = (project_id: string) => readConfigFields(posthog, { host: 'us', project_id }).project_id;

  test('is taken from a pasted address', () => {
    expect(read('https://us.posthog.com/project/12345/insights?q=1')).toBe('12345');
    expect(read('12345')).toBe('12345');
  });

  test.each(['0', '-1', '1.5', '1e3', '../1', '@current', '1/../2', '٣', ''])('is not %s', (value) => {
    expect(() => read(value)).toThrow();
  });
});
