import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import { railway } from '../../providers/railway.ts';
import { railway as simulator } from '../world/providers/railway.ts';
import { type Probing, probing, read } from './probing.ts';

let world: Probing;
beforeEach(() => {
  world = probing(railway, simulator);
});

const findingOf = (options?: Record<string, string>, config?: Record<string, string>) => {
  const key = world.issue(options);
  return world.ask(config === undefined ? key : { ...key, config });
};

const key = { api_key: '', config: {} };
const kinds = ['workspace', 'account', 'project'] as const;

describe.each(kinds)('a token of the kind %s', (kind) => {
  test('shows what it speaks for', async () => {
    const issued = world.issue({ kind });
    expect(await world.ask(issued)).toEqual({
      status: 200,
      finding: { finding: 'works', account: issued.account },
    });
  });

  test('is refused at 200 when it is deleted', async () => {
    expect(await findingOf({ kind, deleted: 'true' })).toEqual({
      status: 200,
      finding: { finding: 'refused', detail: expect.stringContaining(`${kind} token`) },
    });
  });

  test('is refused under another kind’s name, which the sentence mentions', async () => {
    for (const token_type of kinds.filter((other) => other !== kind)) {
      // One question serves workspaces and accounts, so that this one is told by what it reaches.
      if (kind === 'account' && token_type === 'workspace') continue;
      expect(await findingOf({ kind }, { token_type })).toEqual({
        status: 200,
        finding: { finding: 'refused', detail: expect.stringContaining('Check the kind of token') },
      });
    }
  });
});

test('a token of no said kind is a workspace’s', async () => {
  const account = { name: 'Globex' };
  expect((await findingOf({ workspace: 'globex' }, {})).finding).toMatchObject({ finding: 'works', account });
});

test('an account token given as a workspace’s is told to say so when it reaches several', async () => {
  expect((await findingOf({ kind: 'account' }, {})).finding).toEqual({
    finding: 'insufficient',
    detail: expect.stringContaining('reaches 2 workspaces'),
  });
  expect((await findingOf({ kind: 'account', workspaces: '1' }, {})).finding).toMatchObject({
    finding: 'works',
    account: { name: 'Acme' },
  });
  expect(read(railway, key, 200, '{"data":{"apiToken":{"workspaces":[]}}}')).toEqual({
    finding: 'insufficient',
    detail: expect.stringContaining('no workspace'),
  });
});

test('a project token speaks for one environment', async () => {
  const finding = async (environment: string) => (await findingOf({ kind: 'project', environment })).finding;
  expect(await finding('production')).toMatchObject({ account: { name: 'storefront / production' } });
  expect(await finding('staging')).toMatchObject({ account: { name: 'storefront / staging' } });
});

test('a workspace that wants two factors leaves the token alive', async () => {
  expect(await findingOf({ twoFactor: 'enforced' })).toEqual({
    status: 200,
    finding: { finding: 'insufficient', detail: expect.stringContaining('railway.com/account/security') },
  });
});

test('“not authorized” is found in any case and among other errors', () => {
  for (const message of ['not authorized', 'Not Authorized to do this', 'Project token not found']) {
    const body = JSON.stringify({ errors: [{ message: 'Another' }, { message }], data: null });
    expect(read(railway, key, 200, body)).toMatchObject({ finding: 'refused' });
  }
});

test('a rate limit, a failing service, a page and half a body are left to their status', async () => {
  world.store.set('settings.retryAfter', 30);
  expect(await findingOf()).toEqual({ status: 429, finding: undefined });
  for (const [status, body] of [
    [200, '{"errors":[{"message":"Problem processing request"}],"data":null}'],
    [400, '{"errors":[{"message":"Cannot query field \\"apiToken\\" on type \\"Query\\"."}]}'],
    [502, '{"errors":[{"message":"Not Authorized"}]}'],
    [200, '{"data":null}'],
    [200, '<html>'],
    [200, '{"data":{"apiToken":{"works'],
  ] as const) {
    expect(read(railway, key, status, body), body).toBeUndefined();
  }
});

test.each(['Workspace', ' project '])('the kind %j is read', (token_type) => {
  expect(readConfigFields(railway, { token_type })).toEqual({ token_type: token_type.trim().toLowerCase() });
});

test.each(['', 'team', 'workspaceaccount', 'account|project'])('the kind %j is refused', (token_type) => {
  expect(() => readConfigFields(railway, { token_type })).toThrow(
    expect.objectContaining({ code: 'invalid_request', detail: expect.stringContaining('Kind of token') }),
  );
});

test('a key is a lower-case UUID and nothing else', () => {
  const uuid = randomUUID();
  const given = [
    uuid,
    uuid.toUpperCase(),
    `${uuid}\n`,
    uuid.slice(1),
    uuid.replaceAll('-', ''),
    `Bearer ${uuid}`,
  ];
  expect(given.map((value) => fits(railway.auth.key, value))).toEqual([true, ...Array(5).fill(false)]);
});
