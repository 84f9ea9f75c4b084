import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from './support/cron.ts';
import { type Life, lives } from './support/lives.ts';
import { openWorld } from './support/open-world.ts';
import { HOUR, type Owner, ownerOf, pass, rowOf, soon } from './support/passing.ts';
import { retold } from './support/retold.ts';
import { openClock } from './world/clock.ts';
import type { Fault } from './world/gateway.ts';
import { githubAppSettings } from './world/providers/github.ts';
import { simulators } from './world/providers/index.ts';

/** What an answer with tokens says instead; set while somebody is renewed. */
const telling: { change?: ((body: Record<string, unknown>) => Record<string, unknown>) | undefined } = {};
const told = simulators.map((make) => retold(make, (body) => telling.change?.(body) ?? body));

const clock = openClock();
const world = await openWorld({ now: clock.now, simulators: told });
await clock.rule(world);

beforeEach(() => {
  world.reset();
  telling.change = undefined;
});

type Answered = NonNullable<Fault['respond']>;

/** A refusal that the provider never gives, or none. */
const odd: ReadonlyArray<[string, Answered]> = [
  ['nothing', { status: 200, body: '' }],
  ['a page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Welcome</html>' }],
  ['a list', { status: 200, body: '[]' }],
  ['null', { status: 200, body: 'null' }],
  ['an object with nothing in it', { status: 200, body: '{}' }],
  ['half a body', { status: 200, body: '{"access_token":"ab' }],
  ['a megabyte', { status: 200, body: JSON.stringify({ data: 'm'.repeat(1_000_000) }) }],
  ['204', { status: 204 }],
  ['a redirect', { status: 302, headers: { location: 'https://elsewhere.example/' } }],
  ['a redirect to nowhere', { status: 307 }],
  ['418', { status: 418, body: '{"message":"I am a teapot"}' }],
  ['418 and a page', { status: 418, body: '<html>I am a teapot</html>' }],
];

const oddTokens: ReadonlyArray<[string, Answered]> = [
  ...odd,
  ['a token that is no text', { status: 200, body: '{"access_token":{"a":1}}' }],
  ['an empty token', { status: 200, body: '{"access_token":"","token_type":"bearer"}' }],
  ['an error that is no text', { status: 400, body: '{"error":{"code":7}}' }],
  ['an error that nobody knows', { status: 400, body: '{"error":"mercury_in_retrograde"}' }],
];

const isTokenRequest = ({ path }: { path: string }) =>
  /(\/access_token|\/oauth\/tokens|\/token|oauth\.v2\.access)$/.test(path);

const titled = (life: Pick<Life, 'provider' | 'way'>) => `${life.provider} by ${life.way}`;

async function connectAll(those: readonly Life[]): Promise<Owner[]> {
  world.store('github').set('settings.expiring', true);
  world.store('slack').set('settings.rotation', true);
  const people: Owner[] = [];
  for (const [at, life] of those.entries()) {
    const query = life.provider === 'shopify' ? { shop: `shop-${at + 1000}.myshopify.com` } : {};
    people.push(await ownerOf(world, life, query as Record<string, string>));
  }
  world.store('github').delete('settings.expiring');
  world.store('slack').delete('settings.rotation');
  return people;
}

const renewable = lives.filter(
  ({ provider, way }) =>
    ['shopify', 'github', 'google_ads', 'slack', 'ga4', 'meta'].includes(provider) ||
    /client of one/.test(way),
);
const usual = renewable.filter(({ way }) => way !== 'a GitHub App');

/** Makes all of them due, and waits until each was asked for. */
async function renewAll(people: readonly Owner[]): Promise<Record<string, unknown>[]> {
  const before = await Promise.all(people.map((person) => rowOf(world, person)));
  await world.sql(
    `update connections set refresh_at = now() - interval '1 second', lease_id = null, lease_until = null
     where user_id = any ($1::uuid[])`,
    [people.map(({ id }) => id)],
  );
  await fireCron(world);
  return Promise.all(
    people.map(async (person, at) => {
      await soon(async () => {
        const { version, failures, status, lease_id } = await rowOf(world, person);
        const past = before[at];
        const isAsked = version !== past?.version || failures !== past?.failures || status !== past?.status;
        expect([person.provider, isAsked, lease_id]).toEqual([person.provider, true, null]);
      }, 10_000);
      return rowOf(world, person);
    }),
  );
}

const standing = async (people: readonly Owner[]) =>
  Promise.all(people.map(async (person) => [person.provider, (await rowOf(world, person)).status]));
const all = (people: readonly Owner[], status: string) => people.map(({ provider }) => [provider, status]);

