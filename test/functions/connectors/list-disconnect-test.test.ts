import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectionBody } from '../../../lib/http/bodies.ts';
import type { Client } from '../../support/client.ts';
import { fireCron } from '../../support/cron.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, connectWithNewKey, issueKey } from '../../support/keys.ts';
import { brands, openWorld, teams } from '../../support/open-world.ts';
import { newPerson, type Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { quiet, tripsOf, until } from '../../support/trips.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';
import { expireStripeKey } from '../../world/providers/stripe.ts';

const world = await openWorld();
afterEach(() => world.reset());

const LIST = '/api/connectors/list';

let shops = 0;
/** A shop that nobody else has; every shop is a grant of its own. */
const newShop = () => `shop-${++shops}.myshopify.com`;

async function connectShop(client: Client, shop: string, brand?: string): Promise<void> {
  const reply = await connectByOAuth(client, 'shopify', {
    query: { shop },
    ...(brand !== undefined && { brand }),
  });
  expect(reply.status, reply.text).toBe(200);
}

async function connectGitHub(client: Client, account: 'octocat' | 'hubot', brand?: string): Promise<void> {
  const reply = await connectByOAuth(client, 'github', { account, ...(brand !== undefined && { brand }) });
  expect(reply.status, reply.text).toBe(200);
}

const livingShopTokens = (shop: string) =>
  shopifyTokens(world.store('shopify')).filter((each) => each.shop === shop && each.alive);
const livingGitHubTokens = (login: string) =>
  githubTokens(world.store('github')).filter((each) => each.login === login && each.alive);
const REVOKING = /^DELETE /;
const ENDING_GRANT = /^DELETE .*\/grant$/;

async function connectionsOf(person: Person): Promise<Record<string, unknown>[]> {
  return sql(world, 'select * from connections where user_id = $1 order by provider, brand_id', [person.id]);
}

async function revocationsOf(person: Person): Promise<Record<string, unknown>[]> {
  return sql(world, 'select * from revocations where user_id = $1', [person.id]);
}

describe('the list', () => {
  test('holds every connection of the scope, by provider', async () => {
    const person = await newPerson(world);
    const zendesk = await connectWithNewKey(world, person.at, 'zendesk');
    const stripe = await connectWithNewKey(world, person.at, 'stripe');
    await connectShop(person.at, newShop());
    const list = await person.at.get(LIST);
    expect(list.body.connections.map((each: { provider: string }) => each.provider)).toEqual([
      'shopify',
      'stripe',
      'zendesk',
    ]);
    expect(list.body.connections[1]).toEqual(stripe.reply.body);
    expect(list.body.connections[2]).toEqual(zendesk.reply.body);
    for (const each of list.body.connections)
      expect(Object.keys(each).sort()).toEqual(Object.keys(connectionBody.shape).sort());
    expect((await person.at.get(`${LIST}?scope=mine`)).body).toEqual(list.body);
  });

  test('of nothing is empty', async () => {
    const person = await newPerson(world);
    for (const scope of ['mine', 'team'])
      expect((await person.at.get(`${LIST}?scope=${scope}`)).body).toEqual({ connections: [] });
  });

  test('of a team is by provider and age, and names the owners', async () => {
    const [one, two] = await Promise.all([
      newPerson(world, { name: 'One', teams: [teams.theirs] }),
      newPerson(world, { name: 'Two', teams: [teams.theirs] }),
    ]);
    for (const { at } of [two, one]) await connectWithNewKey(world, at, 'stripe', { brand: brands.rival });
    await connectWithNewKey(world, one.at, 'zendesk', { brand: brands.rival });
    const list = await one.at.get(`${LIST}?scope=team`, { brand: brands.rival });
    expect(
      list.body.connections.map((each: { provider: string; user: object }) => [each.provider, each.user]),
    ).toEqual([
      ['stripe', { id: two.id, name: 'Two' }],
      ['stripe', { id: one.id, name: 'One' }],
      ['zendesk', { id: one.id, name: 'One' }],
    ]);
  });

  test.each(['scope=all', 'scope=', 'scope=MINE', 'scope=mine&scope=team', 'scope[]=mine&scope=x'])(
    'with %s is refused',
    async (query) => {
      const reply = await world.ada.get(`${LIST}?${query}`);
      expect([reply.status, reply.body.code]).toEqual([400, 'invalid_request']);
      expect(reply.body.errors[0].path).toBe('scope');
    },
  );

  test('keeps what was disconnected, without tools, and its row without a credential', async () => {
    const person = await newPerson(world);
    const { reply } = await connectWithNewKey(world, person.at, 'stripe');
    await connectShop(person.at, newShop());
    for (const provider of ['stripe', 'shopify'])
      expect((await person.at.delete(`/api/connectors/${provider}`)).status).toBe(200);
    const list = await person.at.get(LIST);
    expect(list.body.connections).toHaveLength(2);
    for (const each of list.body.connections)
      expect(each).toMatchObject({ status: 'disconnected', tools: [], expires_at: null, last_error: null });
    expect(list.body.connections[1]).toMatchObject({ id: reply.body.id, account: reply.body.account });
    for (const row of await connectionsOf(person))
      expect(row).toMatchObject({ credential: null, refresh_token: null, data_key_id: null });
  });

  test('takes one statement, and neither KMS, nor KV, nor a provider', async () => {
    const person = await newPerson(world);
    await connectWithNewKey(world, person.at, 'stripe');
    for (const scope of ['mine', 'team']) {
      const { trips } = await tripsOf(world, () => person.at.get(`${LIST}?scope=${scope}`));
      expect(trips).toEqual({ postgres: 1, kms: 0, kv: 0, provider: 0 });
    }
  });

  test('says 503 with Retry-After while PostgreSQL is down', async () => {
    world.neon.faults.down(true);
    expect((await world.ada.get(LIST)).body.code).toBe('unavailable');
  });
});

describe('disconnecting', () => {
  test('GitHub ends the grant there', async () => {
    const person = await newPerson(world);
    await connectGitHub(person.at, 'octocat');
    expect(livingGitHubTokens('octocat')).not.toEqual([]);
    const reply = await person.at.delete('/api/connectors/github');
    expect([reply.status, reply.body]).toEqual([
      200,
      { provider: 'github', status: 'disconnected', revocation: 'revoked' },
    ]);
    expect(livingGitHubTokens('octocat')).toEqual([]);
    expect(world.gateway.count('github', /^DELETE .*\/grant$/)).toBe(1);
    expect(await revocationsOf(person)).toEqual([]);
  });

  test('Shopify uninstalls the app', async () => {
    const person = await newPerson(world);
    const shop = newShop();
    await connectShop(person.at, shop);
    expect((await person.at.delete('/api/connectors/shopify')).body.revocation).toBe('revoked');
    expect(livingShopTokens(shop)).toEqual([]);
    expect(await revocationsOf(person)).toEqual([]);
  });

  test.each(['stripe', 'zendesk'] as const)(
    '%s says that the key is a person’s to delete, and forgets it',
    async (provider) => {
      const person = await newPerson(world);
      await connectWithNewKey(world, person.at, provider);
      world.reset();
      expect((await person.at.delete(`/api/connectors/${provider}`)).body).toEqual({
        provider,
        status: 'disconnected',
        revocation: 'unsupported',
      });
      const asked = world.gateway.calls.map(({ method, path }) => `${method} ${path}`);
      // Its webhook is all that can be taken away.
      if (provider === 'stripe')
        expect(asked).toEqual([
          'GET /v1/webhook_endpoints',
          expect.stringMatching(/^DELETE \/v1\/webhook_endpoints\/we_/),
        ]);
      else expect(asked).toEqual([]);
      expect(await revocationsOf(person)).toEqual([]);
      expect(await connectionsOf(person)).toMatchObject([{ credential: null, status: 'disconnected' }]);
    },
  );

  test('a second time finds nothing, and neither does a test', async () => {
    const person = await newPerson(world);
    await connectShop(person.at, newShop());
    expect((await person.at.delete('/api/connectors/shopify')).status).toBe(200);
    world.reset();
    for (const reply of [
      await person.at.delete('/api/connectors/shopify'),
      await person.at.post('/api/connectors/shopify/test'),
    ])
      expect([reply.status, reply.body.code]).toEqual([404, 'not_connected']);
    expect(world.gateway.calls).toEqual([]);
  });

  test.each(['nobody', 'Stripe', '__proto__', 'constructor', '%00', 'stripe%2f', '..%2flist'])(
    'an unknown provider is a 404: %s',
    async (id) => {
      for (const reply of [
        await world.ada.delete(`/api/connectors/${id}`),
        await world.ada.post(`/api/connectors/${id}/test`),
      ])
        expect([reply.status, reply.body.code]).toEqual([404, 'unknown_provider']);
    },
  );

  const gone = { status: 401, body: '{"message":"Bad credentials"}' };

  test.each([404, 422])(
    'GitHub counts as revoked where it says %i, there is no such token',
    async (status) => {
      const person = await newPerson(world);
      await connectGitHub(person.at, 'octocat');
      world.gateway.misbehave({ provider: 'github', match: '^DELETE', respond: { status, body: '{}' } });
      world.gateway.misbehave({ provider: 'github', match: '^GET .*/user', respond: gone });
      expect((await person.at.delete('/api/connectors/github')).body.revocation).toBe('revoked');
      expect(await revocationsOf(person)).toEqual([]);
    },
  );

  test('Shopify counts as revoked where the app is gone already', async () => {
    const person = await newPerson(world);
    const shop = newShop();
    await connectShop(person.at, shop);
    const gone = await newPerson(world);
    await connectShop(gone.at, shop);
    // While the first one goes on with the newer pair, a refusal says nothing of the grant.
    await quiet(world);
    world.gateway.misbehave({ provider: 'shopify', match: '^DELETE', respond: { status: 401, body: '{}' } });
    world.gateway.misbehave({ provider: 'shopify', match: 'graphql', respond: { status: 401, body: '{}' } });
    expect((await gone.at.delete('/api/connectors/shopify')).body.revocation).toBe('shared');
    expect((await person.at.delete('/api/connectors/shopify')).body.revocation).toBe('revoked');
  });

  test('twice at once is done once', async () => {
    const person = await newPerson(world);
    await connectShop(person.at, newShop());
    const replies = await Promise.all(
      Array.from({ length: 5 }, () => person.at.delete('/api/connectors/shopify')),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404]);
    expect(world.gateway.count('shopify', REVOKING)).toBe(1);
  });

  test('twice at once is done once, where nothing is revoked', async () => {
    const person = await newPerson(world);
    await connectWithNewKey(world, person.at, 'stripe');
    const replies = await Promise.all([0, 1].map(() => person.at.delete('/api/connectors/stripe')));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 404]);
  });

  test('a grant that another connection lives on leaves it to the last of them', async () => {
    const person = await newPerson(world, { teams: [teams.ours] });
    await connectGitHub(person.at, 'hubot');
    await connectGitHub(person.at, 'hubot', brands.north);
    // The first one goes on with the newer token, and its own is ended.
    await quiet(world);
    expect(livingGitHubTokens('hubot')).toHaveLength(1);
    const first = await person.at.delete('/api/connectors/github');
    expect(first.body.revocation).toBe('shared');
    expect(world.gateway.count('github', ENDING_GRANT)).toBe(0);
    expect(await revocationsOf(person)).toEqual([]);
    const still = await person.at.post('/api/connectors/github/test', { brand: brands.north });
    expect(still.body.status).toBe('connected');
    const last = await person.at.delete('/api/connectors/github', { brand: brands.north });
    expect(last.body.revocation).toBe('revoked');
    expect(world.gateway.count('github', ENDING_GRANT)).toBe(1);
    expect(livingGitHubTokens('hubot')).toEqual([]);
  });

  test('the last two on a grant at once revokes it exactly once', async () => {
    for (let round = 0; round < 4; round += 1) {
      const person = await newPerson(world, { teams: [teams.ours] });
      const shop = newShop();
      await connectShop(person.at, shop);
      await connectShop(person.at, shop, brands.north);
      await quiet(world);
      world.reset();
      const replies = await Promise.all([
        person.at.delete('/api/connectors/shopify'),
        person.at.delete('/api/connectors/shopify', { brand: brands.north }),
      ]);
      expect(replies.map(({ body }) => body.revocation).sort()).toEqual(['revoked', 'shared']);
      expect(world.gateway.count('shopify', REVOKING)).toBe(1);
      expect(livingShopTokens(shop)).toEqual([]);
    }
  });

  test('while a connect to the same shop is under way leaves a connection whose test tells the truth', async () => {
    const [one, two] = await Promise.all([newPerson(world), newPerson(world)]);
    const shop = newShop();
    await connectShop(one.at, shop);
    const query = { shop };
    const [gone, come] = await Promise.all([
      one.at.delete('/api/connectors/shopify'),
      connectByOAuth(two.at, 'shopify', { query }),
    ]);
    // While the shop's token is being revoked nobody else gets it.
    expect([200, 409], come.text).toContain(come.status);
    if (come.status === 409) await connectShop(two.at, shop);
    const works = await two.at.post('/api/connectors/shopify/test');
    // Whichever came first.
    expect(works.body.status, gone.text).toBe(
      livingShopTokens(shop).length > 0 ? 'connected' : 'reauthorization_required',
    );
  });

  test.each([
    ['KMS is down', () => world.kms.faults.down(true)],
    [
      'the provider is down',
      () => world.gateway.misbehave({ provider: 'shopify', match: '^DELETE', respond: { status: 503 } }),
    ],
    [
      'the provider breaks the connection',
      () => world.gateway.misbehave({ provider: 'shopify', match: '^DELETE', drop: 'before' }),
    ],
  ])('makes the connection unusable at once, though %s', async (_, fault) => {
    const person = await newPerson(world);
    await connectShop(person.at, newShop());
    fault();
    const reply = await person.at.delete('/api/connectors/shopify');
    expect(reply.status).toBe(200);
    expect(['pending', 'revoked']).toContain(reply.body.revocation);
    expect((await person.at.post('/api/connectors/shopify/test')).body.code).toBe('not_connected');
    expect(await connectionsOf(person)).toMatchObject([{ credential: null, refresh_token: null }]);
    const pending = reply.body.revocation === 'pending' ? [{ credential: expect.any(Buffer) }] : [];
    expect(await revocationsOf(person)).toMatchObject(pending);
    await sql(world, 'delete from revocations');
  });

  test('says 503 while PostgreSQL is down, and the connection lives on', async () => {
    const person = await newPerson(world);
    await connectShop(person.at, newShop());
    const before = await connectionsOf(person);
    world.reset();
    world.neon.faults.down(true);
    expect((await person.at.delete('/api/connectors/shopify')).body.code).toBe('unavailable');
    expect(world.gateway.calls).toEqual([]);
    world.reset();
    expect(await connectionsOf(person)).toEqual(before);
  });

  test('whose acknowledgement is lost is still done, and says so', async () => {
    const person = await newPerson(world);
    const shop = newShop();
    await connectShop(person.at, shop);
    world.neon.faults.failNext(1, { after: true, match: /insert into revocations/ });
    const reply = await person.at.delete('/api/connectors/shopify');
    expect([reply.status, reply.body.status], reply.text).toEqual([200, 'disconnected']);
    expect(await connectionsOf(person)).toMatchObject([{ status: 'disconnected', credential: null }]);
    await sql(world, 'delete from revocations');
  });

  test('takes two statements, the revocation and a question after it, and two of each more where a webhook is taken away', async () => {
    const person = await newPerson(world);
    await connectShop(person.at, newShop());
    const revoked = await tripsOf(world, () => person.at.delete('/api/connectors/shopify'));
    expect(revoked.reply.body.revocation).toBe('revoked');
    expect(revoked.trips).toEqual({ postgres: 2, kms: 0, kv: 0, provider: 2 });

    await connectWithNewKey(world, person.at, 'stripe');
    const forgotten = await tripsOf(world, () => person.at.delete('/api/connectors/stripe'));
    expect(forgotten.trips).toEqual({ postgres: 4, kms: 0, kv: 0, provider: 2 });
  });
});

