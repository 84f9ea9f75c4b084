import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { newBrand, newTeam } from './chaos/owners-leave/cast.ts';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { happens, type Way, ways } from './chaos/owners-leave/ways.ts';
import { githubAppEnv, happen, lookedAfter, ownAccount, ownShop } from './functions/webhooks/looked-after.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { openWorld, type TestWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { type Agent, startAgent } from './world/agent.ts';
import { openClock } from './world/clock.ts';
import { type TokenRecord, tokenRecords } from './world/providers/github/tokens.ts';
import { githubInstallations, githubTokens } from './world/providers/github.ts';
import { shopifyTokens } from './world/providers/shopify.ts';

const MINUTE = 60_000;
const clock = openClock();
const world = await openWorld({ now: clock.now });
const appWorld = await openWorld({ now: clock.now, env: githubAppEnv() });
await clock.rule(world);
await clock.rule(appWorld);
world.store('github').set('settings.expiring', true);

const secret = `whsec_${Buffer.alloc(24, 'a team’s own').toString('base64')}`;
const [first, second] = [await startAgent(secret, 0, clock.now), await startAgent(secret, 0, clock.now)];
const agents = { first, second, none: world.agent };
afterAll(() => Promise.all([first.close(), second.close()]));

beforeEach(async () => {
  world.store('shopify').delete('settings.deadRefreshToken');
  for (const each of [world, appWorld]) {
    each.reset();
    await quiet(each);
  }
});

/** Two teams, each with its agent, a brand of the first, and somebody who owns what is connected there. */
async function household({ isInBoth = false } = {}) {
  const from = await newTeam(world, { url: first.url, secret });
  const to = await newTeam(world, { url: second.url, secret });
  const owner = await newPerson(world, { teams: isInBoth ? [from, to] : [from] });
  return { owner, brand: await newBrand(world, from), ids: { owner: owner.id, from, to } };
}

/** Connects a shop, and gives the connection's id. */
async function withShop({ at }: Person, shop: string, brand?: string): Promise<string> {
  const reply = await connectByOAuth(at, 'shopify', { ...(brand && { brand }), query: { shop } });
  expect(reply.status, reply.text).toBe(200);
  return String(reply.body.id);
}

const wayOf = (name: string): Way => {
  const way = ways.find((each) => each.name === name);
  if (!way) throw new Error(`no such way: ${name}`);
  return way;
};

async function rowOf(id: string, at: TestWorld = world): Promise<Record<string, unknown>> {
  const [row] = await at.sql('select * from connections where id = $1', [id]);
  return row ?? {};
}

const dueNow = (id: string, at: TestWorld = world) =>
  at.sql(`update connections set refresh_at = now() - interval '1 second' where id = $1`, [id]);

/** Minutes pass, ten at most, each with its cron worked off, until something is so. */
async function minutesUntil(isSo: () => Promise<boolean>, at: TestWorld = world): Promise<void> {
  for (let minute = 0; minute < 10; minute += 1) {
    await fireCron(at);
    await quiet(at);
    if (await isSo()) return;
    await clock.advance(MINUTE);
  }
}

const hasEnded = (id: string, at?: TestWorld) => async () => (await rowOf(id, at)).status === 'disconnected';

/** What each agent has been told of a connection by now. */
function toldOf(id: string): Record<keyof typeof agents, string[]> {
  const typesAt = ({ deliveries }: Agent) =>
    deliveries
      .map(({ body }) => body as { type: string; connection_id: string })
      .filter(({ connection_id }) => connection_id === id)
      .map(({ type }) => type);
  return { first: typesAt(first), second: typesAt(second), none: typesAt(world.agent) };
}

/** What a connection's provider has told it, and was stored. */
async function topicsOf(id: string, at: TestWorld = world): Promise<unknown[]> {
  const rows = await at.sql(
    'select topic from events where connection_id = $1 and topic is not null order by id',
    [id],
  );
  return rows.map(({ topic }) => topic);
}

