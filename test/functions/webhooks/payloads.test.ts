import { randomBytes, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, test } from 'vitest';
import { type Delivery, send, settledOf } from '../../support/deliveries.ts';
import { feedOf } from '../../support/feed.ts';
import { openWorld } from '../../support/open-world.ts';
import {
  githubPayloads,
  type Payload,
  shopifyPayloads,
  stripePayloads,
} from '../../support/payload-vectors.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { serve } from '../../world/http-server.ts';

/** An agent that keeps what it is sent as it came. */
const AGENT_EVENTS_SECRET = `whsec_${randomBytes(24).toString('base64')}`;
const taken: string[] = [];
const agent = await serve(async (request) => {
  const body = await request.text();
  new Webhook(AGENT_EVENTS_SECRET).verify(body, Object.fromEntries(request.headers));
  taken.push(body);
  return new Response(null, { status: 204 });
});
const world = await openWorld({ env: { AGENT_EVENTS_URL: agent.url, AGENT_EVENTS_SECRET } });
afterAll(() => agent.close());

interface Sent extends Payload {
  id: string;
  topic: string;
  /** What the agent is told, where it is. */
  type: string | undefined;
}

const AT_ONCE = 8;

async function sendAll(target: Target, all: readonly Sent[]): Promise<void> {
  const waiting = [...all];
  const refused: string[] = [];
  const work = async () => {
    for (let each = waiting.shift(); each; each = waiting.shift()) {
      const { body, event, id, headers } = each;
      const delivery: Delivery = { body, event, id, headers };
      const reply = await send(target, delivery);
      if (reply.status !== 200) refused.push(`${each.topic}: ${reply.status}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  expect(refused).toEqual([]);
}

/** Each is stored once and as it came; those that it has a name for reach the agent, and no other does. */
async function expectStored(target: Target, all: readonly Sent[]): Promise<void> {
  const ids = new Set(all.map(({ id }) => id));
  const settled = await settledOf(target);
  const rows = settled.filter(({ delivery_id: id }) => ids.has(id ?? ''));
  expect(rows).toHaveLength(all.length);
  // GitHub pings a new hook.
  expect(settled.filter((row) => !rows.includes(row) && row.topic !== 'ping')).toEqual([]);
  const byId = new Map(rows.map((row) => [row.delivery_id, row]));
  for (const { id, topic, type = '', body } of all) {
    const { data, ...row } = byId.get(id) ?? {};
    expect(row, topic).toMatchObject({ topic, type, status: type === '' ? 'kept' : 'delivered' });
    expect(data === body, `the body of ${topic}`).toBe(true);
  }

  const told = all.filter(({ type }) => type !== undefined);
  const ends = (text: string, { type, body }: Sent) =>
    text.includes(`"type":"${type}"`) && text.endsWith(`,"data":${body}}`);
  const own = () =>
    taken.filter(
      (text) => text.includes(`"connection_id":"${target.id}"`) && !text.includes('"type":"connection.'),
    );
  await until(() => (own().length >= told.length ? true : undefined));
  expect(own()).toHaveLength(told.length);
  for (const each of told)
    expect(
      own().filter((text) => ends(text, each)),
      each.topic,
    ).toHaveLength(1);

  const query = `?limit=100&connection_id=${target.id}`;
  const feed = await feedOf(target.person.at, told.length + 1, query);
  expect(feed.body.has_more).toBe(false);
  const types = feed.body.events.map(({ type }: { type: string }) => type);
  expect(types.sort()).toEqual(['connection.connected', ...told.map(({ type }) => type)].sort());
  for (const { body } of told) expect(feed.text).toContain(`"data":${body}}`);
}

describe.runIf(githubPayloads().length > 0)('GitHub:', () => {
  const types: Record<string, string> = {
    push: 'github.push',
    'pull_request.opened': 'github.pull_request.opened',
    'deployment_status.created': 'github.deployment.status',
  };
  const payloads = githubPayloads().map((payload): Sent => {
    const topic = payload.action ? `${payload.event}.${payload.action}` : payload.event;
    return { ...payload, id: randomUUID(), topic, type: types[topic] };
  });

  test(`${payloads.length} payloads of all events are stored, and three kinds of them told`, async () => {
    expect(payloads).toHaveLength(171);
    const target = await openTarget(world, 'github');
    await sendAll(target, payloads);
    await expectStored(target, payloads);
  });
});

describe.runIf(stripePayloads().length > 0)('Stripe:', () => {
  const types: Record<string, string> = {
    'payment_intent.succeeded': 'stripe.payment.succeeded',
    'customer.subscription.updated': 'stripe.subscription.updated',
    'invoice.created': 'stripe.invoice.created',
  };
  const payloads = stripePayloads().map((payload): Sent => {
    const { id } = JSON.parse(payload.body) as { id: string };
    return { ...payload, id, topic: payload.event, type: types[payload.event] };
  });

  test(`${payloads.length} events are stored, and three kinds of them told`, async () => {
    expect(payloads).toHaveLength(16);
    const target = await openTarget(world, 'stripe');
    await sendAll(target, payloads);
    await expectStored(target, payloads);
  });
});

describe.runIf(shopifyPayloads().length > 0)('Shopify:', () => {
  const types: Record<string, string> = {
    'orders/create': 'shopify.order.created',
    'products/update': 'shopify.product.updated',
    'inventory_levels/update': 'shopify.inventory.changed',
  };
  const payloads = shopifyPayloads().map((payload): Sent => {
    return { ...payload, id: randomUUID(), topic: payload.event, type: types[payload.event] };
  });

  // Samples of several topics have the same body, which one connection takes once.
  const seen = new Map<string, number>();
  const rounds: Sent[][] = [];
  for (const payload of payloads) {
    const round = seen.get(payload.body) ?? 0;
    seen.set(payload.body, round + 1);
    rounds[round] = [...(rounds[round] ?? []), payload];
  }

  test('there is one for every topic, and one for every resource', () => {
    expect(payloads).toHaveLength(219);
  });

  test.each(rounds.map((round, at) => ({ round, at })))(
    'payloads of all topics, round $at',
    async ({ round }) => {
      const target = await openTarget(world, 'shopify');
      // A body that names a shop is the delivery of that shop alone.
      const all = round.map((payload) => ({
        ...payload,
        body: payload.body.replace(
          '"myshopify_domain":"example string"',
          `"myshopify_domain":"${target.shop}"`,
        ),
      }));
      await sendAll(target, all);
      await expectStored(target, all);
    },
  );
});