describe('connecting anew after a disconnect', () => {
  test('makes a new connection, which works', async () => {
    const person = await newPerson(world);
    const first = await connectWithNewKey(world, person.at, 'stripe');
    await person.at.delete('/api/connectors/stripe');
    const again = await connect(person.at, 'stripe', first.key);
    expect(again.status, again.text).toBe(201);
    expect(again.body).toMatchObject({ status: 'connected', tools: ['reeve_revenue'] });
    expect(again.body.id).not.toBe(first.reply.body.id);
    expect((await person.at.post('/api/connectors/stripe/test')).body.status).toBe('connected');
    expect((await person.at.get(LIST)).body.connections).toHaveLength(1);
  });

  test('may be to another account, without a word of replacing', async () => {
    const person = await newPerson(world);
    await connectWithNewKey(world, person.at, 'stripe');
    await person.at.delete('/api/connectors/stripe');
    await connectWithNewKey(world, person.at, 'stripe', { key: { name: 'Other' } });
  });
});

describe('what a disconnect left pending', () => {
  const down = (shop: string, respond = { status: 500 }) =>
    world.gateway.misbehave({ provider: 'shopify', match: `^DELETE ${shop}`, respond });

  /** A person who has connected a shop and left it while the shop would not hear of it. */
  async function leave(fault: (shop: string) => void, outcome = 'pending') {
    const person = await newPerson(world);
    const shop = newShop();
    await connectShop(person.at, shop);
    fault(shop);
    const reply = await person.at.delete('/api/connectors/shopify');
    expect(reply.body.revocation).toBe(outcome);
    world.reset();
    return { person, shop, left: await revocationsOf(person), alive: livingShopTokens(shop).length };
  }

  /** Fires the cron, and gives its log line. */
  /** Makes everything due, fires the cron, and waits until every row has been tried: it is gone, or says why not. */
  async function sweep(): Promise<void> {
    await sql(
      world,
      `update revocations set next_attempt_at = now() - interval '1 second', last_error_code = null`,
    );
    await fireCron(world);
    await until(async () => {
      const untried = await sql(world, 'select from revocations where last_error_code is null');
      return untried.length === 0 ? true : undefined;
    });
  }

  let heals: Awaited<ReturnType<typeof leave>>;
  let answerLost: Awaited<ReturnType<typeof leave>>;
  let databaseLost: Awaited<ReturnType<typeof leave>>;
  let elsewhere: Awaited<ReturnType<typeof leave>>;
  let returned: Awaited<ReturnType<typeof leave>>;
  let staysDown: Awaited<ReturnType<typeof leave>>;
  let github: Person;
  let callsOfSweep: { method: string; host: string }[];

  beforeAll(async () => {
    await sql(world, 'delete from revocations');
    heals = await leave((shop) => down(shop));
    answerLost = await leave((shop) =>
      world.gateway.misbehave({ provider: 'shopify', match: `^DELETE ${shop}`, drop: 'after' }),
    );
    databaseLost = await leave(
      () => world.neon.faults.failNext(10, { after: false, match: /delete from revocations/ }),
      'revoked',
    );
    elsewhere = await leave((shop) => down(shop));
    await connectShop(elsewhere.person.at, newShop());
    returned = await leave((shop) => down(shop));
    await connectShop(returned.person.at, returned.shop);
    staysDown = await leave((shop) => down(shop));

    github = await newPerson(world);
    await connectGitHub(github.at, 'octocat');
    world.gateway.misbehave({ provider: 'github', match: '^DELETE', respond: { status: 500 } });
    expect((await github.at.delete('/api/connectors/github')).body.revocation).toBe('pending');
    world.reset();

    down(staysDown.shop, { status: 429 });
    await sweep();
    callsOfSweep = [...world.gateway.calls];
  });

  test('holds the only envelope there is, and no live connection', () => {
    expect(heals.left).toMatchObject([
      { provider: 'shopify', credential: expect.any(Buffer), last_error_code: 'status_500', attempts: 1 },
    ]);
    expect(heals.alive).toBeGreaterThan(0);
  });

  test('is revoked by the next sweep, and its row goes', async () => {
    expect(livingShopTokens(heals.shop)).toEqual([]);
    expect(await revocationsOf(heals.person)).toEqual([]);
    expect(livingGitHubTokens('octocat')).toEqual([]);
    expect(await revocationsOf(github)).toEqual([]);
  });

  test('is done where the provider says that it is gone: the first answer had been lost', async () => {
    expect(answerLost.alive).toBe(0);
    expect(await revocationsOf(answerLost.person)).toEqual([]);
  });

  test('is done where PostgreSQL had failed after the revocation', async () => {
    expect(databaseLost.alive).toBe(0);
    expect(databaseLost.left).toHaveLength(1);
    expect(await revocationsOf(databaseLost.person)).toEqual([]);
  });

  test('still opens when the person has connected another account meanwhile, which lives on', async () => {
    expect(livingShopTokens(elsewhere.shop)).toEqual([]);
    expect(await revocationsOf(elsewhere.person)).toEqual([]);
    const works = await elsewhere.person.at.post('/api/connectors/shopify/test');
    expect(works.body.status).toBe('connected');
  });

  test('does not end a grant that a connection lives on again', async () => {
    const works = await returned.person.at.post('/api/connectors/shopify/test');
    expect(works.body, JSON.stringify(callsOfSweep)).toMatchObject({
      status: 'connected',
      account: { id: returned.shop },
    });
  });

  test('is tried again later where the provider is still down', async () => {
    const [row] = await revocationsOf(staysDown.person);
    expect(row).toMatchObject({ attempts: 2, last_error_code: 'status_429' });
    const seconds = (Number(row?.next_attempt_at) - Date.now()) / 1000;
    expect(seconds).toBeGreaterThan(30);
    expect(seconds).toBeLessThan(3_600);
    expect((await staysDown.person.at.get(LIST)).body.connections[0].status).toBe('disconnected');
  });

  test('is left alone by a cron that fires before it is due', async () => {
    for (const line of [await fireCron(world, 'revocation'), await fireCron(world, 'revocation')])
      expect(line.queued).toBe(0);
    expect(await revocationsOf(staysDown.person)).toMatchObject([{ attempts: 2 }]);
    expect(world.gateway.calls).toEqual([]);
  });

  test('is given up after a day, and its envelope goes', async () => {
    await sql(world, `update revocations set give_up_at = now() - interval '1 second' where user_id = $1`, [
      staysDown.person.id,
    ]);
    await fireCron(world);
    expect(await revocationsOf(staysDown.person)).toEqual([]);
    expect(world.gateway.calls).toEqual([]);
  });
});