const livingIn = (shop: string) =>
  shopifyTokens(world.store('shopify')).filter((each) => each.shop === shop && each.alive).length;
const renewalsIn = (shop: string) =>
  world.gateway.count('shopify', new RegExp(`^POST ${shop}/admin/oauth/access_token`));

describe('a connection whose owner has left', () => {
  test.each(ways.filter(({ reason }) => reason !== null))(
    'is not refreshed for ever, and ends with its grant ($name)',
    async (way) => {
      const { owner, brand, ids } = await household();
      const shop = ownShop();
      const id = await withShop(owner, shop, brand);
      await quiet(world);
      world.gateway.reset();
      await happens(world, way, ids);
      await dueNow(id);
      const isOver = hasEnded(id);
      await minutesUntil(async () => (await isOver()) && livingIn(shop) === 0);
      expect(renewalsIn(shop), 'renewals').toBe(0);
      expect(await rowOf(id)).toMatchObject({
        status: 'disconnected',
        credential: null,
        refresh_token: null,
      });
      expect(livingIn(shop), 'living tokens at the provider').toBe(0);
      const ends = await world.sql(
        `select data::json ->> 'reason' as reason from events
         where connection_id = $1 and type = 'connection.disconnected'`,
        [id],
      );
      expect(ends).toEqual([{ reason: way.reason }]);
    },
  );

  test('is stored and told nothing any more, to the old team’s agent neither', async () => {
    const { owner, brand, ids } = await household();
    const shop = ownShop();
    const id = await withShop(owner, shop, brand);
    await fireCron(world, 'events');
    await until(() => (toldOf(id).first.length > 0 ? true : undefined));

    first.fail('error');
    await happen(world, 'shopify', 'orders/create', { account: shop });
    await until(async () => ((await topicsOf(id)).length === 1 ? true : undefined));
    await quiet(world);
    await happens(world, wayOf('brand moved away'), ids);
    first.fail(undefined);
    await happen(world, 'shopify', 'orders/create', { account: shop });
    expect(await topicsOf(id)).toEqual(['orders/create']);
    await world.sql(
      `update events set next_attempt_at = now() where connection_id = $1 and status = 'pending'`,
      [id],
    );
    await minutesUntil(hasEnded(id));
    await minutesUntil(async () => true);
    const told = toldOf(id);
    expect(told.first).toEqual(['connection.connected']);
    expect(new Set([...told.second, ...told.none, 'connection.disconnected'])).toEqual(
      new Set(['connection.disconnected']),
    );
  });

  test('keeps nobody from ending the grant: others are not answered that it is shared', async () => {
    const { owner, brand, ids } = await household();
    const other = await newPerson(world);
    const shop = ownShop();
    await withShop(other, shop);
    await withShop(owner, shop, brand);
    await happens(world, wayOf('member out of the team'), ids);
    const reply = await other.at.delete('/api/connectors/shopify');
    expect([reply.body.revocation, livingIn(shop)]).toEqual(['revoked', 0]);
  });

  test('who leaves while a refresh is under way brings nothing back, and its tokens end or wait for their end', async () => {
    const { owner, brand, ids } = await household();
    const before = githubTokens(world.store('github')).length;
    const reply = await connectByOAuth(owner.at, 'github', { brand, account: 'hubot' });
    expect(reply.status, reply.text).toBe(200);
    const id = String(reply.body.id);
    await quiet(world);
    world.gateway.reset();
    world.gateway.misbehave({ provider: 'github', match: 'access_token', times: 1, hold: 600 });
    await dueNow(id);
    await fireCron(world);
    await until(() => (world.gateway.count('github', /access_token/) === 1 ? true : undefined));
    await happens(world, wayOf('member out of the team'), ids);
    await minutesUntil(hasEnded(id));
    await quiet(world);

    expect(await rowOf(id)).toMatchObject({ status: 'disconnected', credential: null, refresh_token: null });
    const made = githubTokens(world.store('github')).slice(before);
    const pending = await world.sql('select from revocations where connection_id = $1', [id]);
    expect(made).toHaveLength(2);
    expect(pending.length > 0 || made.every(({ alive }) => !alive), 'they end, or wait for it').toBe(true);
    const calls = world.gateway.calls.filter(({ provider }) => provider === 'github').slice(1);
    const ending = calls.findIndex(({ method }) => method === 'DELETE');
    expect(ending === -1 ? calls : calls.slice(0, ending), 'uses').toEqual([]);
  });
});

