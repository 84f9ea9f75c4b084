import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron, tryCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { lives } from './support/lives.ts';
import { openWorld } from './support/open-world.ts';
import {
  HOUR,
  type Owner,
  ownerOf,
  pass,
  refreshed,
  rowOf,
  soon,
  toldOf,
  typesOf,
} from './support/passing.ts';
import { newPerson } from './support/people.ts';
import { until } from './support/trips.ts';
import { openClock } from './world/clock.ts';
import { deleteGa4Key, disableGa4Key } from './world/providers/ga4.ts';

/** Longer than until what no refresh touches is asked again. */
const NEARLY_A_DAY = 23 * HOUR;

const clock = openClock();
const world = await openWorld({ now: clock.now });
await clock.rule(world);

beforeEach(async () => {
  world.reset();
  for (const table of ['connections', 'webhooks', 'events', 'provider_states', 'revocations'])
    await world.sql(`delete from ${table}`);
});

const lifeOf = (provider: string) => lives.find((life) => life.provider === provider) ?? lives[0];
const owner = (provider: string, key?: Record<string, string>) =>
  ownerOf(world, { provider, ...(key && { key }) });
const ask = ({ at, provider }: Owner) => at.post(`/api/connectors/${provider}/test`);
const stands = (person: Owner, status: string) =>
  soon(async () => expect((await rowOf(world, person)).status).toBe(status));

/** Told once that it is over, with why and what to do. */
async function isToldOver(person: Owner): Promise<void> {
  await stands(person, 'reauthorization_required');
  await soon(() =>
    expect(typesOf(world, person)).toEqual(['connection.connected', 'connection.reauthorization_required']),
  );
  expect(toldOf(world, person).at(-1)?.data).toEqual({
    reason: expect.stringMatching(/^(invalid_credential|grant_ended)$/),
    action: expect.stringMatching(/\w.{20,}\.$/),
  });
  const row = await rowOf(world, person);
  expect(row).toMatchObject({ refresh_at: null, lease_id: null, last_error_code: 'invalid_credential' });
}

/** What no refresh touches, as long as nobody asks: all but those whose token is renewed within a day. */
const untouched = lives.filter(
  ({ provider, way }) =>
    !['shopify', 'google_ads', 'ga4'].includes(provider) && !/GitHub App|client of one/.test(way),
);

describe('a key or a sign-in without a refresh stays connected after its provider has ended it, until a person tests:', () => {
  test.each(untouched.map((life) => ({ ...life, title: `${life.provider} by ${life.way}` })))(
    '$title',
    async (life) => {
      const person = await ownerOf(world, life);
      await life.end(world, person.key);
      await pass(world, clock, NEARLY_A_DAY);
      await isToldOver(person);

      const asked = world.gateway.calls.length;
      await pass(world, clock, NEARLY_A_DAY);
      await fireCron(world);
      expect(world.gateway.calls.slice(asked), 'what is over is asked no more').toEqual([]);
      expect(typesOf(world, person)).toHaveLength(2);
      world.store('zendesk').delete('settings.apiTokensRemoved');
    },
  );
});

test('what lives is asked once a day, and nobody is told of it', async () => {
  const people = [
    await owner('klaviyo', {}),
    await owner('figma', {}),
    await owner('slack'),
    await owner('tiktok'),
  ];
  const asked = () => people.map(({ provider }) => world.gateway.count(provider));
  const before = asked();
  await pass(world, clock, HOUR);
  await fireCron(world);
  expect(asked(), 'an hour later').toEqual(before);
  await pass(world, clock, NEARLY_A_DAY - HOUR);
  await soon(() => expect(asked(), 'a day later').toEqual(before.map((count) => count + 1)));
  await fireCron(world);
  await pass(world, clock, HOUR);
  expect(asked(), 'and an hour later').toEqual(before.map((count) => count + 1));
  for (const person of people) {
    expect(await rowOf(world, person)).toMatchObject({ status: 'connected', last_error_code: null });
    expect(typesOf(world, person)).toEqual(['connection.connected']);
  }
});

