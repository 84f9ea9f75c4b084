import { describe, expect, test } from 'vitest';
import { Client } from '../../support/client.ts';
import { connect } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import type { Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import type { EndpointRecord } from '../../world/providers/stripe/endpoint-book.ts';
import {
  endpointsOf,
  happen,
  hooksOf,
  lookedAfter,
  rowOf,
  subscriptionsOf,
  watch,
  withGithub,
  withShop,
  withStripe,
} from './looked-after.ts';

const [HELLO, SPOON] = ['octocat/Hello-World', 'octocat/Spoon-Knife'] as const;
const ELSEWHERE = 'https://elsewhere.example/api/webhooks';

// A world that is opened again stands at another PUBLIC_URL, on what it has stored.
const former = await openWorld();
const stripe = await withStripe(former);
const again = await withStripe(former);
const lost = await withStripe(former);
const gone = await withStripe(former);
const shop = await withShop(former);
const doubled = await withShop(former);
const github = await withGithub(former, [HELLO, SPOON]);
const unknown = await withGithub(former, [HELLO]);
const endpoints = new Map([stripe, again, lost, gone].map(({ id }) => [id, endpointsOf(former, id)]));
const secretBefore = (await rowOf(former, stripe.id)).secret;
const subscriptions = new Map([shop, doubled].map(({ id }) => [id, subscriptionsOf(former, id)]));
const hooks = hooksOf(former, github.id);
const world = await former.reopen();

/** Somebody's browser in the world that stands now. */
const browserOf = ({ person }: { person: Person }) => new Client(world, person.token);

const urlOf = (provider: string, id: string) => `${world.url}/api/webhooks/${provider}/${id}`;

/** An endpoint that somebody has made at Stripe, beside those of a connection. */
function madeAt(url: string, { id }: { id: string }): string {
  const [own] = endpoints.get(id) ?? [];
  const kept = world.store('stripe').get<EndpointRecord>(`endpoint/${own?.id}`);
  if (!kept) throw new Error('no endpoint');
  const made = `we_${crypto.randomUUID().replaceAll('-', '')}`;
  world.store('stripe').set(`endpoint/${made}`, { ...kept, endpoint: { ...kept.endpoint, id: made, url } });
  world.store('stripe').set(`signing/${made}`, 'whsec_made_by_another');
  return made;
}

const stands = (id: string) => world.store('stripe').get(`endpoint/${id}`) !== undefined;

test('a world that was opened again stands at another address', () => {
  expect(world.url).not.toBe(former.url);
});

describe('after PUBLIC_URL has changed, Stripe’s endpoint', () => {
  test('is doubled no more: it moves at the next look, under its id and with its secret', async () => {
    const [before] = endpoints.get(stripe.id) ?? [];
    expect(await lookedAfter(world, stripe.id)).toMatchObject({
      status: 'active',
      error: null,
      registered: [{ id: before?.id }],
      secret: secretBefore,
    });
    expect(endpointsOf(world, stripe.id)).toEqual([{ ...before, url: urlOf('stripe', stripe.id) }]);
    const sent = { account: stripe.key.account.id, to: stripe.id };
    expect(await happen(world, 'stripe', 'invoice.created', sent)).toMatchObject([{ status: 200 }]);
  });

  test('is doubled no more by connecting again', async () => {
    const [before] = endpoints.get(again.id) ?? [];
    const reply = await connect(browserOf(again), 'stripe', again.key);
    expect([reply.status, reply.body.webhooks.status], reply.text).toEqual([200, 'active']);
    expect(endpointsOf(world, again.id)).toEqual([{ ...before, url: urlOf('stripe', again.id) }]);
  });

  test('whose secret is lost as well is replaced, the one at the former address not left behind, nor another’s taken', async () => {
    const others = [
      madeAt(`${ELSEWHERE}/stripe/${crypto.randomUUID()}`, lost),
      madeAt(`${former.url}/api/webhooks/stripe/${crypto.randomUUID()}`, lost),
      madeAt(`${world.url}/api/webhooks/stripe`, lost),
      madeAt(`${ELSEWHERE}/somewhere/else/stripe/${lost.id}`, lost),
    ];
    // By our own path, of which nobody has heard.
    const unheard = madeAt(`${ELSEWHERE}/stripe/${lost.id}`, lost);
    await sql(world, 'update webhooks set secret = null, data_key_id = null where connection_id = $1', [
      lost.id,
    ]);
    const { registered } = await lookedAfter(world, lost.id);
    const own = (endpoints.get(lost.id) ?? []).map(({ id }) => id);
    expect([...own, unheard].filter(stands)).toEqual([]);
    expect(others.filter(stands)).toEqual(others);
    expect(registered.map(({ id }) => stands(id))).toEqual([true]);
    expect(endpointsOf(world, lost.id).map(({ url }) => url)).toContain(urlOf('stripe', lost.id));
  });

  test('is not orphaned by a disconnect, though its id was never heard', async () => {
    const [before] = endpoints.get(gone.id) ?? [];
    const forget = `update webhooks set registered = '[]', status = 'failed' where connection_id = $1`;
    await sql(world, forget, [gone.id]);
    await browserOf(gone).delete('/api/connectors/stripe');
    expect(stands(before?.id ?? '')).toBe(false);
  });
});

describe('after PUBLIC_URL has changed, Shopify’s subscriptions', () => {
  const kept = (id: string) => subscriptionsOf(world, id).map((each) => ({ id: each.id, topic: each.topic }));

  test('are doubled no more: each moves under its id, and none is missing in between', async () => {
    world.reset();
    expect(await lookedAfter(world, shop.id)).toMatchObject({ status: 'active', error: null });
    const before = subscriptions.get(shop.id) ?? [];
    expect(kept(shop.id)).toEqual(before.map(({ id, topic }) => ({ id, topic })));
    const addresses = new Set(subscriptionsOf(world, shop.id).map(({ uri }) => uri));
    expect(addresses).toEqual(new Set([urlOf('shopify', shop.id)]));
    const sent = { account: shop.shop, to: shop.id };
    expect(await happen(world, 'shopify', 'orders/create', sent)).toMatchObject([{ status: 200 }]);
  });

  test('that stand at both addresses are removed from the former one', async () => {
    const [first] = subscriptions.get(doubled.id) ?? [];
    const kept = world.store('shopify').get<object>(`subscription/${first?.id}`);
    const moved = { ...kept, id: '1499999999999', uri: urlOf('shopify', doubled.id) };
    world.store('shopify').set(`subscription/${moved.id}`, moved);
    const { registered } = await lookedAfter(world, doubled.id);
    const after = subscriptionsOf(world, doubled.id);
    expect(new Set(after.map(({ uri }) => uri))).toEqual(new Set([urlOf('shopify', doubled.id)]));
    expect(after).toHaveLength(4);
    expect(registered.map(({ id }) => id).sort()).toEqual(
      after.map(({ id }) => `gid://shopify/WebhookSubscription/${id}`).sort(),
    );
  });
});

describe('after PUBLIC_URL has changed, GitHub’s hooks', () => {
  test('are doubled on no repository: each moves under its id', async () => {
    expect(await lookedAfter(world, github.id)).toMatchObject({ status: 'active', error: null });
    const after = hooksOf(world, github.id);
    expect(after.map(({ id }) => id)).toEqual(hooks.map(({ id }) => id));
    for (const { config } of after) expect(config.url).toBe(urlOf('github', github.id));
    const sent = await happen(world, 'github', 'push', { repository: SPOON, to: github.id });
    expect(sent).toMatchObject([{ status: 200 }]);
  });

  test('are not orphaned where their id was never heard', async () => {
    const registered = JSON.stringify([{ id: '', target: HELLO }]);
    await sql(world, 'update webhooks set registered = $2 where connection_id = $1', [
      unknown.id,
      registered,
    ]);
    const person = { ...unknown.person, at: browserOf(unknown) };
    expect((await watch(person, [])).status).toBe(200);
    expect(hooksOf(world, unknown.id)).toEqual([]);
  });
});