test('a brand that moves takes its connections’ events with it: the team that it left gets none', async () => {
  const { owner, brand, ids } = await household({ isInBoth: true });
  const shop = ownShop();
  const id = await withShop(owner, shop, brand);
  await fireCron(world, 'events');
  await until(() => (toldOf(id).first.length > 0 ? true : undefined));
  await happens(world, wayOf('brand moved along with its owner'), ids);
  await happen(world, 'shopify', 'orders/create', { account: shop });
  await until(() => (Object.values(toldOf(id)).flat().length > 1 ? true : undefined));
  expect(toldOf(id)).toEqual({
    first: ['connection.connected'],
    second: ['shopify.order.created'],
    none: [],
  });
  await dueNow(id);
  await fireCron(world, 'refresh');
  await until(async () => (Number((await rowOf(id)).version) > 1 ? true : undefined));
  expect(await rowOf(id)).toMatchObject({ status: 'connected' });
});

test('a brand that has moved and is deleted: its end is told to the team that it was last of', async () => {
  const { owner, brand, ids } = await household({ isInBoth: true });
  const id = await withShop(owner, ownShop(), brand);
  await fireCron(world, 'events');
  await until(() => (toldOf(id).first.length > 0 ? true : undefined));
  await happens(world, wayOf('brand moved along with its owner'), ids);
  await fireCron(world);
  await quiet(world);
  await world.sql('delete from brands where id = $1', [brand]);
  await minutesUntil(hasEnded(id));
  await minutesUntil(async () => toldOf(id).second.length > 0);
  expect(toldOf(id)).toEqual({
    first: ['connection.connected'],
    second: ['connection.disconnected'],
    none: [],
  });
});

test('a team’s own agent does not stay after the team', async () => {
  const [gone, other] = [
    await newTeam(world, { url: first.url, secret }),
    await newTeam(world, { url: first.url, secret }),
  ];
  const left = async () =>
    (await world.sql('select tenant_id from agents where tenant_id = any ($1)', [[gone, other]])).map(
      ({ tenant_id }) => tenant_id,
    );
  await world.sql('delete from teams where id = $1', [gone]);
  await minutesUntil(async () => !(await left()).includes(gone));
  expect(await left()).toEqual([other]);
});