test('a provider that is down for the daily look is asked again soon, not a day later', async () => {
  const person = await owner('klaviyo', {});
  await lifeOf('klaviyo')?.end(world, person.key);
  world.gateway.misbehave({ provider: 'klaviyo', times: 1, respond: { status: 503, body: 'no' } });
  await pass(world, clock, NEARLY_A_DAY);
  await soon(() => expect(world.gateway.count('klaviyo')).toBeGreaterThan(1));
  expect((await rowOf(world, person)).status).toBe('connected');
  await pass(world, clock, 2 * HOUR);
  await isToldOver(person);
});

describe('a shop that has taken the app away looks like an app that is refused everywhere, where no webhook came:', () => {
  const renew = (person: Owner) =>
    world.sql(`update connections set refresh_at = now() - interval '1 second' where user_id = $1`, [
      person.id,
    ]);
  const shop = () => owner('shopify');

  test('the connection is asked for itself, and over', async () => {
    const person = await shop();
    await lifeOf('shopify')?.end(world, '');
    await renew(person);
    await fireCron(world);
    await isToldOver(person);
  });

  test('what works all the same is our own fault, and nobody’s end', async () => {
    const person = await shop();
    const respond = { status: 400, body: '{"error":"invalid_client"}' };
    world.gateway.misbehave({ provider: 'shopify', match: 'oauth/access_token', respond });
    await renew(person);
    await fireCron(world);
    await soon(async () => expect((await rowOf(world, person)).last_error_code).toBe('client_refused'));
    expect(await rowOf(world, person)).toMatchObject({ status: 'connected' });
    expect((await ask(person)).body.status).toBe('connected');
  });
});

describe('Stripe’s 401 api_key_expired changes the webhook’s status alone:', () => {
  test('a look after the webhooks that hears it ends the connection', async () => {
    const person = await owner('stripe', {});
    await lifeOf('stripe')?.end(world, person.key);
    await world.sql('update webhooks set check_at = now()');
    await fireCron(world);
    await soon(async () => {
      const [row] = await world.sql('select lease_id from webhooks where check_at > now()');
      expect(row).toEqual({ lease_id: null });
    });
    await fireCron(world);
    await isToldOver(person);
  });

  test('one that hears something else of the webhooks does not', async () => {
    const person = await owner('stripe', {});
    const refused = { status: 403, body: '{"error":{"type":"invalid_request_error","message":"No."}}' };
    world.gateway.misbehave({
      provider: 'stripe',
      match: 'webhook_endpoints',
      times: 9,
      respond: refused,
    });
    await world.sql('update webhooks set check_at = now()');
    await fireCron(world);
    await soon(async () => {
      const [row] = await world.sql('select status, lease_id from webhooks');
      expect(row).toEqual({ status: 'failed', lease_id: null });
    });
    await fireCron(world);
    expect(await rowOf(world, person)).toMatchObject({ status: 'connected' });
  });
});

describe('a test passes on the last token of a deleted key:', () => {
  test.each([
    ['Google Analytics, deleted', (key: string) => deleteGa4Key(world.store('ga4'), key)],
    ['Google Analytics, disabled', (key: string) => disableGa4Key(world.store('ga4'), key)],
  ])('%s', async (_, end) => {
    const person = await owner('ga4', {});
    end(person.key);
    const reply = await ask(person);
    expect([reply.status, reply.body.status], reply.text).toEqual([200, 'reauthorization_required']);
    await fireCron(world);
    await isToldOver(person);
    expect((await ask(person)).body.status, 'and stays so').toBe('reauthorization_required');
  });

  test('Zendesk, an OAuth client', async () => {
    const person = await owner('zendesk', { kind: 'oauth_client' });
    const clients = world
      .store('zendesk')
      .list<{ desk: string; identifier: string; secret: string }>('client/');
    const client = clients.find(({ secret }) => secret === person.key);
    expect(client).toBeDefined();
    world.store('zendesk').delete(`client/${client?.desk}/${client?.identifier}`);
    const reply = await ask(person);
    expect([reply.status, reply.body.status], reply.text).toEqual([200, 'reauthorization_required']);
    await fireCron(world);
    await isToldOver(person);
  });
});

