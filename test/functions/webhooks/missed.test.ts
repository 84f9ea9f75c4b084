import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { storedOf } from '../../support/deliveries.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld, type TestWorld } from '../../support/open-world.ts';
import { saidBy } from '../../support/payloads.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { deliveryRecords } from '../../world/providers/github/deliveries.ts';
import {
  githubAppEnv,
  happen,
  lookedAfter,
  ownAccount,
  ownShop,
  typesOf,
  withGithub,
  withShop,
  withStripe,
} from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

const HOUR = 3_600_000;
const MINUTE = 60_000;

/** As if nothing had been told since then. */
const completeUntil = (id: string, ago: number) =>
  sql(world, 'update webhooks set complete_until = $2 where connection_id = $1', [
    id,
    new Date(Date.now() - ago),
  ]);
const isCompleteUntil = async (id: string): Promise<number> => {
  const [row] = await sql(world, 'select complete_until from webhooks where connection_id = $1', [id]);
  return Date.now() - new Date(String(row?.complete_until)).getTime();
};
const checkIn = async (id: string): Promise<number> => {
  const [row] = await sql(world, 'select check_at from webhooks where connection_id = $1', [id]);
  return new Date(String(row?.check_at)).getTime() - Date.now();
};
const toldOf = (id: string, type: string) =>
  until(() => {
    const told = world.agent.deliveries.map(({ body }) => body as Record<string, unknown>);
    const found = told.filter((body) => body.connection_id === id && body.type === type);
    return found.length > 0 ? found : undefined;
  });

describe('what Stripe has told in vain', () => {
  const invoice = (ago: number) => {
    const id = `evt_${randomBytes(12).toString('hex')}`;
    const created = Math.floor((Date.now() - ago) / 1000);
    const payload = `{"id":"${id}","object":"event","type":"invoice.created","livemode":false,"created":${created},"data":{"object":{"id":"in_1"}}}`;
    return { id, payload };
  };
  const lose = (account: string, payload: string) =>
    happen(world, 'stripe', 'invoice.created', { account, payload, lost: 'true' });

  test('reaches the agent once it is looked for, once', async () => {
    const { id, key } = await withStripe(world);
    const missed = invoice(10 * MINUTE);
    await lose(key.account.id, missed.payload);
    const known = invoice(9 * MINUTE);
    const sent = { account: key.account.id, payload: known.payload, to: id };
    expect(await happen(world, 'stripe', 'invoice.created', sent)).toMatchObject([{ status: 200 }]);
    for (const _ of [1, 2]) {
      await completeUntil(id, HOUR);
      await lookedAfter(world, id);
    }
    await until(async () => ((await toldOf(id, 'stripe.invoice.created')).length > 1 ? true : undefined));
    const stored = await sql(
      world,
      `select delivery_id from events where connection_id = $1 and topic is not null`,
      [id],
    );
    expect(stored.map((row) => row.delivery_id).sort()).toEqual([missed.id, known.id].sort());
    expect(await toldOf(id, 'stripe.invoice.created')).toHaveLength(2);
    expect(await isCompleteUntil(id)).toBeLessThan(3 * MINUTE);
  });

  test('is not asked for where nothing can have been, and comes by itself where it is of this minute', async () => {
    const { id, key } = await withStripe(world);
    await lose(key.account.id, invoice(0).payload);
    world.reset();
    await lookedAfter(world, id);
    expect(world.gateway.count('stripe', /\/v1\/events/)).toBe(0);
    expect((await storedOf({ world, id } as Target)).length).toBe(0);
  });

  test('changes nothing where the key may not read events', async () => {
    const permissions = 'webhook_write,webhook_read,account_read';
    const { id, key } = await withStripe(world, { ...ownAccount(), permissions });
    await lose(key.account.id, invoice(10 * MINUTE).payload);
    await completeUntil(id, HOUR);
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active', error: null });
    expect(await isCompleteUntil(id)).toBeGreaterThan(50 * MINUTE);
  });

  test('is asked for in parts where it is more than can be had at once', async () => {
    const { id, key } = await withStripe(world);
    const all = Array.from({ length: 1_100 }, (_, at) => invoice(20 * MINUTE + at * 1_000));
    for (const { payload } of all) await lose(key.account.id, payload);
    await completeUntil(id, HOUR);
    await lookedAfter(world, id);
    expect(await checkIn(id)).toBeLessThan(2 * MINUTE);
    const count = async () =>
      (await sql(world, 'select from events where connection_id = $1 and topic is not null', [id])).length;
    for (let looks = 0; (await checkIn(id)) < 2 * MINUTE && looks < 5; looks += 1)
      await lookedAfter(world, id);
    expect(await count()).toBe(all.length);
    expect(await isCompleteUntil(id)).toBeLessThan(3 * MINUTE);
  });
});