describe('a shop that an agency and its owner have connected', () => {
  /** The agency comes first, so that the owner's sign-in takes its refresh token away. */
  async function bothIn(shop: string) {
    const { owner: agency, brand } = await household();
    const owner = await newPerson(world);
    const theirs = await withShop(agency, shop, brand);
    const own = await withShop(owner, shop);
    return { agency, owner, brand, theirs, own };
  }
  const tried = async (id: string, before: Record<string, unknown>) => {
    await dueNow(id);
    await fireCron(world, 'refresh');
    return until(async () => {
      const row = await rowOf(id);
      const isTried = ['version', 'failures', 'status'].some((name) => row[name] !== before[name]);
      return isTried && row.lease_id === null ? row : undefined;
    });
  };

  test('lets the agency that the owner has cut off not in again by the owner’s new tokens', async () => {
    const shop = ownShop();
    const { agency, owner, brand, theirs } = await bothIn(shop);
    // As merchants' apps have seen a refresh be refused; and nobody hears of the uninstallation.
    world.store('shopify').set('settings.deadRefreshToken', 'invalid_request');
    const token = shopifyTokens(world.store('shopify')).findLast((each) => each.shop === shop)?.token ?? '';
    const url = `https://${shop}/admin/api_permissions/current.json`;
    const uninstall = { method: 'DELETE', headers: { 'x-shopify-access-token': token } };
    await world.gateway.simulator('shopify').fetch(new Request(url, uninstall));
    expect(livingIn(shop)).toBe(0);
    await withShop(owner, shop);
    expect(livingIn(shop)).toBe(1);

    // Whoever signs in has the others on the grant renewed; where that was lost, the cron does.
    await dueNow(theirs);
    await fireCron(world);
    const row = await until(async () => {
      const now = await rowOf(theirs);
      return now.status === 'connected' && now.failures === 0 ? undefined : now;
    });
    expect(row).toMatchObject({ status: 'reauthorization_required', refresh_at: null });
    const tested = await agency.at.post('/api/connectors/shopify/test', { brand });
    expect(tested.body.status).toBe('reauthorization_required');
    expect((await owner.at.post('/api/connectors/shopify/test')).body.status).toBe('connected');
  });

  test('goes on for both where the other has merely signed in anew', async () => {
    const { agency, owner, brand, theirs, own } = await bothIn(ownShop());
    for (const id of [theirs, own, theirs])
      expect(await tried(id, await rowOf(id))).toMatchObject({ status: 'connected', last_error_code: null });
    expect((await agency.at.post('/api/connectors/shopify/test', { brand })).body.status).toBe('connected');
    expect((await owner.at.post('/api/connectors/shopify/test')).body.status).toBe('connected');
  });
});

describe('a GitHub App’s connection', () => {
  async function connectedApp(account: string): Promise<{ person: Person; id: string }> {
    const person = await newPerson(appWorld);
    const reply = await connectByOAuth(person.at, 'github', { account });
    expect(reply.status, reply.text).toBe(200);
    return { person, id: String(reply.body.id) };
  }
  /** As in the person's settings, where GitHub's word of it is lost. */
  const revokeUnheard = (login: string) => {
    const store = appWorld.store('github');
    for (const record of tokenRecords(store).filter((each) => each.login === login))
      store.set(`token/${record.token}`, { ...record, revoked: true } satisfies TokenRecord);
  };
  const isOver = (id: string) =>
    until(async () => {
      const { status } = await rowOf(id, appWorld);
      return status === 'reauthorization_required' ? true : undefined;
    });

  test.each<[string, (person: Person, id: string) => Promise<unknown>]>([
    [
      'GitHub has told of',
      () => happen(appWorld, 'github', 'github_app_authorization', { action: 'revoked', account: 'octocat' }),
    ],
    [
      'a refresh has told of',
      async (_, id) => {
        revokeUnheard('octocat');
        await dueNow(id, appWorld);
        await fireCron(appWorld, 'refresh');
      },
    ],
    [
      'a test has told of',
      async ({ at }) => {
        revokeUnheard('octocat');
        await at.post('/api/connectors/github/test');
      },
    ],
  ])('whose authorization has ended, which %s, hears of no private push any more', async (_, end) => {
    const { person, id } = await connectedApp('octocat');
    await happen(appWorld, 'github', 'push', { repository: 'octocat/launch-plans' });
    expect(await topicsOf(id, appWorld)).toEqual(['push']);
    await end(person, id);
    await isOver(id);
    await happen(appWorld, 'github', 'push', { repository: 'octocat/launch-plans' });
    const topics = (await topicsOf(id, appWorld)).filter((topic) => topic === 'push');
    expect(topics, 'stored').toEqual(['push']);
  });

  test('that lives hears of a repository that its user has lost for an hour at most', async () => {
    await happen(appWorld, 'github', 'installation', { action: 'created', account: 'octo-org' });
    const { id } = await connectedApp('hubot');
    expect((await lookedAfter(appWorld, id)).status).toBe('active');
    await happen(appWorld, 'github', 'push', { repository: 'octo-org/roadmap' });
    expect(await topicsOf(id, appWorld)).toEqual(['push']);

    const organization = githubInstallations(appWorld.store('github')).find(
      ({ account, installed }) => account === 'octo-org' && installed,
    );
    appWorld.gateway.decide(({ path }) =>
      path === `/user/installations/${organization?.id}/repositories`
        ? { respond: { status: 200, body: '{"total_count":0,"repositories":[]}' } }
        : undefined,
    );
    // The cron is never away.
    for (let passed = 0; passed < 60; passed += 5) {
      await clock.advance(5 * MINUTE);
      await fireCron(appWorld, 'webhooks');
      await quiet(appWorld);
    }
    await happen(appWorld, 'github', 'push', { repository: 'octo-org/roadmap' });
    expect(await topicsOf(id, appWorld)).toEqual(['push']);
    expect(await rowOf(id, appWorld)).toMatchObject({ status: 'connected' });
  });
});