describe('an odd answer to a refresh ends no living connection:', () => {
  let people: Owner[] = [];
  beforeAll(async () => {
    people = await connectAll(usual);
  });

  test.each(oddTokens)('%s', async (_, respond) => {
    world.gateway.decide((call) => (isTokenRequest(call) ? { respond } : undefined));
    await renewAll(people);
    expect(await standing(people)).toEqual(all(people, 'connected'));
  });

  test('and all of them are renewed once it is over', async () => {
    const rows = await renewAll(people);
    expect(rows.map(({ failures, last_error_code }) => [failures, last_error_code])).toEqual(
      people.map(() => [0, null]),
    );
    for (const { at, provider } of people) {
      const reply = await at.post(`/api/connectors/${provider}/test`);
      expect([provider, reply.body.status, reply.body.last_error]).toEqual([provider, 'connected', null]);
    }
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['0', 0],
    ['less than nothing', -3600],
    ['a text with a number', '3600'],
    ['a word', 'soon'],
    ['a fraction', 3600.5],
    ['three hundred digits', 1e300],
    ['a thousand years', 31_536_000_000],
    ['a list', [3600]],
    ['an object', { seconds: 3600 }],
    ['true', true],
  ])('a lifetime that is %s', async (_, expires_in) => {
    telling.change = (body) => ({ ...body, expires_in });
    const rows = await renewAll(people);
    expect(await standing(people)).toEqual(all(people, 'connected'));
    const inTenYears = clock.now() + 10 * 366 * 24 * HOUR;
    for (const { expires_at, refresh_at } of rows) {
      if (expires_at !== null) expect(Number(expires_at)).toBeLessThan(inTenYears);
      if (refresh_at !== null) expect(Number(refresh_at)).toBeLessThan(inTenYears);
    }
    telling.change = undefined;
    for (const { at, provider } of people) {
      const reply = await at.post(`/api/connectors/${provider}/test`);
      expect([provider, reply.body.status]).toEqual([provider, 'connected']);
    }
  });

  test.each([
    ['null', null],
    ['0', 0],
    ['less than nothing', -1],
    ['a word', 'soon'],
    ['three hundred digits', 1e300],
    ['an object', {}],
  ])('an end of the refresh token that is %s', async (_, refresh_token_expires_in) => {
    telling.change = (body) => ('refresh_token' in body ? { ...body, refresh_token_expires_in } : body);
    await renewAll(people);
    await fireCron(world);
    expect(await standing(people)).toEqual(all(people, 'connected'));
  });
});

describe('an odd answer to the question whether a credential works ends no living connection:', () => {
  const those = lives.filter(({ way }) => way !== 'a GitHub App');
  let people: Owner[] = [];
  beforeAll(async () => {
    people = await connectAll(those);
    // Who tests as often as here has a session of more than an hour.
    await world.sql(`update sessions set expires_at = now() + interval '90 days'`);
  });

  test.each(odd)('%s, to a person’s test and to the daily look', async (_, respond) => {
    world.gateway.decide(() => ({ respond }));
    for (const { at, provider } of people) {
      const reply = await at.post(`/api/connectors/${provider}/test`);
      const isFine = reply.status >= 500 || reply.body.status === 'connected';
      expect(isFine, `${provider}: ${reply.status} ${reply.text}`).toBe(true);
    }
    expect(await standing(people)).toEqual(all(people, 'connected'));
    await pass(world, clock, 23 * HOUR);
    await soon(async () => {
      const busy = await world.sql(
        `select provider from connections c where status = 'connected' and (refresh_at <= now() or lease_until > now()
           or (to_jsonb(c) ->> 'check_at')::timestamptz <= now())`,
      );
      expect(busy).toEqual([]);
    });
    expect(await standing(people)).toEqual(all(people, 'connected'));
  });

  test('and all of them work once it is over', async () => {
    await pass(world, clock, HOUR);
    for (const { at, provider } of people) {
      const reply = await at.post(`/api/connectors/${provider}/test`);
      expect([provider, reply.status, reply.body.status], reply.text).toEqual([provider, 200, 'connected']);
    }
    const events = await world.sql(
      `select provider, type from events where type = 'connection.reauthorization_required'`,
    );
    expect(events).toEqual([]);
  });
});

describe('a narrower scope in the answer to a refresh is not listened to:', () => {
  test.each([
    ['shopify', 'read_products', 'read_orders'],
    [
      'google_ads',
      'openid https://www.googleapis.com/auth/userinfo.email',
      'https://www.googleapis.com/auth/adwords',
    ],
    ['slack', 'chat:write,channels:read', 'channels:history'],
    ['github', 'read:user', 'repo'],
  ])('%s', async (provider, scope, missing) => {
    const life = usual.find((each) => each.provider === provider);
    const [person] = await connectAll(life ? [life] : []);
    if (!person) throw new Error('nobody');
    telling.change = (body) => ('access_token' in body ? { ...body, scope } : body);
    await renewAll([person]);
    const [shown] = (await person.at.get('/api/connectors/list')).body.connections;
    expect(shown.status).toBe('connected');
    expect([...shown.scopes].sort()).toEqual(scope.split(/[ ,]/).sort());
    expect(shown.missing_scopes).toContain(missing);

    telling.change = undefined;
    await renewAll([person]);
    const [again] = (await person.at.get('/api/connectors/list')).body.connections;
    expect(again.missing_scopes, 'and the wider one after it is').toEqual([]);
  });

  test.each(usual.map((life) => ({ ...life, title: titled(life) })))(
    'and an answer that tells none changes none: $title',
    async (life) => {
      const [person] = await connectAll([life]);
      if (!person) throw new Error('nobody');
      const before = await rowOf(world, person);
      telling.change = ({ scope: _, ...body }) => body;
      await renewAll([person]);
      const { scopes, missing_scopes } = await rowOf(world, person);
      expect({ scopes, missing_scopes }).toEqual({
        scopes: before.scopes,
        missing_scopes: before.missing_scopes,
      });
    },
  );

  test('and the empty one of a GitHub App, whose installation says what it may, takes nothing away', async () => {
    const settings = Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]);
    const app = await openWorld({ env: Object.fromEntries(settings) });
    const person = await ownerOf(app, { provider: 'github' });
    const { scopes, missing_scopes } = await rowOf(app, person);
    await app.sql(`update connections set refresh_at = now()`);
    await fireCron(app);
    await soon(async () => expect((await rowOf(app, person)).version).toBe(2));
    expect(await rowOf(app, person)).toMatchObject({ status: 'connected', scopes, missing_scopes });
    expect(missing_scopes).toEqual([]);
  });
});