describe('the test', () => {
  const test_ = (person: Person, provider = 'stripe') => person.at.post(`/api/connectors/${provider}/test`);

  test.each(['stripe', 'zendesk'] as const)('of a %s connection that works says so', async (provider) => {
    const person = await newPerson(world);
    const { reply } = await connectWithNewKey(world, person.at, provider);
    const works = await test_(person, provider);
    expect(works.body).toEqual({ ...reply.body, updated_at: expect.any(String) });
    expect(Date.parse(works.body.updated_at)).toBeGreaterThanOrEqual(Date.parse(reply.body.updated_at));
  });

  test('of what signs in works too', async () => {
    const person = await newPerson(world);
    await connectShop(person.at, newShop());
    await connectGitHub(person.at, 'octocat');
    expect((await test_(person, 'shopify')).body.status).toBe('connected');
    expect((await test_(person, 'github')).body.status).toBe('connected');
    await person.at.delete('/api/connectors/github');
  });

  test('of a key that has died says that a person must act, and recovers when it lives again', async () => {
    const person = await newPerson(world);
    const { key } = await connectWithNewKey(world, person.at, 'stripe');
    const store = world.store('stripe');
    const alive = store.get(`key/${key.api_key}`);
    expireStripeKey(store, key.api_key);
    const dead = await test_(person);
    expect([dead.status, dead.body.status]).toEqual([200, 'reauthorization_required']);
    expect(dead.body).toMatchObject({
      tools: [],
      account: key.account,
      last_error: {
        code: 'invalid_credential',
        message: expect.any(String),
        at: expect.stringMatching(/Z$/),
      },
    });
    expect(dead.text).not.toContain(key.api_key.slice(-8));
    expect((await person.at.get(LIST)).body.connections).toEqual([dead.body]);
    expect(await connectionsOf(person), 'the credential is kept').toMatchObject([
      { credential: expect.any(Buffer) },
    ]);

    store.set(`key/${key.api_key}`, alive);
    const again = await test_(person);
    expect(again.body).toMatchObject({ status: 'connected', last_error: null, tools: ['reeve_revenue'] });
  });

  test('of a dead key is mended by another key of the same account', async () => {
    const person = await newPerson(world);
    const { key, reply } = await connectWithNewKey(world, person.at, 'stripe');
    expireStripeKey(world.store('stripe'), key.api_key);
    expect((await test_(person)).body.status).toBe('reauthorization_required');
    const mended = await connect(person.at, 'stripe', issueKey(world, 'stripe'));
    expect([mended.status, mended.body.id]).toEqual([200, reply.body.id]);
    expect(mended.body).toMatchObject({ status: 'connected', last_error: null });
    expect((await test_(person)).body.status).toBe('connected');
  });

  test('of a dead key stays pinned to its account', async () => {
    const person = await newPerson(world);
    const { key } = await connectWithNewKey(world, person.at, 'stripe');
    expireStripeKey(world.store('stripe'), key.api_key);
    await test_(person);
    const other = await connect(person.at, 'stripe', issueKey(world, 'stripe', { name: 'Other' }));
    expect(other.body.code).toBe('account_mismatch');
  });

  test('notices a key that now speaks for another account', async () => {
    const person = await newPerson(world);
    const { key } = await connectWithNewKey(world, person.at, 'stripe');
    world.gateway.misbehave({
      provider: 'stripe',
      respond: { status: 200, body: '{"id":"acct_SomebodyElse00"}' },
    });
    const reply = await test_(person);
    expect(reply.body).toMatchObject({
      status: 'reauthorization_required',
      account: key.account,
      last_error: { code: 'account_mismatch' },
    });
  });

  test('notices a permission that went', async () => {
    const person = await newPerson(world);
    const { key } = await connectWithNewKey(world, person.at, 'stripe');
    const store = world.store('stripe');
    const record = store.get<{ permissions: string[] }>(`key/${key.api_key}`);
    store.set(`key/${key.api_key}`, { ...record, permissions: [] });
    const reply = await test_(person);
    expect(reply.body).toMatchObject({
      status: 'connected',
      account: key.account,
      missing_scopes: ['rak_accounts_kyc_basic_read'],
    });
  });

  test.each([
    ['a 500', 502, { respond: { status: 500 } }],
    ['a page', 502, { respond: { status: 200, body: '<h1>Hello</h1>' } }],
    ['a broken connection', 502, { drop: 'before' as const }],
    ['a redirect', 502, { respond: { status: 302, headers: { location: 'https://evil.example/' } } }],
    ['a 429', 503, { respond: { status: 429, headers: { 'retry-after': '21' } } }],
  ])('changes nothing where the provider gives %s', async (_, status, fault) => {
    const person = await newPerson(world);
    await connectWithNewKey(world, person.at, 'stripe');
    const before = await connectionsOf(person);
    world.gateway.misbehave({ provider: 'stripe', ...fault });
    const reply = await test_(person);
    expect(reply.status, reply.text).toBe(status);
    if (status === 503) expect(reply.headers.get('retry-after')).toBe('21');
    expect(await connectionsOf(person)).toEqual(before);
  });

  test('says 503 while PostgreSQL is down, and asks nobody', async () => {
    const person = await newPerson(world);
    await connectWithNewKey(world, person.at, 'stripe');
    world.reset();
    world.neon.faults.down(true);
    expect((await test_(person)).body.code).toBe('unavailable');
    expect(world.gateway.calls).toEqual([]);
  });

  test('says 503 where the envelope is another row’s, and asks nobody', async () => {
    const [one, two] = await Promise.all([newPerson(world), newPerson(world)]);
    await connectWithNewKey(world, one.at, 'stripe');
    await connectWithNewKey(world, two.at, 'stripe');
    await sql(
      world,
      `update connections c set credential = o.credential, data_key_id = o.data_key_id
       from connections o where c.user_id = $1 and o.user_id = $2`,
      [one.id, two.id],
    );
    world.reset();
    expect((await test_(one)).body.code).toBe('unavailable');
    expect(world.gateway.calls).toEqual([]);
  });

  test('of what was never connected is a 404', async () => {
    const person = await newPerson(world);
    for (const provider of ['stripe', 'zendesk', 'shopify', 'github'])
      expect((await test_(person, provider)).body.code).toBe('not_connected');
    expect(world.gateway.calls).toEqual([]);
  });

  test('while it is being disconnected never brings it back', async () => {
    for (let round = 0; round < 3; round += 1) {
      const person = await newPerson(world);
      await connectWithNewKey(world, person.at, 'stripe');
      world.gateway.misbehave({ provider: 'stripe', times: 1, delay: 60 });
      const [tested] = await Promise.all([test_(person), person.at.delete('/api/connectors/stripe')]);
      expect([200, 404, 409]).toContain(tested.status);
      const [row] = await connectionsOf(person);
      expect(row).toMatchObject({ status: 'disconnected', credential: null });
    }
  });

  test('takes two statements and one probe', async () => {
    const person = await newPerson(world);
    await connectWithNewKey(world, person.at, 'stripe');
    const { reply, trips } = await tripsOf(world, () => test_(person));
    expect(reply.status).toBe(200);
    expect(trips).toEqual({ postgres: 2, kms: 0, kv: 0, provider: 1 });
  });
});