describe('what a person in two teams has connected without a brand', () => {
  test('is theirs alone: no team sees it, whichever sorts first', async () => {
    const [one, other] = [await household(), await household()];
    const person = await newPerson(world, { teams: [one.ids.from, other.ids.from] });
    const reply = await connect(person.at, 'stripe', issueKey(world, 'stripe', ownAccount()));
    expect(reply.status, reply.text).toBe(201);
    for (const { owner } of [one, other]) {
      const seen = await owner.at.get('/api/connectors/list?scope=team');
      expect(seen.body.connections.map((each: { id: string }) => each.id)).not.toContain(reply.body.id);
    }
    const mine = await person.at.get('/api/connectors/list');
    expect(mine.body.connections.map((each: { id: string }) => each.id)).toEqual([reply.body.id]);
  });

  test('tells no team’s own agent what happens', async () => {
    const { ids } = await household();
    const person = await newPerson(world, { teams: [ids.from, ids.to] });
    const account = ownAccount();
    const reply = await connect(person.at, 'stripe', issueKey(world, 'stripe', account));
    expect(reply.status, reply.text).toBe(201);
    const id = String(reply.body.id);
    await happen(world, 'stripe', 'invoice.created', { account: account.accountId });
    await fireCron(world, 'events');
    await until(() => (Object.values(toldOf(id)).flat().length > 1 ? true : undefined));
    const told = toldOf(id);
    expect({ ...told, none: [...told.none].sort() }).toEqual({
      first: [],
      second: [],
      none: ['connection.connected', 'stripe.invoice.created'],
    });
  });

  test('goes to no team’s agent any more once its owner has joined a second', async () => {
    const { owner, ids } = await household();
    const account = ownAccount();
    const reply = await connect(owner.at, 'stripe', issueKey(world, 'stripe', account));
    const id = String(reply.body.id);
    await fireCron(world, 'events');
    await until(() => (toldOf(id).first.length > 0 ? true : undefined));
    await happens(world, wayOf('second team joined'), ids);
    await happen(world, 'stripe', 'invoice.created', { account: account.accountId });
    await until(() => (Object.values(toldOf(id)).flat().length > 1 ? true : undefined));
    expect(toldOf(id)).toEqual({
      first: ['connection.connected'],
      second: [],
      none: ['stripe.invoice.created'],
    });
  });

  test('ends with them, which the team that it once was of is not told', async () => {
    const { owner, ids } = await household();
    const reply = await connect(owner.at, 'stripe', issueKey(world, 'stripe', ownAccount()));
    const id = String(reply.body.id);
    await fireCron(world, 'events');
    await until(() => (toldOf(id).first.length > 0 ? true : undefined));
    await happens(world, wayOf('second team joined'), ids);
    await fireCron(world);
    await quiet(world);
    await world.sql('delete from users where id = $1', [owner.id]);
    await minutesUntil(hasEnded(id));
    const isSettled = async () =>
      (await world.sql(`select from events where connection_id = $1 and status = 'pending'`, [id])).length ===
      0;
    await minutesUntil(isSettled);
    expect(await isSettled()).toBe(true);
    expect(toldOf(id)).toMatchObject({ first: ['connection.connected'], second: [] });
  });
});
