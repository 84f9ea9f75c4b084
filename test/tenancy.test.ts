import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { endpoints } from '../functions/endpoints.ts';
import { type Ask, Client, type Reply } from './support/client.ts';
import { authorize, consent, present } from './support/flows.ts';
import { connect, connectWithNewKey, issueKey } from './support/keys.ts';
import { brands, openWorld, teams, users } from './support/open-world.ts';
import { newPerson, newSession, newTeam } from './support/people.ts';
import { sql } from './support/sql.ts';
import { until } from './support/trips.ts';
import { shopifyTokens } from './world/providers/shopify.ts';

const world = await openWorld();
const { ada, grace, mallory } = world;
afterEach(() => world.reset());

/** A request that its own people may make, for each route that needs a session. */
const recipes: Record<string, { path: string; ask?: Ask }> = {
  'get /api/connectors': { path: '/api/connectors' },
  'get /api/connectors/list': { path: '/api/connectors/list?scope=team' },
  'post /api/connectors/connect': {
    path: '/api/connectors/connect',
    ask: { body: { provider: 'stripe', api_key: issueKey(world, 'stripe').api_key } },
  },
  'delete /api/connectors/:provider': { path: '/api/connectors/stripe' },
  'post /api/connectors/:provider/test': { path: '/api/connectors/stripe/test' },
  'get /api/connectors/github/repositories': { path: '/api/connectors/github/repositories' },
  'put /api/connectors/github/repositories': {
    path: '/api/connectors/github/repositories',
    ask: { body: { repositories: [] } },
  },
  'get /api/events': { path: '/api/events' },
  'post /api/events/:id/redeliver': { path: `/api/events/${randomUUID()}/redeliver` },
  'get /api/oauth/:provider/authorize': { path: '/api/oauth/github/authorize' },
};

const routes = endpoints
  .filter(({ contract }) => contract.access === 'session')
  .map(({ contract: { method, path } }) => ({ method: method.toUpperCase(), name: `${method} ${path}` }));

function ask(client: Client, { method, name }: (typeof routes)[number], more: Ask = {}): Promise<Reply> {
  const recipe = recipes[name];
  if (!recipe) throw new Error(`no recipe for ${name}: add one, so that tenancy is tested on it`);
  return client.send(method, recipe.path, { ...recipe.ask, ...more });
}

// Who asks, and the teams that count them in.
const leaver = await newPerson(world, { name: 'Leaver', teams: [teams.ours] });
const roles: Record<string, { client: Client; signedIn: boolean; teams: string[] }> = {
  'the owner': { client: ada, signedIn: true, teams: [teams.ours] },
  'a team mate': { client: grace, signedIn: true, teams: [teams.ours] },
  'another team’s member': { client: mallory, signedIn: true, teams: [teams.theirs] },
  'a former member': { client: leaver.at, signedIn: true, teams: [] },
  'an expired session': {
    client: await newSession(world, users.ada, '-1 second'),
    signedIn: false,
    teams: [teams.ours],
  },
  'an unknown session': { client: new Client(world, 'session-nobody-has-it'), signedIn: false, teams: [] },
  nobody: { client: new Client(world, undefined), signedIn: false, teams: [] },
};

const UNKNOWN = randomUUID();
// The scope that is asked for, and the team it belongs to.
const scopes: Record<string, { brand?: string; team: string | 'anybody' | 'nobody'; wellFormed: boolean }> = {
  none: { team: 'anybody', wellFormed: true },
  north: { brand: brands.north, team: teams.ours, wellFormed: true },
  south: { brand: brands.south, team: teams.ours, wellFormed: true },
  rival: { brand: brands.rival, team: teams.theirs, wellFormed: true },
  unknown: { brand: UNKNOWN, team: 'nobody', wellFormed: true },
  malformed: { brand: 'north', team: 'nobody', wellFormed: false },
};

/** The whole of tenancy in four lines. */
function expected(role: (typeof roles)[string], scope: (typeof scopes)[string]) {
  if (!role.signedIn) return 'unauthenticated';
  if (!scope.wellFormed) return 'invalid_request';
  return scope.team === 'anybody' || role.teams.includes(scope.team) ? 'theirs' : 'not_found';
}