describe('what Shopify has told in vain', () => {
  const at = (ago: number) => new Date(Math.floor((Date.now() - ago) / 1000) * 1000).toISOString();
  let last = 5_000_000_000;
  const order = (ago: number) => {
    last += 1;
    const gid = `gid://shopify/Order/${last}`;
    const times = { created_at: at(ago), updated_at: at(ago) };
    return JSON.stringify({
      id: last,
      admin_graphql_api_id: gid,
      ...times,
      order_number: 1000,
      total_price: '9.00',
    });
  };
  const product = (ago: number) => {
    last += 1;
    const gid = `gid://shopify/Product/${last}`;
    const times = { created_at: at(30 * 24 * HOUR), updated_at: at(ago) };
    return JSON.stringify({ id: last, admin_graphql_api_id: gid, title: 'Tea', ...times });
  };
  const rows = async (id: string) => {
    const found = await sql(
      world,
      'select id, type, delivery_id from events where connection_id = $1 and topic is not null',
      [id],
    );
    const said = await saidBy(
      world,
      found.map((row) => String(row.id)),
    );
    return found.map(({ id: event, type, delivery_id }) => ({
      type,
      delivery_id,
      data: said.get(String(event)),
    }));
  };
  /** Has it told to a shop at which nobody listens. */
  const tell = (shop: string, event: string, payload: string) =>
    happen(world, 'shopify', event, { account: shop, payload });

  test('reaches the agent: orders that were made, and products that were changed', async () => {
    const shop = ownShop();
    const { id } = await withShop(world, shop);
    const told = [order(7 * HOUR), product(7 * HOUR)] as const;
    await tell(shop, 'orders/create', told[0]);
    await tell(shop, 'products/update', told[1]);
    expect(await rows(id)).toHaveLength(2);
    const subscriptions = await sql(world, 'select registered from webhooks where connection_id = $1', [id]);
    expect(subscriptions).toHaveLength(1);
    const missed = [order(6 * HOUR), product(6 * HOUR)] as const;
    // What came of these is lost.
    await tell(shop, 'orders/create', missed[0]);
    await tell(shop, 'products/update', missed[1]);
    const lost = missed.map((text) => String(JSON.parse(text).admin_graphql_api_id));
    await sql(world, `delete from events where connection_id = $1 and subject like any ($2)`, [
      id,
      lost.map((gid) => `${gid}%`),
    ]);
    for (const _ of [1, 2]) {
      await completeUntil(id, 8 * HOUR);
      await lookedAfter(world, id);
    }
    const found = await rows(id);
    expect(found).toHaveLength(4);
    const recovered = found.filter((row) => String(row.delivery_id).startsWith('missed:'));
    expect(recovered.map((row) => row.type).sort()).toEqual([
      'shopify.order.created',
      'shopify.product.updated',
    ]);
    expect(recovered.map((row) => JSON.parse(String(row.data)).admin_graphql_api_id).sort()).toEqual(
      lost.sort(),
    );
    const [sent] = await toldOf(id, 'shopify.order.created');
    expect(sent).toMatchObject({ account_id: shop });
    expect(await isCompleteUntil(id)).toBeGreaterThan(4.9 * HOUR);
  });

  test('is waited for while Shopify itself tries again', async () => {
    const shop = ownShop();
    const { id } = await withShop(world, shop);
    await tell(shop, 'orders/create', order(2 * HOUR));
    await sql(world, 'delete from events where connection_id = $1 and topic is not null', [id]);
    await completeUntil(id, 8 * HOUR);
    await lookedAfter(world, id);
    expect(await rows(id)).toEqual([]);
  });
});

const HELLO = 'octocat/Hello-World';

/** Has GitHub believe that what it has delivered was so long ago, and failed. */
function failed(at: TestWorld, ago: number, apart = 0): void {
  for (const [index, delivery] of deliveryRecords({ store: at.store('github') }).entries()) {
    const deliveredAt = Date.now() - ago + index * apart;
    const answer = { statusCode: 503, status: 'Service Unavailable', deliveredAt };
    at.store('github').set(`delivery/${delivery.id}`, { ...delivery, ...answer });
  }
}

