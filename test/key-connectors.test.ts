import { beforeEach, describe, expect, test } from 'vitest';
import { providers } from '../providers/index.ts';
import { openWorld } from './support/open-world.ts';
import { tripsOf } from './support/trips.ts';

const world = await openWorld();
const { ada } = world;
const keyed = providers.filter(({ auth }) => auth.type !== 'oauth');

beforeEach(() => world.reset());

/** The whole life of a connection, for each connector with a key: a new entry of the registry is in this table. */
describe.each(keyed.map(({ id, name }) => ({ id, name })))('$name', ({ id }) => {
  const { issueKey } = world.gateway.simulator(id);
  const issued = issueKey?.();
  if (!issued) throw new Error(`${id}: its simulator makes no keys`);
  const connect = (body: Record<string, unknown> = {}) =>
    ada.post('/api/connectors/connect', {
      body: { provider: id, api_key: issued.api_key, config: issued.config, ...body },
    });

  test('connects with one question to the provider, and shows whose account it is', async () => {
    const { reply, trips } = await tripsOf(world, () => connect());
    expect(reply.status, reply.text).toBe(201);
    expect(reply.body).toMatchObject({
      provider: id,
      status: 'connected',
      account: { id: issued.account.id, name: expect.any(String) },
      missing_scopes: [],
    });
    expect(trips).toMatchObject({ postgres: 2, provider: 1, kv: 0 });
    expect(trips.kms).toBeLessThanOrEqual(1);
  });

  test('works when it is tested', async () => {
    const reply = await ada.post(`/api/connectors/${id}/test`);
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body.status).toBe('connected');
  });

  test('refuses what is no key without asking anybody', async () => {
    const reply = await connect({ api_key: 'no key of anybody\u0000' });
    expect(reply).toMatchObject({ status: 422, body: { code: 'invalid_credential' } });
    expect(world.gateway.count(id)).toBe(0);
  });

  test('refuses a key that the provider does not know', async () => {
    // Alike in form: its last letter is another.
    const last = issued.api_key.at(-1) ?? '';
    const reply = await connect({ api_key: issued.api_key.slice(0, -1) + (last === 'a' ? 'b' : 'a') });
    expect(reply.status, reply.text).toBe(422);
    expect(world.gateway.count(id)).toBe(1);
  });

  test.each([
    ['is down', { respond: { status: 500 } }, 502, 'provider_error'],
    ['answers a page', { respond: { status: 200, body: '<html></html>' } }, 502, 'provider_error'],
    ['answers a page of refusal', { respond: { status: 403, body: '<html></html>' } }, 502, 'provider_error'],
    [
      'sends us elsewhere',
      { respond: { status: 302, headers: { location: 'https://evil.example/' } } },
      502,
      'provider_error',
    ],
    ['limits requests', { respond: { status: 429, headers: { 'retry-after': '7' } } }, 503, 'unavailable'],
    ['breaks off', { drop: 'before' as const }, 502, 'provider_error'],
  ])('changes nothing when the provider %s', async (_, fault, status, code) => {
    const before = (await ada.get('/api/connectors/list')).text;
    world.gateway.misbehave({ provider: id, ...fault });
    const reply = await connect();
    expect(reply.status, reply.text).toBe(status);
    expect(reply.body.code).toBe(code);
    if (status === 503) expect(reply.headers.get('retry-after')).toBe('7');
    expect((await ada.get('/api/connectors/list')).text).toBe(before);
  });

  test('disconnects, forgets the key, and says what is left to do', async () => {
    const reply = await ada.delete(`/api/connectors/${id}`);
    expect(reply.body).toEqual({ provider: id, status: 'disconnected', revocation: 'unsupported' });
    const rows = await world.sql('select credential from connections where provider = $1', [id]);
    expect(rows).toEqual([{ credential: null }]);
    const { connectors } = (await ada.get('/api/connectors')).body;
    const entry = connectors.find(({ provider }: { provider: string }) => provider === id);
    expect(entry.disconnect_help.length).toBeGreaterThan(20);
  });
});
