import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Delivery, send, settledOf, storedOf } from '../../support/deliveries.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { openWorld } from '../../support/open-world.ts';
import { saidBy } from '../../support/payloads.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { happen, ownShop, typesOf } from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

const APP = '/api/webhooks/shopify';
const BLANK = '{"redacted":true}';

/** A compliance topic, as Shopify sends it to the app. */
const comply = (target: Target, topic: string, body: string, more: Partial<Delivery> = {}) =>
  send(target, { event: topic, id: randomUUID(), body, ...more }, APP);

const about = ({ shop }: Target, customer: string) =>
  `{"shop_id":954889,"shop_domain":"${shop}","customer":${customer},"orders_to_redact":[299938]}`;

/** Has a connection told of an order by that customer; gives the body. */
async function order(target: Target, customer: string): Promise<string> {
  const body = `{ "id": 820982911946154508, "note": "${randomUUID()}",\n "line_items": [], "customer": ${customer} }`;
  const reply = await send(target, { event: 'orders/create', id: randomUUID(), body });
  expect(reply.status, reply.text).toBe(200);
  return body;
}

const audited = async ({ id }: Target, action: string) =>
  sql(world, 'select detail from audit_log where connection_id = $1 and action = $2', [id, action]);

const done = (target: Target, action: string) =>
  until(async () => ((await audited(target, action)).length > 0 ? true : undefined));

/** The payloads that are kept of a connection, once nothing waits any more. */
const kept = async (target: Target) => (await settledOf(target)).map(({ data }) => data);

/** All that is kept of a shop, whichever connection it was for. */
const ofShop = async (shop: string) => {
  const rows = await sql(world, 'select id from events where account_id = $1 and topic is not null', [shop]);
  const ids = rows.map(({ id }) => String(id));
  return [...(await saidBy(world, ids)).values()];
};

const ada = '{"id":8011302502693,"email":"ada@buyer.example","phone":"+4915550001"}';

