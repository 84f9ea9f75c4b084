import { beforeEach, describe, expect, test } from 'vitest';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { githubInstallations } from '../../world/providers/github.ts';
import {
  endpointsOf,
  githubAppEnv,
  happen,
  hooksOf,
  lookedAfter,
  ownAccount,
  rowOf,
  subscriptionsOf,
  watch,
  withGithub,
  withShop,
  withStripe,
} from './looked-after.ts';

const world = await openWorld();
const withApp = await openWorld({ env: githubAppEnv() });
beforeEach(() => {
  world.reset();
  withApp.reset();
});

const TOPICS = ['APP_UNINSTALLED', 'INVENTORY_LEVELS_UPDATE', 'ORDERS_CREATE', 'PRODUCTS_UPDATE'];

describe('at connect', () => {
  test.each(['test', 'live'])('Stripe gets one endpoint, in %s mode as the key is', async (mode) => {
    const { id, key, webhooks } = await withStripe(world, { ...ownAccount(), mode });
    expect(webhooks).toEqual({
      status: 'active',
      events: ['stripe.payment.succeeded', 'stripe.subscription.updated', 'stripe.invoice.created'],
      last_received_at: null,
      error: null,
    });
    const [endpoint, ...others] = endpointsOf(world, id);
    expect(others).toEqual([]);
    expect(endpoint).toMatchObject({
      url: `${world.url}/api/webhooks/stripe/${id}`,
      api_version: '2026-10-28.endive',
      status: 'enabled',
      livemode: mode === 'live',
    });
    expect(endpoint?.enabled_events.toSorted()).toEqual([
      'customer.subscription.updated',
      'invoice.created',
      'payment_intent.succeeded',
    ]);
    expect(world.store('stripe').get(`endpoint/${endpoint?.id}`)).toMatchObject({ account: key.account.id });
    expect((await rowOf(world, id)).registered).toEqual([{ id: endpoint?.id }]);
  });

  test('Shopify gets a subscription for each topic, in that shop alone', async () => {
    const { id, shop, webhooks } = await withShop(world);
    expect(webhooks).toMatchObject({ status: 'active', error: null });
    const found = subscriptionsOf(world, id);
    expect(found.map(({ topic }) => topic).sort()).toEqual(TOPICS);
    for (const each of found)
      expect(each).toMatchObject({ shop, uri: `${world.url}/api/webhooks/shopify/${id}` });
    expect((await rowOf(world, id)).routes).toEqual([`shop:${shop}`]);
  });

  test('GitHub, an OAuth App: nothing until repositories are chosen, then a hook on each', async () => {
    const { person, id, webhooks } = await withGithub(world);
    expect(webhooks).toMatchObject({ status: 'unsupported', events: [], error: null });
    expect(hooksOf(world, id)).toEqual([]);
    const chosen = ['octocat/Hello-World', 'octocat/Spoon-Knife'];
    expect((await watch(person, chosen)).body).toEqual({ repositories: chosen, error: null });
    const hooks = hooksOf(world, id);
    expect(hooks.map(({ repository }) => repository).sort()).toEqual([1296269, 1300192]);
    for (const hook of hooks)
      expect(hook).toMatchObject({
        active: true,
        events: ['push', 'pull_request', 'deployment_status'],
        config: {
          url: `${world.url}/api/webhooks/github/${id}`,
          content_type: 'json',
          insecure_ssl: '0',
          secret: expect.stringMatching(/^[\w-]{43}$/),
        },
      });
    const { connections } = (await person.at.get('/api/connectors/list')).body;
    expect(connections[0].webhooks).toMatchObject({
      status: 'active',
      events: ['github.push', 'github.pull_request.opened', 'github.deployment.status'],
    });
  });

  test('GitHub, an App: no hook, and the installations and repositories that the user reaches', async () => {
    const { id, webhooks } = await withGithub(withApp);
    expect(webhooks).toMatchObject({ status: 'active', error: null });
    expect(withApp.store('github').list('hook/')).toEqual([]);
    const own = githubInstallations(withApp.store('github')).find(({ account }) => account === 'octocat');
    const row = await rowOf(withApp, id);
    expect(row.routes.toSorted()).toEqual([
      `installation:${own?.id}`,
      ...[1296269, 1300192, 1300193].map((repository) => `repository:${repository}`),
      'user:583231',
    ]);
    expect(row).toMatchObject({ registered: [], secret: null });
  });

  test('GitHub, an App that is installed nowhere: says so, and is active once it is', async () => {
    withApp.store('github').set('settings.notInstalled', 'hubot');
    const { id, webhooks } = await withGithub(withApp, [], 'hubot');
    withApp.store('github').delete('settings.notInstalled');
    expect(webhooks).toMatchObject({ status: 'failed', events: [], error: expect.stringMatching(/nowhere/) });
    expect(await lookedAfter(withApp, id)).toMatchObject({ status: 'active', error: null });
  });
});