describe('what GitHub has told in vain', () => {
  test('to a repository’s hook is told again, once', async () => {
    const { id } = await openTarget(world, 'github');
    await happen(world, 'github', 'push', { repository: HELLO, to: id });
    const [before] = await toldOf(id, 'github.push');
    await sql(world, 'delete from events where connection_id = $1 and topic is not null', [id]);
    failed(world, 10 * MINUTE);
    await completeUntil(id, HOUR);
    world.reset();
    await lookedAfter(world, id);
    expect(world.gateway.count('github', /\/attempts$/)).toBe(1);
    const again = await until(async () => {
      const told = (await toldOf(id, 'github.push')).filter((body) => body.id !== before?.id);
      return told.length > 0 ? told : undefined;
    });
    expect(again).toHaveLength(1);
    expect(await isCompleteUntil(id)).toBeLessThan(3 * MINUTE);
    world.reset();
    await lookedAfter(world, id);
    expect(world.gateway.count('github', /\/attempts$/)).toBe(0);
  });

  test('is not asked for once more where it has been refused time and again', async () => {
    const { id } = await openTarget(world, 'github');
    await happen(world, 'github', 'push', { repository: HELLO, to: id });
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      failed(world, 10 * MINUTE);
      await completeUntil(id, HOUR);
      world.reset();
      await lookedAfter(world, id);
      const asked = world.gateway.count('github', /\/attempts$/);
      expect(asked).toBe(attempt < 5 ? 1 : 0);
      const count = attempt < 5 ? attempt + 1 : 5;
      const pushes = () =>
        deliveryRecords({ store: world.store('github') }).filter(
          (each) => each.event === 'push' && each.url.endsWith(id),
        );
      await until(() => (pushes().length >= count ? true : undefined));
    }
  });

  test('to the App is told again, asked for once an hour', async () => {
    const app = await openWorld({ env: githubAppEnv() });
    const { person, id } = await withGithub(app, [], 'octocat');
    await fireCron(app, 'missed');
    expect(app.gateway.count('github', /\/app\/hook\/deliveries/)).toBe(0);
    await happen(app, 'github', 'push', { repository: HELLO });
    await app.sql('delete from events where connection_id = $1 and topic is not null', [id]);
    failed(app, 10 * MINUTE);
    const later = () =>
      app.sql(
        `update marks set at = at - interval '2 hours' where name in ('missed:github', 'asked:github')`,
      );
    await later();
    app.gateway.misbehave({
      provider: 'github',
      match: '/app/hook/deliveries',
      times: 1,
      respond: { status: 500 },
    });
    for (const _ of [1, 2, 3]) await fireCron(app, 'missed');
    expect(app.gateway.count('github', /\/app\/hook\/deliveries/)).toBe(1);
    await later();
    for (const _ of [1, 2]) await fireCron(app, 'missed');
    expect(app.gateway.count('github', /\/app\/hook\/deliveries\/\d+\/attempts$/)).toBe(1);
    await until(async () => ((await typesOf(app, person)).includes('github.push') ? true : undefined));
  });
});

test('more than is asked for at once to a GitHub App is asked for at the next firings of the cron', async () => {
  const app = await openWorld({ env: githubAppEnv() });
  await withGithub(app, [], 'octocat');
  await fireCron(app, 'missed');
  for (let at = 0; at < 45; at += 1) await happen(app, 'github', 'push', { repository: HELLO });
  failed(app, 10 * MINUTE, 2_000);
  await app.sql(
    `update marks set at = at - interval '2 hours' where name in ('missed:github', 'asked:github')`,
  );
  const again = () => app.gateway.count('github', /\/app\/hook\/deliveries\/\d+\/attempts$/);
  for (const told of [20, 40, 45, 45]) {
    await fireCron(app, 'missed');
    expect(again()).toBe(told);
  }
});

test('after ten minutes without a firing of the cron all webhooks are looked after soon', async () => {
  const { id } = await withStripe(world);
  await fireCron(world, 'webhooks');
  expect(await checkIn(id)).toBeGreaterThan(10 * HOUR);
  await sql(world, `update marks set at = now() - interval '11 minutes' where name = 'cron'`);
  await fireCron(world, 'webhooks');
  expect(await checkIn(id)).toBeLessThanOrEqual(10 * MINUTE);
});

test('who connects again after a while has it looked for a minute later', async () => {
  const { person, key, id } = await withStripe(world);
  await completeUntil(id, 2 * HOUR);
  expect((await connect(person.at, 'stripe', key)).body.id).toBe(id);
  expect(await checkIn(id)).toBeLessThanOrEqual(MINUTE);
  await completeUntil(id, MINUTE);
  await connect(person.at, 'stripe', issueKey(world, 'stripe', { accountId: key.account.id }));
  expect(await checkIn(id)).toBeGreaterThan(10 * HOUR);
});