describe('customers/redact', () => {
  test('blanks what mentions the customer by id, e-mail or telephone, and nothing else', async () => {
    const target = await openTarget(world, 'shopify');
    for (const [name, value] of Object.entries(JSON.parse(ada)))
      await order(target, JSON.stringify({ [name]: value }));
    const others = [
      await order(target, '{"id":8011302502694,"email":"bob@buyer.example","phone":"+4915550002"}'),
      await order(target, 'null'),
    ];
    await settledOf(target);
    const reply = await comply(target, 'customers/redact', about(target, ada));
    expect([reply.status, reply.text]).toEqual([200, '']);
    await done(target, 'customer_redacted');
    const left = await kept(target);
    expect(left.filter((data) => data !== BLANK).sort()).toEqual(others.sort());
    expect(left.join()).not.toMatch(/8011302502693|ada@buyer|4915550001/);
    await expect
      .poll(async () => {
        const { body } = await target.person.at.get('/api/events?type=shopify.order.created');
        return body.events.filter(({ data }: { data: object }) => 'redacted' in data).length;
      })
      .toBe(3);
    expect(await audited(target, 'customer_redacted')).toHaveLength(1);
  });

  test('goes on with what it has no time for at once, and that is no failure', async () => {
    const target = await openTarget(world, 'shopify');
    await order(target, ada);
    await settledOf(target);
    await sql(
      world,
      `insert into events (id, type, provider, connection_id, tenant_id, user_id, account_id, occurred_at, data, payload_id, payload_bytes,
         topic, status, received_at)
       select gen_random_uuid(), type, provider, connection_id, tenant_id, user_id, account_id, occurred_at, data, payload_id, payload_bytes,
         topic, status,
         received_at + n * interval '1 microsecond'
       from events, generate_series(1, 1000) n where connection_id = $1 and topic is not null`,
      [target.id],
    );
    world.neon.faults.delay(1_000);
    await comply(target, 'customers/redact', about(target, ada));
    await until(() => world.logs.find((line) => line.includes('"goes_on":1')), 25_000);
    world.neon.faults.delay(0);
    const ended = await until(async () => {
      const rows = await storedOf(target);
      return rows.every(({ data }) => data === BLANK) ? rows : undefined;
    });
    expect(ended).toHaveLength(1_002);
    await expect.poll(() => audited(target, 'customer_redacted')).toEqual([{ detail: { events: 1_002 } }]);
    const attempts = 'select attempts from events where connection_id = $1 and topic = $2';
    expect(await sql(world, attempts, [target.id, 'customers/redact'])).toEqual([{ attempts: 1 }]);
  }, 60_000);

  test('leaves a customer alone whose number only begins or ends like it', async () => {
    const target = await openTarget(world, 'shopify');
    const others = [
      await order(target, '{"id":80113025026931}'),
      await order(target, '{"id":18011302502693}'),
      await order(target, '{"email":"nada@buyer.example"}'),
    ];
    await settledOf(target);
    await comply(target, 'customers/redact', about(target, ada));
    await done(target, 'customer_redacted');
    expect((await kept(target)).filter((data) => data !== BLANK).sort()).toEqual(others.sort());
  });

  test('finds a customer whose number is past 2^53', async () => {
    const target = await openTarget(world, 'shopify');
    const big = '{"id":9007199254740993}';
    await order(target, big);
    const other = await order(target, '{"id":9007199254740992}');
    await settledOf(target);
    await comply(target, 'customers/redact', about(target, big));
    await done(target, 'customer_redacted');
    expect((await kept(target)).filter((data) => data !== BLANK)).toEqual([other]);
  });

  test('reaches everybody at the shop, and no other shop', async () => {
    const one = await openTarget(world, 'shopify');
    const [two, other] = [
      await openTarget(world, 'shopify', { shop: one.shop }),
      await openTarget(world, 'shopify'),
    ];
    for (const target of [one, two]) await order(target, ada);
    const others = await order(other, ada);
    for (const target of [one, two, other]) await settledOf(target);
    await comply(one, 'customers/redact', about(one, ada));
    for (const target of [one, two]) {
      await done(target, 'customer_redacted');
      expect(await kept(target)).toEqual([BLANK, BLANK]);
    }
    expect(await kept(other)).toEqual([others]);
  });
});

describe('shop/redact', () => {
  const redact = (target: Target) =>
    comply(target, 'shop/redact', `{"shop_id":954889,"shop_domain":"${target.shop}"}`);

  test('blanks all that came from the shop, after a disconnect, too', async () => {
    const [target, other] = [await openTarget(world, 'shopify'), await openTarget(world, 'shopify')];
    await order(target, ada);
    const others = await order(other, ada);
    await settledOf(target);
    await target.person.at.delete('/api/connectors/shopify');
    expect((await redact(target)).status).toBe(200);
    await done(target, 'account_redacted');
    expect(new Set(await kept(target))).toEqual(new Set([BLANK]));
    expect(await kept(other)).toEqual([others]);
  });

  test('blanks what came since the last, too', async () => {
    const target = await openTarget(world, 'shopify');
    for (let times = 1; times <= 2; times += 1) {
      await order(target, ada);
      await settledOf(target);
      expect((await redact(target)).status).toBe(200);
      await expect
        .poll(async () => (await audited(target, 'account_redacted')).length, { timeout: 5_000 })
        .toBe(times);
      expect(new Set(await kept(target))).toEqual(new Set([BLANK]));
    }
  });

  test('that comes again under its own name is done once', async () => {
    const target = await openTarget(world, 'shopify');
    const body = `{"shop_id":954889,"shop_domain":"${target.shop}"}`;
    const delivery = { id: randomUUID() };
    await comply(target, 'shop/redact', body, delivery);
    await done(target, 'account_redacted');
    const later = await order(target, ada);
    await settledOf(target);
    expect((await comply(target, 'shop/redact', body, delivery)).status).toBe(200);
    expect(await kept(target)).toEqual([BLANK, later]);
  });

  const afterAnother = async (which: string) => {
    const target = await openTarget(world, 'shopify');
    await order(target, ada);
    await settledOf(target);
    await target.person.at.delete('/api/connectors/shopify');
    const shop = which === 'the same shop' ? target.shop : ownShop();
    const { body } = await connectByOAuth(target.person.at, 'shopify', { query: { shop } });
    expect(body.id).not.toBe(target.id);
    expect((await redact(target)).status).toBe(200);
    await expect
      .poll(() => ofShop(target.shop), { timeout: 3_000 })
      .not.toContainEqual(expect.stringContaining('ada@'));
  };
  test('and after the same shop was connected since', () => afterAnother('the same shop'));
  test('and after another shop was connected since', () => afterAnother('another shop'));
});

