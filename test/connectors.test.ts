import { beforeEach, describe, expect, test } from 'vitest';
import { providers } from '../providers/index.ts';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { altered, callbackUrl, signedAgain } from './support/callbacks.ts';
import type { Reply } from './support/client.ts';
import { fireCron } from './support/cron.ts';
import { authorize, consent, type FlowOptions, present } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { type Life, lives } from './support/lives.ts';
import { openWorld, type TestWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { tripsOf } from './support/trips.ts';
import type { Fault } from './world/gateway.ts';
import { githubAppSettings } from './world/providers/github.ts';

const usual = await openWorld();
const withApp = await openWorld({
  env: Object.fromEntries(
    Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]),
  ),
});

beforeEach(() => {
  usual.reset();
  withApp.reset();
});

test('every connector of the registry is in this table, GitHub both ways', () => {
  expect(new Set(lives.map(({ provider }) => provider))).toEqual(new Set(providers.map(({ id }) => id)));
  expect(providers).toHaveLength(15);
  expect(lives.filter(({ provider }) => provider === 'github')).toHaveLength(2);
});

/** Whatever keeps a provider from giving its own answer, and what is then said. */
const faults: ReadonlyArray<[string, Omit<Fault, 'provider'>, status: number, code: string]> = [
  ['is down', { respond: { status: 500, body: '{}' } }, 502, 'provider_error'],
  ['answers a page', { respond: { status: 200, body: '<html></html>' } }, 502, 'provider_error'],
  ['answers a page of refusal', { respond: { status: 403, body: '<html></html>' } }, 502, 'provider_error'],
  ['answers half a body', { respond: { status: 200, body: '{"data":{"id":"1' } }, 502, 'provider_error'],
  ['answers a list', { respond: { status: 200, body: '[]' } }, 502, 'provider_error'],
  [
    'sends us elsewhere',
    { respond: { status: 302, headers: { location: 'https://evil.example/' } } },
    502,
    'provider_error',
  ],
  ['breaks off', { drop: 'before' }, 502, 'provider_error'],
  [
    'limits requests and says until when',
    { respond: { status: 429, headers: { 'retry-after': '7' }, body: '{}' } },
    503,
    'unavailable',
  ],
  ['limits requests and says no more', { respond: { status: 429, body: '{}' } }, 503, 'unavailable'],
];