describe('a token that is refused early while its key lives makes the key dead:', () => {
  test.each([
    ['ga4', {}, (token: string) => `token/${token}`],
    ['zendesk', { kind: 'oauth_client' }, (token: string) => `access-token/${token}`],
  ] as const)('%s is asked for another', async (provider, key, at) => {
    const person = await owner(provider, key);
    const store = world.store(provider);
    const prefix = at('');
    for (const record of store.list<{ token: string }>(prefix))
      store.set(at(record.token), { ...record, expiresAt: clock.now() - 1, revoked: true });
    const reply = await ask(person);
    expect([reply.status, reply.body.status, reply.body.last_error], reply.text).toEqual([
      200,
      'connected',
      null,
    ]);
    await fireCron(world);
    expect(typesOf(world, person)).not.toContain('connection.reauthorization_required');
    expect((await ask(person)).body.status, 'and works on').toBe('connected');
  });
});

test('repositories that are refused with 401 leave the connection as it was', async () => {
  const person = await owner('github');
  await lifeOf('github')?.end(world, '');
  const reply = await person.at.get('/api/connectors/github/repositories');
  expect(reply.status, reply.text).toBeGreaterThan(400);
  await fireCron(world);
  await isToldOver(person);
});

describe('what happens to a connection reaches the agent only by the next cron:', () => {
  test('connection.connected, by a key and by a sign-in', async () => {
    const people = [await owner('klaviyo', {}), await owner('slack'), await owner('github')];
    for (const person of people)
      await soon(() => expect(typesOf(world, person)).toEqual(['connection.connected']));
  });

  test('connection.disconnected', async () => {
    const person = await owner('klaviyo', {});
    expect((await person.at.delete('/api/connectors/klaviyo')).status).toBe(200);
    await soon(() =>
      expect(typesOf(world, person)).toEqual(['connection.connected', 'connection.disconnected']),
    );
  });

  test('connection.reauthorization_required and connection.recovered', async () => {
    const person = await owner('klaviyo', {});
    await lifeOf('klaviyo')?.end(world, person.key);
    expect((await ask(person)).body.status).toBe('reauthorization_required');
    const over = ['connection.connected', 'connection.reauthorization_required'];
    await soon(() => expect(typesOf(world, person)).toEqual(over));

    const again = await connect(person.at, 'klaviyo', issueKey(world, 'klaviyo'), { replace: true });
    expect(again.body.status, again.text).toBe('connected');
    const back = ['connection.connected', 'connection.reauthorization_required', 'connection.recovered'];
    await soon(() => expect(typesOf(world, person)).toEqual(back.sort()));
  });

  test('connection.recovered, by signing in', async () => {
    const person = await owner('slack');
    await lifeOf('slack')?.end(world, '');
    expect((await ask(person)).body.status).toBe('reauthorization_required');
    expect((await connectByOAuth(person.at, 'slack')).body.status).toBe('connected');
    await soon(() => expect(typesOf(world, person)).toContain('connection.recovered'));
  });

  test('each of them once, also where the cron fires at the same time', async () => {
    const person = await owner('klaviyo', {});
    await Promise.all([fireCron(world), fireCron(world)]);
    await soon(() => expect(typesOf(world, person)).toEqual(['connection.connected']));
    await fireCron(world);
    expect(typesOf(world, person)).toEqual(['connection.connected']);
  });
});

test('a sign-in at Meta without an end that works again is never looked at again', async () => {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, 'meta');
  const id = String(reply.body.id);
  await world.sql(
    `update connections set expires_at = null, refresh_at = null, check_at = null, reauthorize_by = null,
       status = 'reauthorization_required', last_error_code = 'insufficient_scope' where id = $1`,
    [id],
  );
  expect((await person.at.post('/api/connectors/meta/test')).body.status).toBe('connected');
  await fireCron(world, 'refresh');
  const looked = await until(async () => {
    const [row] = await world.sql(
      `select check_at from connections where id = $1 and version > 1 and lease_id is null and refresh_at is null`,
      [id],
    );
    return row;
  });
  expect(looked.check_at).not.toBeNull();
});

