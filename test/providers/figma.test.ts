import { beforeEach, describe, expect, test } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import { figma } from '../../providers/figma.ts';
import { figma as simulator } from '../world/providers/figma.ts';
import { type Probing, probing, read } from './probing.ts';

let world: Probing;
beforeEach(() => {
  world = probing(figma, simulator);
});

const findingOf = (options?: Record<string, string>, config?: Record<string, string>) => {
  const key = world.issue(options);
  return world.ask(config === undefined ? key : { ...key, config });
};

describe('a personal access token', () => {
  test('shows its user', async () => {
    const key = world.issue();
    expect(await world.ask(key)).toEqual({
      status: 200,
      finding: { finding: 'works', account: key.account },
    });
  });

  test('shows its user with a team ID beside it, too', async () => {
    expect((await findingOf({}, { team_id: '900000000000000001' })).finding).toMatchObject({
      finding: 'works',
      account: { name: 'Ada Designer' },
    });
  });

  test('is refused when its 90 days are over', async () => {
    expect(await findingOf({ expired: 'true' })).toEqual({
      status: 403,
      finding: { finding: 'refused', detail: expect.stringContaining('90 days') },
    });
  });

  test('without current_user:read is a living key that lacks a scope', async () => {
    expect(await findingOf({ scopes: 'file_content:read' })).toEqual({
      status: 403,
      finding: {
        finding: 'insufficient',
        detail: expect.stringContaining('lacks the scope current_user:read.'),
      },
    });
  });
});

describe('a plan access token', () => {
  test('shows the team whose ID stands beside it', async () => {
    const account = { id: '900000000000000002', name: 'Globex Design' };
    const { finding } = await findingOf({ kind: 'plan', team: 'globex' });
    expect(finding).toEqual({ finding: 'works', account });
  });

  test('without a team ID asks for it', async () => {
    expect(await findingOf({ kind: 'plan' }, {})).toEqual({
      status: 403,
      finding: { finding: 'insufficient', detail: expect.stringContaining('Team ID') },
    });
  });

  test('of another team is told apart from a dead one', async () => {
    expect(await findingOf({ kind: 'plan' }, { team_id: '900000000000000002' })).toEqual({
      status: 404,
      finding: { finding: 'insufficient', detail: expect.stringContaining('900000000000000002') },
    });
    expect((await findingOf({ kind: 'plan', expired: 'true' })).finding).toEqual({
      finding: 'refused',
      detail: expect.stringContaining('admin'),
    });
  });

  test('without folders:read is a living key that lacks a scope', async () => {
    expect((await findingOf({ kind: 'plan', scopes: 'file_content:read' })).finding).toEqual({
      finding: 'insufficient',
      detail: expect.stringContaining('lacks the scope folders:read.'),
    });
  });
});

test('a rate limit, a page and half a body are left to their status', async () => {
  world.store.set('settings.retryAfter', 396_749);
  expect(await findingOf()).toEqual({ status: 429, finding: undefined });
  const key = { api_key: 'figd_', config: {} };
  expect(read(figma, key, 200, '<html>')).toBeUndefined();
  expect(read(figma, key, 200, '{"id":"1"')).toBeUndefined();
  expect(read(figma, key, 403, '<html>')).toBeUndefined();
  expect(read(figma, key, 500, '{"status":500,"err":"Internal server error"}')).toBeUndefined();
});

test('a refusal is read in either shape', () => {
  const key = { api_key: 'figd_', config: {} };
  for (const body of ['{"status":403,"err":"Token expired"}', '{"error":true,"message":"Invalid token"}']) {
    expect(read(figma, key, 403, body)).toMatchObject({ finding: 'refused' });
  }
  const scope =
    '{"status":403,"error":true,"message":"Invalid scope(s): files:read. This endpoint requires the current_user:read scope"}';
  expect(read(figma, key, 403, scope)).toMatchObject({ finding: 'insufficient' });
});

test.each([
  '900000000000000001',
  ' 900000000000000001 ',
  'https://www.figma.com/files/team/900000000000000001/Acme-Design',
  'https://www.figma.com/files/1234567/team/900000000000000001?fuid=1',
])('the team ID %j is read', (team_id) => {
  expect(readConfigFields(figma, { team_id })).toEqual({ team_id: '900000000000000001' });
});

test.each(['', '1/../../v1/me', '12 34', 'https://evil.example/files/team/1', '１２３'])(
  'the team ID %j is refused before any call',
  (team_id) => {
    expect(() => readConfigFields(figma, { team_id })).toThrow(
      expect.objectContaining({ code: 'invalid_request', detail: expect.stringContaining('Team ID') }),
    );
  },
);

test('a key has the prefix of its kind and at least forty characters behind it', () => {
  const given = ['figd', 'figp', 'figx'].map((prefix) => `${prefix}_${'a'.repeat(40)}`);
  expect(given.map((key) => fits(figma.auth.key, key))).toEqual([true, true, false]);
  expect(fits(figma.auth.key, `figd_${'a'.repeat(39)}`)).toBe(false);
  expect(fits(figma.auth.key, `figd_${'a'.repeat(40)}\n`)).toBe(false);
});