describe('a secret', () => {
  test('of Stripe’s or ours stands nowhere but sealed', async () => {
    const stripe = await withStripe(world);
    const github = await withGithub(world, ['octocat/launch-plans']);
    const [endpoint] = endpointsOf(world, stripe.id);
    const secrets = [
      world.store('stripe').get<string>(`signing/${endpoint?.id}`) ?? '',
      hooksOf(world, github.id)[0]?.config.secret ?? '',
    ];
    const rows = [await rowOf(world, stripe.id), await rowOf(world, github.id)];
    for (const [at, secret] of secrets.entries()) {
      expect(secret.length).toBeGreaterThan(30);
      const sealed = rows[at]?.secret ?? Buffer.alloc(0);
      expect(sealed.length).toBeGreaterThan(secret.length);
      expect(sealed.includes(secret)).toBe(false);
      expect(JSON.stringify(rows)).not.toContain(secret);
      expect(world.logs.join('\n')).not.toContain(secret);
    }
    const keys = await world.sql('select data_key_id from webhooks where secret is not null');
    for (const { data_key_id: key } of keys) expect(key).not.toBeNull();
  });

  test('of Shopify’s is the app’s own, and no connection keeps it', async () => {
    const { id } = await withShop(world);
    expect((await rowOf(world, id)).secret).toBeNull();
  });
});

describe('connecting again', () => {
  test('to Stripe adopts the endpoint, with the same key and with another one of the account', async () => {
    const { person, key, id } = await withStripe(world);
    const [before, endpoints] = [await rowOf(world, id), endpointsOf(world, id)];
    const another = issueKey(world, 'stripe', { accountId: key.account.id });
    for (const again of [key, another]) {
      const reply = await connect(person.at, 'stripe', again);
      expect([reply.status, reply.body.id, reply.body.webhooks.status], reply.text).toEqual([
        200,
        id,
        'active',
      ]);
    }
    expect(endpointsOf(world, id)).toEqual(endpoints);
    const { registered, secret, version } = await rowOf(world, id);
    expect({ registered, secret, version }).toEqual({
      registered: before.registered,
      secret: before.secret,
      version: before.version,
    });
  });

  test('to Stripe five times at once leaves one endpoint after the next look', async () => {
    const { person, key, id } = await withStripe(world);
    await person.at.delete('/api/connectors/stripe');
    await Promise.all(Array.from({ length: 5 }, () => connect(person.at, 'stripe', key)));
    const [{ id: now }] = (await person.at.get('/api/connectors/list')).body.connections;
    expect(now).not.toBe(id);
    const { status, registered } = await lookedAfter(world, now);
    expect(status).toBe('active');
    expect(endpointsOf(world, now).map((each) => ({ id: each.id }))).toEqual(registered);
    const sent = await happen(world, 'stripe', 'invoice.created', { account: key.account.id, to: now });
    expect(sent).toMatchObject([{ status: 200 }]);
  });

  test('to Shopify adopts the subscriptions', async () => {
    const { person, shop, id } = await withShop(world);
    const before = subscriptionsOf(world, id);
    const reply = await connectByOAuth(person.at, 'shopify', { query: { shop } });
    expect([reply.status, reply.body.id, reply.body.webhooks.status]).toEqual([200, id, 'active']);
    expect(subscriptionsOf(world, id)).toEqual(before);
  });

  test('to GitHub adopts the hooks, with the secret that they have', async () => {
    const { person, id } = await withGithub(world, ['octocat/Hello-World', 'octocat/launch-plans']);
    const hooks = hooksOf(world, id);
    expect((await connectByOAuth(person.at, 'github')).body.id).toBe(id);
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active' });
    const untimed = hooks.map(({ id, repository, config, events }) => ({ id, repository, config, events }));
    expect(hooksOf(world, id)).toMatchObject(untimed);
    expect(hooksOf(world, id)).toHaveLength(2);
  });
});