/** The whole life of a connection: a new entry of the registry fails the table until it is in it. */
describe.each(lives.map((life) => ({ ...life, title: `${life.provider} by ${life.way}` })))(
  '$title',
  (life) => {
    const world = life.way === 'a GitHub App' ? withApp : usual;
    const { provider } = life;
    let person: Person;
    let key = { api_key: '', config: {} };

    test('connects, shows whose account it is, and costs what it is said to cost', async () => {
      person = await newPerson(world);
      const begun = await begin(world, life, person);
      key = begun.key;
      const { reply, trips } = await tripsOf(world, begun.finish);
      expect(reply.status, reply.text).toBe(life.key ? 201 : 200);
      expect(reply.body).toMatchObject({
        provider,
        status: 'connected',
        account: life.account,
        missing_scopes: [],
        reauthorize_by: life.ends ? expect.any(String) : null,
      });
      const { webhooks = 0, requests } = life;
      // What we may have to end is written down before it is kept.
      // A sign-in's tokens have a row of their own until they are kept; those made from a key wait in the queue.
      const parks = !life.key;
      expect(trips).toMatchObject({
        postgres: 2 + (parks ? 1 : 0) + (webhooks > 0 ? 2 : 0),
        provider: requests.connect + webhooks,
      });
      expect(trips.kms).toBeLessThanOrEqual(1);
      if (life.isAlive) expect(life.isAlive(world, key.api_key)).toBe(true);
    });

    test('works when it is tested', async () => {
      const { reply, trips } = await tripsOf(world, () => person.at.post(`/api/connectors/${provider}/test`));
      expect(reply.status, reply.text).toBe(200);
      expect(reply.body).toMatchObject({ status: 'connected', account: life.account, last_error: null });
      // Where a token is made from a key it is asked for another, which is claimed, written, and read again.
      expect(trips).toMatchObject({ postgres: life.tokens ? 5 : 2, provider: life.requests.test });
    });

    test('tells somebody who gave too little what is missing', async () => {
      const other = await newPerson(world);
      const { setting, code, missing } = life.lacking;
      if (setting !== undefined) world.store(provider).set(setting, true);
      const { finish } = await begin(world, life, other, life.lacking);
      const reply = await finish();
      if (setting !== undefined) world.store(provider).delete(setting);
      if (code !== undefined) {
        expect(reply, reply.text).toMatchObject({ status: 422, body: { code } });
        expect(reply.body.detail.length).toBeGreaterThan(40);
        expect((await other.at.get('/api/connectors/list')).body.connections).toEqual([]);
      } else {
        expect(reply.status, reply.text).toBe(life.key ? 201 : 200);
        expect(reply.body.missing_scopes).toEqual(missing);
        await other.at.delete(`/api/connectors/${provider}`);
      }
    });

    test('refuses what is no key or code of anybody, and keeps what it has', async () => {
      const before = await listed(person);
      if (life.key) {
        const odd = await connect(person.at, provider, { ...key, api_key: 'no key of anybody\u0000' });
        expect(odd).toMatchObject({ status: 422, body: { code: 'invalid_credential' } });
        expect(world.gateway.count(provider)).toBe(0);
        const unknown = await connect(person.at, provider, { ...key, api_key: anothers(key.api_key) });
        expect(unknown.status, unknown.text).toBe(422);
        expect(unknown.body.detail.length).toBeGreaterThan(40);
      } else {
        const url = await callbackUrl(person.at, provider);
        const code = url.searchParams.has('auth_code') ? 'auth_code' : 'code';
        const wrong = altered(url, { [code]: 'nobodys' });
        const reply = await present(
          person.at,
          wrong.searchParams.has('hmac') ? signedAgain(world, wrong) : wrong,
        );
        expect(reply, reply.text).toMatchObject({ status: 502, body: { code: 'provider_error' } });
      }
      expect(await listed(person)).toBe(before);
    });

    test.each(faults)('keeps what it has where the provider %s', async (_, fault, status, code) => {
      const before = await listed(person);
      const { finish } = await begin(world, life, person);
      for (const ask of [finish, () => person.at.post(`/api/connectors/${provider}/test`)]) {
        world.gateway.misbehave({ provider, ...fault });
        const reply = await ask();
        expect(reply.status, reply.text).toBe(status);
        expect(reply.body.code).toBe(code);
        if (status === 503) {
          const asked = fault.respond?.headers?.['retry-after'];
          expect(reply.headers.get('retry-after')).toBe(asked ?? '60');
        }
      }
      expect(await listed(person)).toBe(before);
    });

    test('says so once access was taken away at the provider, and works again after another connect', async () => {
      await life.end(world, key.api_key);
      const dead = await person.at.post(`/api/connectors/${provider}/test`);
      expect(dead.status, dead.text).toBe(200);
      expect(dead.body).toMatchObject({
        status: 'reauthorization_required',
        tools: [],
        last_error: { code: 'invalid_credential' },
      });
      expect(dead.body.last_error.message.length).toBeGreaterThan(40);
      world.store(provider).delete('settings.apiTokensRemoved');
      const begun = await begin(world, life, person);
      key = begun.key;
      const reply = await begun.finish();
      expect(reply.status, reply.text).toBe(200);
      expect(reply.body).toMatchObject({ status: 'connected', account: life.account, last_error: null });
    });

    test('disconnects, ends what is ours to end, and says what is left to do', async () => {
      // What the last connect has replaced is ended first.
      await fireCron(world, 'revocation');
      await quiet(world);
      const reply = await person.at.delete(`/api/connectors/${provider}`);
      const revocation = life.isAlive ? 'revoked' : 'unsupported';
      expect(reply.body).toEqual({ provider, status: 'disconnected', revocation });
      if (life.isAlive) expect(life.isAlive(world, key.api_key)).toBe(false);
      const rows = await world.sql(
        'select credential, refresh_token from connections where provider = $1 and user_id = $2',
        [provider, person.id],
      );
      expect(rows).toEqual([{ credential: null, refresh_token: null }]);
      const { connectors } = (await person.at.get('/api/connectors')).body;
      const entry = connectors.find((each: { provider: string }) => each.provider === provider);
      if (!life.isAlive) expect(entry.disconnect_help.length).toBeGreaterThan(20);
      const after = await person.at.post(`/api/connectors/${provider}/test`);
      expect(after).toMatchObject({ status: 404, body: { code: 'not_connected' } });
    });
  },
);

/** A connect that lacks only its last request, so that a provider can be bent before it. */
async function begin(
  world: TestWorld,
  life: Life,
  person: Person,
  given: Pick<FlowOptions, 'account' | 'scopes' | 'query'> & Pick<Life['lacking'], 'key' | 'asked'> = {},
): Promise<{ key: { api_key: string; config: Record<string, string> }; finish: () => Promise<Reply> }> {
  const { provider } = life;
  if (life.key) {
    const key = issueKey(world, provider, given.key ?? life.key);
    return { key, finish: () => connect(person.at, provider, key) };
  }
  const query = { ...(provider === 'shopify' && { shop: 'north-store.myshopify.com' }), ...given.query };
  const url = await authorize(person.at, provider, { query });
  if (given.asked !== undefined) url.searchParams.set('scope', given.asked);
  const back = await consent(url, given);
  return { key: { api_key: '', config: {} }, finish: () => present(person.at, back) };
}

async function listed(person: Person): Promise<string> {
  return (await person.at.get('/api/connectors/list')).text;
}

/** A key alike in form that the provider does not know. */
function anothers(key: string): string {
  const other = (text: string) => text.slice(0, -1) + (text.endsWith('a') ? 'b' : 'a');
  if (!key.startsWith('{')) return other(key);
  const file = JSON.parse(key) as { private_key_id: string };
  return JSON.stringify({ ...file, private_key_id: other(file.private_key_id) });
}
