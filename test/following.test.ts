import { beforeEach, expect, test } from 'vitest';
import { onJoined } from '../lib/grants/joined.ts';
import { openServices } from '../lib/services.ts';
import { forgetAll } from './chaos/failed-sign-ins/books.ts';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { ownShop } from './functions/webhooks/looked-after.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { openWorld } from './support/open-world.ts';
import { connectionOf, refreshed } from './support/passing.ts';
import { newPerson, newTeam, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { shopifyTokens } from './world/providers/shopify.ts';

const world = await openWorld();

beforeEach(async () => {
  await quiet(world);
  world.reset();
  world.neon.faults.reset();
  await forgetAll(world);
});

async function connected(shop: string, person?: Person, brand?: string) {
  const who = person ?? (await newPerson(world));
  const reply = await connectByOAuth(who.at, 'shopify', { query: { shop }, ...(brand && { brand }) });
  expect(reply.status, reply.text).toBe(200);
  return { person: who, id: String(reply.body.id) };
}

/** Nobody refreshes a connection meanwhile. */
const busy = (id: string) =>
  world.sql(
    `update connections set lease_id = gen_random_uuid(), lease_until = now() + interval '1 hour',
       refresh_at = now() + interval '1 hour' where id = $1`,
    [id],
  );

/** Whoever is kept from it is refreshed all the same. */
async function renewed(id: string) {
  await world.sql('update connections set lease_id = null, lease_until = null where id = $1', [id]);
  return refreshed(world, id);
}

/** Somebody whose refresh token another sign-in in their shop has just taken away. */
async function overtaken() {
  const shop = ownShop();
  const first = await connected(shop);
  await quiet(world);
  await busy(first.id);
  const second = await connected(shop);
  await quiet(world);
  return { shop, first, second };
}

test.each([
  ['throttles', { status: 429, body: '{"errors":"Throttled"}' }],
  ['is down', { status: 503, body: '' }],
])(
  'who lives in a shop where another has signed in dies when Shopify %s for one moment',
  async (_, respond) => {
    const { first } = await overtaken();
    world.gateway.misbehave({ provider: 'shopify', match: 'graphql', times: 1, respond });
    expect(await renewed(first.id)).toMatchObject({ status: 'connected', failures: 1 });
    expect(await renewed(first.id)).toMatchObject({ status: 'connected', failures: 0 });
    expect((await first.person.at.post('/api/connectors/shopify/test')).body.status).toBe('connected');
  },
);

test('who lives in a shop where another has signed in dies when PostgreSQL is silent for one moment', async () => {
  const { first } = await overtaken();
  world.neon.faults.failNext(3, { after: false, match: /with standing as/ });
  expect(await renewed(first.id)).toMatchObject({ status: 'connected', failures: 1 });
  expect(await renewed(first.id)).toMatchObject({ status: 'connected', failures: 0 });
});

test('who lives in a shop dies of a stranger there whose team’s keys are destroyed', async () => {
  const { shop, first, second } = await overtaken();
  await busy(second.id);
  const third = await connected(shop);
  await quiet(world);
  await world.sql(
    'delete from data_keys where tenant_id = (select tenant_id from connections where id = $1)',
    [third.id],
  );
  // The newest cannot be opened, and the one before has been overtaken, too: nobody is sure.
  expect(await renewed(first.id)).toMatchObject({ status: 'connected' });
});

test('who lives in a shop dies while somebody’s sign-in there is under way, or has had no answer', async () => {
  const shop = ownShop();
  const first = await connected(shop);
  await quiet(world);
  await busy(first.id);
  world.gateway.misbehave({ provider: 'shopify', match: 'oauth/access_token', times: 1, drop: 'after' });
  const other = await newPerson(world);
  const failed = await connectByOAuth(other.at, 'shopify', { query: { shop } });
  expect(failed.status).not.toBe(200);
  expect(await renewed(first.id)).toMatchObject({ status: 'connected', failures: 1 });
  await busy(first.id);
  // They try again, and what has come is there to be followed.
  await connected(shop, other);
  await quiet(world);
  expect(await renewed(first.id)).toMatchObject({ status: 'connected', failures: 0 });
  expect((await first.person.at.post('/api/connectors/shopify/test')).body.status).toBe('connected');
});

test('who lives in a shop takes the tokens of one long dead for the newest, and dies of them', async () => {
  const shop = ownShop();
  const dead = await connected(shop);
  await quiet(world);
  await world.sql(
    `update connections set status = 'reauthorization_required', refresh_at = null,
       last_error_code = 'invalid_credential' where id = $1`,
    [dead.id],
  );
  await world.sql(
    `update webhooks set registered = '[]', status = 'none', lease_id = null where connection_id = $1`,
    [dead.id],
  );
  const [oldest] = shopifyTokens(world.store('shopify')).filter((each) => each.shop === shop);
  const record = world.store('shopify').get<object>(`token/${oldest?.token}`);
  world.store('shopify').set(`token/${oldest?.token}`, { ...record, revoked: true });
  const first = await connected(shop);
  await quiet(world);
  await busy(first.id);
  await connected(shop);
  await quiet(world);
  expect((await dead.person.at.delete('/api/connectors/shopify')).body.revocation).toBe('shared');
  await quiet(world);
  expect(await renewed(first.id)).toMatchObject({ status: 'connected' });
  expect(await renewed(first.id)).toMatchObject({ status: 'connected', failures: 0 });
});

test('who lives in a shop dies when one who has overtaken them loses the right to be there', async () => {
  const team = await newTeam(world);
  const agency = await newPerson(world, { teams: [team.id] });
  const shop = ownShop();
  const owner = await connected(shop);
  await quiet(world);
  await busy(owner.id);
  const theirs = await connected(shop, agency, team.brand);
  await quiet(world);
  // They have left, and the sweep has not come by yet.
  await world.sql('delete from team_members where user_id = $1', [agency.id]);
  await world.sql(
    `insert into marks (name, at, reached) values ('lost', now(), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
     on conflict (name) do update set reached = excluded.reached`,
  );
  expect(await renewed(owner.id)).toMatchObject({ status: 'connected' });
  await until(async () => {
    await fireCron(world);
    return (await connectionOf(world, theirs.id)).status === 'disconnected' || undefined;
  });
  await quiet(world);
  expect((await owner.person.at.post('/api/connectors/shopify/test')).body.status).toBe('connected');
});

test('the hundred and first sign-in of a person at Google silently ends the first of their brands', async () => {
  const team = await newTeam(world);
  const person = await newPerson(world, { teams: [team.id] });
  const signIn = async (brand?: string) =>
    String(
      (
        await connectByOAuth(person.at, 'google_ads', {
          account: 'ada@acme.example',
          ...(brand && { brand }),
        })
      ).body.id,
    );
  const first = await signIn(team.brand);
  await quiet(world);
  const [oldest] = world
    .store('google_ads')
    .list<{ token: string; kind: string }>('token/')
    .filter(({ kind }) => kind === 'refresh');
  const second = await signIn();
  await until(async () => (await connectionOf(world, first)).version === 2 || undefined);
  await quiet(world);
  // As the hundred and first does.
  world.store('google_ads').set(`token/${oldest?.token}`, { ...oldest, revoked: true });
  expect(await renewed(first)).toMatchObject({ status: 'connected', failures: 0 });
  expect(await renewed(second)).toMatchObject({ status: 'connected', failures: 0 });
  expect((await person.at.delete('/api/connectors/google_ads', { brand: team.brand })).body.revocation).toBe(
    'shared',
  );
  expect((await person.at.delete('/api/connectors/google_ads')).body.revocation).toBe('revoked');
});

test('a brand that goes on with a token of another sign-in is told the end of its own former one', async () => {
  const team = await newTeam(world);
  const person = await newPerson(world, { teams: [team.id] });
  const signIn = async (brand?: string) => {
    const scope = brand === undefined ? {} : { brand };
    const reply = await connectByOAuth(person.at, 'google_ads', { account: 'ada@acme.example', ...scope });
    await quiet(world);
    return String(reply.body.id);
  };
  const first = await signIn(team.brand);
  await world.sql(`update connections set reauthorize_by = now() + interval '2 days' where id = $1`, [first]);
  const second = await signIn();
  await until(async () => (await connectionOf(world, first)).version === 2 || undefined);
  expect((await connectionOf(world, first)).reauthorize_by).toBeNull();
  // Nor does it give up a better one for one that ends sooner.
  await world.sql(`update connections set reauthorize_by = now() - interval '1 hour' where id = $1`, [
    second,
  ]);
  const { version } = await connectionOf(world, first);
  await onJoined(openServices(world.bindings as unknown as Env), {
    provider: 'google_ads',
    grant_id: String((await connectionOf(world, first)).grant_id),
    id: second,
  });
  expect(await connectionOf(world, first)).toMatchObject({ version, reauthorize_by: null });
});
