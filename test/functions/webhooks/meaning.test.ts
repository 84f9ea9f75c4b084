import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { send, settledOf } from '../../support/deliveries.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { openWorld } from '../../support/open-world.ts';
import type { Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { shopifyDeliveries } from '../../world/providers/shopify.ts';
import { happen, typesOf, withShop } from './looked-after.ts';

const world = await openWorld();
beforeEach(async () => {
  world.reset();
  world.store('shopify').delete('settings.deadRefreshToken');
  await sql(world, 'delete from provider_states');
});

const connectionOf = async ({ at }: Person) => (await at.get('/api/connectors/list')).body.connections[0];

const ended = (person: Person) =>
  until(async () => {
    const connection = await connectionOf(person);
    return connection.status === 'connected' ? undefined : connection;
  });

const REQUIRED = 'connection.reauthorization_required';

/** Has the connection told that the app was uninstalled, rightly signed. */
const tell = (target: Target, headers: Record<string, string> = {}) =>
  send(target, {
    event: 'app/uninstalled',
    id: randomUUID(),
    body: JSON.stringify({ id: 1, myshopify_domain: target.shop, nonce: randomUUID() }),
    headers,
  });

describe('a shop that uninstalls the app', () => {
  test('ends the connection, and its owner is told so once', async () => {
    const { person, shop, id } = await withShop(world);
    expect(await happen(world, 'shopify', 'app/uninstalled', { account: shop, to: id })).toMatchObject([
      { status: 200 },
    ]);
    expect(await ended(person)).toMatchObject({
      id,
      status: 'reauthorization_required',
      tools: [],
      last_error: { code: 'invalid_credential' },
    });
    const sent = shopifyDeliveries(world.store('shopify')).findLast((each) => each.url.endsWith(id));
    await happen(world, 'shopify', 'app/uninstalled', { retry: sent?.webhookId ?? '' });
    await fireCron(world, 'events');
    const told = await until(() => {
      const mine = world.agent.deliveries.map(({ body }) => body as Record<string, unknown>);
      const found = mine.filter((body) => body.connection_id === id && body.type === REQUIRED);
      return found.length > 0 ? found : undefined;
    });
    expect(told).toMatchObject([
      { user_id: person.id, account_id: shop, data: { reason: 'invalid_credential' } },
    ]);
    expect(await typesOf(world, person)).toEqual(['connection.connected', REQUIRED]);
  });

  const ends = async (how: string) => {
    world.store('shopify').set('settings.deadRefreshToken', how);
    const one = await withShop(world);
    const [other, elsewhere] = [await withShop(world, one.shop), await withShop(world)];
    await happen(world, 'shopify', 'app/uninstalled', { account: one.shop });
    for (const { person } of [one, other]) {
      expect((await ended(person)).status).toBe('reauthorization_required');
      expect((await typesOf(world, person)).filter((type) => type === REQUIRED)).toHaveLength(1);
    }
    expect((await connectionOf(elsewhere.person)).status).toBe('connected');
  };
  test('ends the connections of everybody there, and of nobody elsewhere', () => ends('invalid_request'));
  test('ends them where a refresh is refused as if our client were wrong', () => ends('invalid_client'));

  test('ends it as soon as Shopify can be asked, where it cannot at first', async () => {
    const { person, shop, id } = await withShop(world);
    const match = shop.replaceAll('.', '\\.');
    world.gateway.misbehave({ provider: 'shopify', match, respond: { status: 503 } });
    await happen(world, 'shopify', 'app/uninstalled', { account: shop });
    const pending = () =>
      sql(world, `select last_error from events where connection_id = $1 and topic is not null`, [id]);
    await until(async () => ((await pending())[0]?.last_error ? true : undefined));
    expect((await connectionOf(person)).status).toBe('connected');
    world.reset();
    await sql(world, 'update events set next_attempt_at = now() where connection_id = $1', [id]);
    await fireCron(world, 'events');
    expect((await ended(person)).status).toBe('reauthorization_required');
  });
});

describe('word that the app was uninstalled, where it is still installed', () => {
  const untouched = async (target: Target) => {
    const [row] = await sql(
      world,
      `select status, version, scopes, missing_scopes, credential, refresh_token, last_error_code, connected_at
       from connections where id = $1`,
      [target.id],
    );
    return { row, events: await typesOf(world, target.person) };
  };

  test.each([
    ['that is made up', {}],
    ['that is of long ago', { 'x-shopify-triggered-at': '2026-01-01T00:00:00.000000000Z' }],
  ])('and %s changes nothing: Shopify is asked', async (_, headers) => {
    const target = await openTarget(world, 'shopify');
    const before = await untouched(target);
    world.reset();
    expect((await tell(target, headers)).status).toBe(200);
    expect(await settledOf(target)).toMatchObject([{ topic: 'app/uninstalled', type: '', status: 'kept' }]);
    expect(world.gateway.count('shopify', /graphql/)).toBe(1);
    expect(await untouched(target)).toEqual(before);
  });

  test('and comes once the shop has installed it again changes nothing', async () => {
    const target = await openTarget(world, 'shopify');
    await happen(world, 'shopify', 'app/uninstalled', { account: target.shop });
    await ended(target.person);
    const again = await connectByOAuth(target.person.at, 'shopify', { query: { shop: target.shop } });
    expect(again.body).toMatchObject({ id: target.id, status: 'connected', webhooks: { status: 'active' } });
    const before = await untouched(target);
    expect((await tell(target)).status).toBe(200);
    await settledOf(target);
    expect(await untouched(target)).toEqual(before);
    expect(before.events).toEqual(['connection.connected', REQUIRED, 'connection.recovered']);
  });

  test('is not even heard where it is of another shop', async () => {
    const [target, other] = [await openTarget(world, 'shopify'), await openTarget(world, 'shopify')];
    world.reset();
    expect((await tell(target, { 'x-shopify-shop-domain': other.shop })).status).toBe(401);
    expect(world.gateway.calls).toEqual([]);
    for (const each of [target, other]) expect(await settledOf(each)).toEqual([]);
  });
});
