import { beforeEach, describe, expect, test } from 'vitest';
import { connect, issueKey } from './support/keys.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson } from './support/people.ts';

// What hosts that customers name can have us keep.

const world = await openWorld();
beforeEach(() => world.reset());

/** Connects a project of PostHog's, which says what is given of itself. */
async function withProject(said: { uuid?: string; name?: string }, scopes?: string[]) {
  const { at } = await newPerson(world);
  const key = issueKey(world, 'posthog');
  const body = { id: Number(key.config.project_id), uuid: crypto.randomUUID(), name: 'Shop', ...said };
  const respond = (match: string, json: object) =>
    world.gateway.misbehave({
      provider: 'posthog',
      match,
      respond: {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(json),
      },
    });
  respond('/api/projects/', body);
  if (scopes) respond('/api/personal_api_keys/', { scopes });
  const reply = await connect(at, 'posthog', key);
  return { reply, list: async () => (await at.get('/api/connectors/list')).body.connections };
}

describe('what a customer-named host says is kept without a bound:', () => {
  test.each([
    ['an account id of 480,000 characters', 'x'.repeat(480_000)],
    ['one with NUL, which gives 503', 'a\0b'],
    ['one with half a character', 'a\ud800b'],
    ['one that turns around what is beside it', 'a\u202eb'],
  ])('%s', async (_, uuid) => {
    const { reply, list } = await withProject({ uuid });
    expect([reply.status, reply.body.code]).toEqual([502, 'provider_error']);
    expect(await list()).toEqual([]);
  });

  test('a name that is long, of several lines, or turned around', async () => {
    const { reply } = await withProject({ name: `\u202eShop\u2066\n\0\ud800${'x'.repeat(400_000)}` });
    expect(reply.status, reply.text).toBe(201);
    expect(reply.body.account.name).toMatch(/^Shop {1,2}\ufffdx+$/);
    expect(reply.body.account.name).toHaveLength(200);
  });

  test('scopes without number', async () => {
    const scopes = [
      '*',
      'x'.repeat(10_000),
      'a\0',
      ...Array.from({ length: 20_000 }, (_, at) => `scope:${at}`),
    ];
    const { reply } = await withProject({}, scopes);
    expect(reply.status, reply.text).toBe(201);
    expect(reply.body.scopes.slice(0, 2)).toEqual(['*', 'scope:0']);
    expect(reply.body.scopes).toHaveLength(500);
  });
});