/** An answer as bytes, but for what tells one request from another. */
function bytes(reply: Reply): string {
  const headers = [...reply.headers]
    .filter(([name]) => name !== 'x-request-id' && name !== 'date')
    .sort(([a], [b]) => a.localeCompare(b));
  const id = reply.headers.get('x-request-id') ?? '';
  return JSON.stringify([reply.status, headers, reply.text.replaceAll(id, 'ID')]);
}

async function everyTable(): Promise<unknown> {
  return sql(
    world,
    `select (select count(*) from connections) c, (select count(*) from data_keys) k,
       (select count(*) from revocations) r, (select count(*) from consumed_states) s,
       (select count(*) from audit_log) a, (select max(updated_at) from connections) u`,
  );
}

/** How many tokens are being ended, or are due to be. */
async function atWork(): Promise<number> {
  const rows = await sql(
    world,
    'select from revocations where under_way_until > now() or next_attempt_at <= now()',
  );
  return rows.length;
}

describe('every route, for everybody, in every scope', async () => {
  // What is there to be seen by those who may not.
  await connectWithNewKey(world, ada, 'stripe', { brand: brands.north });
  await connectWithNewKey(world, leaver.at, 'stripe', { brand: brands.north });
  await connectWithNewKey(world, mallory, 'stripe', { brand: brands.rival });
  await sql(world, 'delete from team_members where user_id = $1', [leaver.id]);

  test('has a request in this file', () => {
    const known = Object.keys(recipes).sort();
    expect(routes.map(({ name }) => name).sort()).toEqual(known);
  });

  test('needs a session, unless it is a callback or a webhook', () => {
    const open = endpoints.map(({ contract }) => contract).filter(({ access }) => access === 'public');
    for (const { path } of open.filter((contract) => contract.path.startsWith('/api')))
      expect(path).toMatch(/\/callback$|^\/api\/webhooks\//);
  });

  const cells = routes.flatMap((route) => Object.entries(roles).map(([who, role]) => ({ route, who, role })));
  test.each(cells)('$route.name, asked by $who, keeps to their own scopes', async ({ route, role }) => {
    // What somebody else has replaced just now is on its way to its end.
    await until(async () => (await atWork()) === 0 || undefined);
    const before = await everyTable();
    world.reset();
    const unknown = bytes(await ask(role.client, route, { brand: UNKNOWN }));
    const asked = Object.entries(scopes).map(([name, scope]) => ({
      name,
      outcome: expected(role, scope),
      go: () => ask(role.client, route, scope.brand === undefined ? {} : { brand: scope.brand }),
    }));
    const refused = asked.filter(({ outcome }) => outcome !== 'theirs');
    await Promise.all(
      refused.map(async ({ name, outcome, go }) => {
        const reply = await go();
        expect(reply.body.code, name).toBe(outcome);
        if (outcome === 'not_found') expect(bytes(reply), `${name}, as an unknown brand`).toBe(unknown);
      }),
    );
    expect(await everyTable(), 'refused, and still something was written').toEqual(before);
    expect(world.gateway.calls, 'refused, and still a provider was asked').toEqual([]);
    expect(world.kms.calls, 'refused, and still KMS was asked').toEqual([]);
    expect(world.kv.put, 'refused, and still a flow began').toBe(0);

    const theirs = asked.filter(({ outcome }) => outcome === 'theirs');
    await Promise.all(
      theirs.map(async ({ name, go }) => {
        const reply = await go();
        expect(reply.status, `${name}: ${reply.text}`).not.toBe(401);
        expect(reply.status, `${name}: ${reply.text}`).toBeLessThan(500);
        // What there is none of in their own scope answers so, and not as a brand that is nobody's.
        expect(bytes(reply), name).not.toBe(unknown);
      }),
    );
  });

  test('answers for a brand that is not theirs with the same bytes to everybody', async () => {
    const seen = new Set<string>();
    for (const route of routes)
      for (const [who, brand] of [
        [ada, brands.rival],
        [mallory, brands.north],
        [leaver.at, brands.north],
        [ada, UNKNOWN],
      ] as const)
        seen.add(bytes(await ask(who, route, { brand })));
    expect([...seen]).toHaveLength(1);
  });
});

describe('a connection', () => {
  test('of one user in one scope is nothing to a team mate, nor to its owner in another scope', async () => {
    const team = await newTeam(world);
    const owner = await newPerson(world, { name: 'Owner', teams: [team.id] });
    const mate = await newPerson(world, { teams: [team.id] });
    await connectWithNewKey(world, owner.at, 'stripe', { brand: team.brand });

    const strangers = [
      { who: mate.at, brand: team.brand },
      { who: owner.at, brand: undefined },
      { who: mate.at, brand: undefined },
    ];
    const never = await newPerson(world);
    for (const path of ['/api/connectors/stripe', '/api/connectors/stripe/test']) {
      const method = path.endsWith('test') ? 'POST' : 'DELETE';
      const nothing = await never.at.send(method, path);
      expect(nothing.body.code).toBe('not_connected');
      for (const { who, brand } of strangers) {
        const reply = await who.send(method, path, brand === undefined ? {} : { brand });
        expect(bytes(reply)).toBe(bytes(nothing));
      }
    }
    for (const { who, brand } of strangers) {
      const list = await who.get('/api/connectors/list', brand === undefined ? {} : { brand });
      expect(list.body).toEqual({ connections: [] });
    }
    const still = await owner.at.post('/api/connectors/stripe/test', { brand: team.brand });
    expect(still.body.status).toBe('connected');
  });

  test('shows to the team that it exists and whose it is, and shows no credential', async () => {
    const team = await newTeam(world);
    const owner = await newPerson(world, { name: 'Owner', teams: [team.id] });
    const mate = await newPerson(world, { teams: [team.id] });
    const { key, reply } = await connectWithNewKey(world, owner.at, 'stripe', { brand: team.brand });

    const seen = await mate.at.get('/api/connectors/list?scope=team', { brand: team.brand });
    expect(seen.body.connections).toEqual([{ ...reply.body, user: { id: owner.id, name: 'Owner' } }]);
    expect(seen.text).not.toContain(key.api_key.slice(-8));
    const mine = await owner.at.get('/api/connectors/list', { brand: team.brand });
    expect(mine.body.connections).toEqual([reply.body]);
  });

  test('shows to another team nothing, under no scope and no brand', async () => {
    const owner = await newPerson(world, { teams: [teams.ours] });
    const own = await connectWithNewKey(world, owner.at, 'stripe', { key: { name: 'Own' } });
    const south = await connectWithNewKey(world, owner.at, 'stripe', {
      brand: brands.south,
      key: { name: 'South' },
    });
    const stranger = await newPerson(world, { teams: [teams.theirs] });
    for (const whose of ['mine', 'team'])
      for (const brand of [undefined, brands.rival, brands.north, brands.south]) {
        const list = await stranger.at.get(
          `/api/connectors/list?scope=${whose}`,
          brand === undefined ? {} : { brand },
        );
        for (const hidden of [own.key.account.id, south.key.account.id, owner.id, users.ada])
          expect(list.text).not.toContain(hidden);
      }
  });

  test('in the own scope needs no team', async () => {
    const loner = await newPerson(world);
    const { reply } = await connectWithNewKey(world, loner.at, 'stripe');
    expect(reply.body.brand_id).toBeNull();
    expect((await loner.at.post('/api/connectors/stripe/test')).body.status).toBe('connected');
    expect((await loner.at.get('/api/connectors/list?scope=team')).body.connections).toHaveLength(1);
    expect((await loner.at.delete('/api/connectors/stripe')).status).toBe(200);
  });

  test('is one per user, scope and provider: the scopes do not touch each other', async () => {
    const team = await newTeam(world);
    const owner = await newPerson(world, { teams: [team.id] });
    const mate = await newPerson(world, { teams: [team.id] });
    const own = await connectWithNewKey(world, owner.at, 'stripe', { key: { name: 'Own' } });
    const brand = await connectWithNewKey(world, owner.at, 'stripe', {
      brand: team.brand,
      key: { name: 'Brand' },
    });
    const other = await connectWithNewKey(world, mate.at, 'stripe', {
      brand: team.brand,
      key: { name: 'Mate' },
    });
    expect((await owner.at.delete('/api/connectors/stripe', { brand: team.brand })).status).toBe(200);
    const left = await owner.at.post('/api/connectors/stripe/test');
    expect(left.body).toMatchObject({ id: own.reply.body.id, account: { name: 'Own' }, status: 'connected' });
    const mates = await mate.at.post('/api/connectors/stripe/test', { brand: team.brand });
    expect(mates.body).toMatchObject({ id: other.reply.body.id, account: { name: 'Mate' } });
    expect(new Set([own, brand, other].map(({ reply }) => reply.body.id)).size).toBe(3);
  });
});

describe('what the Cockpit says holds at once', () => {
  test('a membership that ends takes every brand route with it, and one that begins again gives it back', async () => {
    const team = await newTeam(world);
    const person = await newPerson(world, { teams: [team.id] });
    const mate = await newPerson(world, { teams: [team.id] });
    await connectWithNewKey(world, person.at, 'zendesk', { brand: team.brand });
    await sql(world, 'delete from team_members where user_id = $1', [person.id]);

    world.reset();
    for (const route of routes) {
      const reply = await ask(person.at, route, { brand: team.brand });
      expect(bytes(reply), route.name).toBe(bytes(await ask(person.at, route, { brand: UNKNOWN })));
      expect(reply.body.code, route.name).toBe('not_found');
    }
    expect(world.gateway.calls).toEqual([]);
    const seen = await mate.at.get('/api/connectors/list?scope=team', { brand: team.brand });
    expect(seen.body.connections).toEqual([]);

    await sql(world, 'insert into team_members (team_id, user_id) values ($1, $2)', [team.id, person.id]);
    const back = await person.at.post('/api/connectors/zendesk/test', { brand: team.brand });
    expect(back.body.status).toBe('connected');
  });

  test('a brand that is deleted was never there', async () => {
    const team = await newTeam(world);
    const person = await newPerson(world, { teams: [team.id] });
    await connectWithNewKey(world, person.at, 'stripe', { brand: team.brand });
    await sql(world, 'delete from brands where id = $1', [team.brand]);
    for (const route of routes) {
      const reply = await ask(person.at, route, { brand: team.brand });
      expect(bytes(reply), route.name).toBe(bytes(await ask(person.at, route, { brand: UNKNOWN })));
    }
    expect((await person.at.get('/api/connectors/list?scope=team')).body.connections).toEqual([]);
  });

  test('a user who is deleted is nobody', async () => {
    const person = await newPerson(world);
    await connectWithNewKey(world, person.at, 'stripe');
    await sql(world, 'delete from users where id = $1', [person.id]);
    const nobody = new Client(world, undefined);
    for (const route of routes)
      expect(bytes(await ask(person.at, route)), route.name).toBe(bytes(await ask(nobody, route)));
  });

  test('a session that is ended is ended on the next request', async () => {
    const person = await newPerson(world);
    expect((await person.at.get('/api/connectors')).status).toBe(200);
    await sql(world, 'update sessions set expires_at = now() where user_id = $1', [person.id]);
    for (const route of routes) expect((await ask(person.at, route)).status, route.name).toBe(401);
  });

  test('a brand that moves to another team takes no connection along to strangers', async () => {
    const [from, to] = [await newTeam(world), await newTeam(world)];
    const person = await newPerson(world, { teams: [from.id] });
    const stranger = await newPerson(world, { teams: [to.id] });
    const both = await newPerson(world, { teams: [from.id, to.id] });
    const { key } = await connectWithNewKey(world, person.at, 'stripe', {
      brand: from.brand,
      key: { name: 'Left behind' },
    });
    const mine = await connectWithNewKey(world, both.at, 'stripe', { brand: from.brand });
    await sql(world, 'update brands set team_id = $1 where id = $2', [to.id, from.brand]);

    for (const route of routes) {
      const reply = await ask(person.at, route, { brand: from.brand });
      expect(reply.body.code, route.name).toBe('not_found');
    }
    const test = await stranger.at.post('/api/connectors/stripe/test', { brand: from.brand });
    expect(test.body.code).toBe('not_connected');
    const seen = await stranger.at.get('/api/connectors/list?scope=team', { brand: from.brand });
    expect(seen.body.connections.map((each: { id: string }) => each.id)).toEqual([mine.reply.body.id]);
    expect(seen.text).not.toContain(key.account.id);
    // Who is in both teams keeps what is theirs, and it still opens, replaces and ends.
    const still = await both.at.post('/api/connectors/stripe/test', { brand: from.brand });
    expect(still.body).toMatchObject({ id: mine.reply.body.id, status: 'connected' });
    const again = await connect(both.at, 'stripe', mine.key, { brand: from.brand });
    expect(again.status, again.text).toBe(200);
    expect((await both.at.post('/api/connectors/stripe/test', { brand: from.brand })).status).toBe(200);
    expect((await both.at.delete('/api/connectors/stripe', { brand: from.brand })).status).toBe(200);
  });

  test('a flow that began in a brand ends with the membership, and nothing of it is kept', async () => {
    const team = await newTeam(world);
    const person = await newPerson(world, { teams: [team.id] });
    const shop = `shop-${team.brand}.myshopify.com`;
    const url = await authorize(person.at, 'shopify', { brand: team.brand, query: { shop } });
    const back = await consent(url);
    await sql(world, 'delete from team_members where user_id = $1', [person.id]);
    expect((await present(person.at, back)).body.code).toBe('not_found');
    expect(await sql(world, 'select from connections where user_id = $1', [person.id])).toEqual([]);
    const kept = shopifyTokens(world.store('shopify')).filter((each) => each.shop === shop && each.alive);
    expect(kept).toEqual([]);
  });
});

describe('a brand header', () => {
  const { north, south } = brands;
  test.each([
    ['in upper case', north.toUpperCase()],
    ['with space around it', ` ${north} `],
  ])('%s names the same brand', async (_, header) => {
    const person = await newPerson(world, { teams: [teams.ours] });
    const { reply } = await connectWithNewKey(world, person.at, 'stripe', { brand: header });
    expect(reply.body.brand_id).toBe(north);
    const list = await person.at.get('/api/connectors/list', { brand: north });
    expect(list.body.connections).toHaveLength(1);
  });

  test.each([
    ['that is empty', ''],
    ['of two brands', `${north}, ${south}`],
    ['of the same brand twice', `${north}, ${north}`],
    ['in braces', `{${north}}`],
    ['as a URN', `urn:uuid:${north}`],
    ['without dashes', north.replaceAll('-', '')],
    ['with a digit too many', `${north}0`],
    ['with SQL behind it', `${north}' or true --`],
    ['that says null', 'null'],
  ])('%s is refused on every route, and stands for no other scope', async (_, header) => {
    for (const route of routes) {
      const reply = await ask(ada, route, { headers: { 'x-brand-id': header } });
      expect(reply.status, route.name).toBe(400);
      expect(reply.body.errors[0].path).toBe('x-brand-id');
    }
  });

  test('sent twice, in two lines, is refused', async () => {
    const status = await new Promise((resolve, reject) => {
      request(
        `${world.url}/api/connectors/list`,
        { headers: { authorization: `Bearer ${world.sessions.ada}`, 'x-brand-id': [north, south] } },
        (response) => resolve(response.resume().statusCode),
      )
        .on('error', reject)
        .end();
    });
    expect(status).toBe(400);
  });

  test('of the nil UUID names an unknown brand', async () => {
    const reply = await ada.get('/api/connectors/list', { brand: '00000000-0000-0000-0000-000000000000' });
    expect(reply.body.code).toBe('not_found');
  });
});