test('customers/data_request leaves one audit entry and one loud line in the log, however often it comes', async () => {
  const target = await openTarget(world, 'shopify');
  const delivery = { id: randomUUID() };
  for (const _ of [1, 2, 3])
    expect((await comply(target, 'customers/data_request', about(target, ada), delivery)).status).toBe(200);
  await done(target, 'customer_data_requested');
  expect(await kept(target)).toEqual([about(target, ada)]);
  expect(await audited(target, 'customer_data_requested')).toHaveLength(1);
  const lines = world.logs.filter(
    (line) => line.includes('customer_data_requested') && line.includes(target.id),
  );
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 'error', event: 'customer_data_requested', provider_id: 'shopify', connection_id: target.id },
  ]);
  expect(lines.join()).not.toMatch(/ada@|8011302502693/);
  expect(await typesOf(world, target.person)).toEqual(['connection.connected']);
});

const ACTIONS: Record<string, string> = {
  'customers/redact': 'customer_redacted',
  'shop/redact': 'account_redacted',
  'customers/data_request': 'customer_data_requested',
};

describe.each(Object.keys(ACTIONS))('%s', (topic) => {
  test('is taken as Shopify itself sends it', async () => {
    const { shop } = await openTarget(world, 'shopify');
    expect(await happen(world, 'shopify', topic, { account: shop })).toMatchObject([
      { url: `${world.url}${APP}`, status: 200 },
    ]);
  });

  test('of a shop that nobody here has is 200, and kept nowhere', async () => {
    const target = { ...(await openTarget(world, 'shopify')), shop: ownShop() };
    expect((await comply(target, topic, about(target, ada))).status).toBe(200);
    expect(await ofShop(target.shop)).toEqual([]);
    expect(await storedOf(target)).toEqual([]);
  });

  test('without X-Shopify-API-Version, Shop-Domain or an id is 401, though the signed body says all', async () => {
    const target = await openTarget(world, 'shopify');
    const headers = {
      'x-shopify-api-version': null,
      'x-shopify-shop-domain': null,
      'x-shopify-webhook-id': null,
    };
    expect((await comply(target, topic, about(target, ada), { headers })).status).toBe(200);
    await done(target, ACTIONS[topic] ?? '');
    const body = about({ ...target, shop: 'shop-another.myshopify.com' }, ada);
    expect(
      (await comply(target, topic, body, { headers: { ...headers, 'x-shopify-shop-domain': target.shop } }))
        .status,
    ).toBe(401);
  });

  test.each([
    ['signed with another secret', { secret: 'not-the-client-secret' }],
    ['not signed', { headers: { 'x-shopify-hmac-sha256': null } }],
    [
      'of another shop than its body says',
      { headers: { 'x-shopify-shop-domain': 'shop-other.myshopify.com' } },
    ],
  ])('that is %s is 401, and does nothing', async (_, more) => {
    const target = await openTarget(world, 'shopify');
    const body = await order(target, ada);
    await settledOf(target);
    expect(await comply(target, topic, about(target, ada), more)).toMatchObject({
      status: 401,
      body: { code: 'invalid_signature' },
    });
    expect(await kept(target)).toEqual([body]);
  });
});