test('one failed refresh of a token that goes on for ever is told as a day by which a person must act', async () => {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, 'google_ads', { account: 'ada@acme.example' });
  await world.sql(`update connections set failures = 1 where id = $1`, [reply.body.id]);
  const list = await person.at.get('/api/connectors/list');
  expect(list.body.connections[0].reauthorize_by).toBeNull();
});

/** Somebody with Google Ads, whose look is due, as a firing of the cron makes it. */
async function withAds() {
  const person = { ...(await newPerson(world)), provider: 'google_ads', key: '' };
  const reply = await connectByOAuth(person.at, 'google_ads', { account: 'ada@acme.example' });
  expect(reply.status, reply.text).toBe(200);
  const look = async () => {
    await world.sql(`update connections set check_at = now() - interval '1 second' where id = $1`, [
      reply.body.id,
    ]);
    await fireCron(world, 'check');
    await soon(async () => expect(await hours()).toBeGreaterThan(0));
  };
  const renew = () => refreshed(world, String(reply.body.id));
  const hours = async () => {
    const [row] = await world.sql(
      'select extract(epoch from check_at - now()) / 3600 as hours from connections where id = $1',
      [reply.body.id],
    );
    return Number(row?.hours);
  };
  return { person, look, renew, hours };
}

const listing = (status: number, body: object) =>
  world.gateway.misbehave({
    provider: 'google_ads',
    match: 'listAccessibleCustomers',
    respond: { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
  });
const unauthenticated = { error: { code: 401, message: 'Invalid credentials.', status: 'UNAUTHENTICATED' } };

describe('a connection that is renewed for ever', () => {
  test('is never asked whether it works', async () => {
    const { person, look, hours } = await withAds();
    expect(await hours()).toBeGreaterThan(19);
    // Nobody there may see any account by now, though the grant stands.
    listing(200, { resourceNames: [] });
    await look();
    await soon(async () => expect((await rowOf(world, person)).last_error_code).toBe('insufficient_scope'));
    expect(await hours()).toBeGreaterThan(19);
    expect((await rowOf(world, person)).refresh_at).not.toBeNull();
  });

  test('and reaches nothing says so until its next refresh alone', async () => {
    const { person, look, renew } = await withAds();
    listing(200, { resourceNames: [] });
    await look();
    await renew();
    expect((await rowOf(world, person)).last_error_code).toBe('insufficient_scope');
    world.reset();
    await look();
    await soon(async () => expect((await rowOf(world, person)).last_error_code).toBeNull());
  });

  test('dies by an incident of its provider, which refuses the token that it has just given', async () => {
    const { person, look, renew } = await withAds();
    listing(401, unauthenticated);
    await look();
    const said = async () => {
      const { status, last_error_code, last_error_at } = await rowOf(world, person);
      return { status, last_error_code, since: last_error_at };
    };
    await soon(async () =>
      expect(await said()).toMatchObject({ status: 'connected', last_error_code: 'invalid_credential' }),
    );
    const first = await said();
    await renew();
    await look();
    await soon(async () => expect((await rowOf(world, person)).lease_id).toBeNull());
    expect(await said(), 'and it is known since when').toEqual(first);
    world.reset();
    await look();
    await soon(async () =>
      expect(await said()).toMatchObject({ status: 'connected', last_error_code: null }),
    );
    expect(typesOf(world, person)).toEqual(['connection.connected']);
  });

  test('and is refused for hours all the same is connected for ever', async () => {
    const { person, look } = await withAds();
    listing(401, unauthenticated);
    await look();
    await soon(async () => expect((await rowOf(world, person)).last_error_code).toBe('invalid_credential'));
    await world.sql(`update connections set last_error_at = now() - interval '7 hours' where user_id = $1`, [
      person.id,
    ]);
    await world.sql(`update connections set check_at = now() - interval '1 second' where user_id = $1`, [
      person.id,
    ]);
    await fireCron(world, 'check');
    await isToldOver(person);
  });

  test('and dies while it is asked is alive again by the answer to what was asked before', async () => {
    const { person } = await withAds();
    world.gateway.misbehave({
      provider: 'google_ads',
      match: 'listAccessibleCustomers',
      hold: 1_500,
      times: 1,
    });
    await world.sql(`update connections set check_at = now() - interval '1 second' where user_id = $1`, [
      person.id,
    ]);
    const asked = world.gateway.count('google_ads', /listAccessibleCustomers/);
    await fireCron(world, 'check');
    await soon(() => expect(world.gateway.count('google_ads', /listAccessibleCustomers/)).toBe(asked + 1));
    world.gateway.misbehave({
      provider: 'google_ads',
      match: '/token',
      respond: {
        status: 400,
        headers: { 'content-type': 'application/json' },
        body: '{"error":"invalid_grant"}',
      },
    });
    await world.sql(`update connections set refresh_at = now() - interval '1 second' where user_id = $1`, [
      person.id,
    ]);
    await fireCron(world);
    await isToldOver(person);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await isToldOver(person);
    expect((await rowOf(world, person)).check_at).toBeNull();
  });

  test('and is due for both at once is locked by the one while the other comes by, and left', async () => {
    const { person, hours } = await withAds();
    const asked = () => world.gateway.count('google_ads', /listAccessibleCustomers/);
    const before = asked();
    await world.sql(
      `update connections set check_at = now() - interval '1 second', refresh_at = now() - interval '1 second' where user_id = $1`,
      [person.id],
    );
    await fireCron(world);
    await soon(async () => expect((await rowOf(world, person)).version).toBe(2));
    // What it may is asked with the new token, a minute later.
    expect(asked()).toBe(before);
    expect((await hours()) * 60).toBeGreaterThan(0.5);
    expect((await hours()) * 60).toBeLessThan(1.5);
    await pass(world, clock, 2 * 60_000);
    await soon(() => expect(asked()).toBe(before + 1));
  });

  test.each([
    { what: 'lets nobody be renewed for days', reason: 'rate_limited', refusals: 0, seconds: 172_800 },
    // Tried again each minute; the others wait.
    { what: 'refuses our client for days', reason: 'client_refused', refusals: 2, seconds: -10 },
  ])('and whose provider $what is not asked about meanwhile', async ({ reason, refusals, seconds }) => {
    const { at } = await newPerson(world);
    // Its token lives for weeks after it is due.
    const { id } = (await connectByOAuth(at, 'meta')).body;
    await world.sql(
      `insert into provider_states (provider, paused_until, reason, refusals, since)
       values ('meta', now() + make_interval(secs => $1::integer), $2, $3, now())`,
      [seconds, reason, refusals],
    );
    await world.sql(
      `update connections set refresh_at = now() - interval '1 minute', check_at = now() - interval '1 second' where id = $1`,
      [id],
    );
    const before = world.gateway.count('meta');
    // Its turn does not come.
    world.neon.faults.failNext(3, { after: false, match: /where refresh_at <= now\(\)/ });
    await tryCron(world);
    await soon(() => expect(world.gateway.count('meta')).toBeGreaterThan(before));
    await soon(async () => {
      const [row] = await world.sql(
        `select check_at > now() + interval '19 hours' as has_answered from connections where id = $1`,
        [id],
      );
      expect(row).toEqual({ has_answered: true });
    });
  });

  test('and whose end is heard of while it is asked waits a day for the next question', async () => {
    const { person, hours } = await withAds();
    world.gateway.misbehave({
      provider: 'google_ads',
      match: 'listAccessibleCustomers',
      hold: 1_000,
      times: 1,
    });
    const asked = ask(person);
    await soon(() => expect(world.gateway.count('google_ads', /listAccessibleCustomers/)).toBeGreaterThan(1));
    await world.sql(`update connections set check_at = now() where user_id = $1`, [person.id]);
    expect((await asked).status).toBe(200);
    expect(await hours()).toBeLessThan(0.1);
  });
});
