import '@shopify/shopify-api/adapters/node';
import { Octokit } from '@octokit/rest';
import { ApiVersion, Session, shopifyApi } from '@shopify/shopify-api';
import { setAbstractFetchFunc } from '@shopify/shopify-api/runtime';
import { WebClient } from '@slack/web-api';
import { OAuth2Client } from 'google-auth-library';
import Stripe from 'stripe';
import { expect, test } from 'vitest';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { openWorld, type TestWorld } from './support/open-world.ts';
import { openedCredential } from './support/opened.ts';
import { githubAppSettings } from './world/providers/github.ts';

const world = await openWorld();
const withApp = await openWorld({
  env: Object.fromEntries(
    Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]),
  ),
});

/** A client's way out, with the providers behind the gateway as for the Worker. */
const throughGateway =
  ({ gateway }: TestWorld) =>
  async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const { host, pathname, search } = new URL(request.url);
    const response = await fetch(`${gateway.url}/${host}${pathname}${search}`, {
      method: request.method,
      headers: request.headers,
      ...(request.body && { body: await request.arrayBuffer() }),
    });
    // Clients that page look at where the answer came from.
    return Object.defineProperty(response, 'url', { value: request.url });
  };

async function tokenOf(at: TestWorld, provider: string): Promise<string> {
  const key = at.gateway.simulator(provider).issueKey ? issueKey(at, provider) : undefined;
  const reply = key ? await connect(at.ada, provider, key) : await connectByOAuth(at.ada, provider);
  expect(reply.status, reply.text).toBeLessThan(300);
  return openedCredential(at, reply.body.id);
}

test('stripe reads its account and balance with the key that was kept', async () => {
  const stripe = new Stripe(await tokenOf(world, 'stripe'), {
    httpClient: Stripe.createFetchHttpClient(throughGateway(world)),
    maxNetworkRetries: 0,
  });
  expect(await stripe.accounts.retrieveCurrent()).toMatchObject({
    object: 'account',
    id: expect.any(String),
  });
  expect(await stripe.balance.retrieve()).toMatchObject({ object: 'balance' });
});

test.each([
  ['OAuth App', world],
  ['GitHub App', withApp],
])('@octokit/rest knows whom the token of a %s is of, and lists repositories', async (_, at) => {
  const octokit = new Octokit({
    auth: await tokenOf(at, 'github'),
    request: { fetch: throughGateway(at) },
    throttle: { enabled: false },
  });
  expect((await octokit.users.getAuthenticated()).data).toMatchObject({ login: 'octocat' });
  const repositories = await octokit.paginate(octokit.repos.listForAuthenticatedUser, { per_page: 100 });
  expect(repositories.map(({ full_name }) => full_name)).toContain('octocat/Hello-World');
});

test('@slack/web-api knows the workspace of the bot and lists channels', async () => {
  const slack = new WebClient(await tokenOf(world, 'slack'), {
    fetch: throughGateway(world),
    retryConfig: { retries: 0 },
  });
  expect(await slack.auth.test()).toMatchObject({ ok: true, team: 'Acme' });
  const { channels = [] } = await slack.conversations.list({ limit: 100 });
  expect(channels.map(({ name }) => name)).toContain('general');
});

test('@shopify/shopify-api asks the shop its name', async () => {
  const accessToken = await tokenOf(world, 'shopify');
  setAbstractFetchFunc(throughGateway(world) as typeof fetch);
  const shop = 'north-store.myshopify.com';
  const shopify = shopifyApi({
    apiKey: 'reeve',
    apiSecretKey: 'unused',
    apiVersion: ApiVersion.October26,
    hostName: 'connect.example',
    isEmbeddedApp: false,
    logger: { log: () => undefined },
  });
  const session = new Session({ id: shop, shop, state: '', isOnline: false, accessToken });
  const client = new shopify.clients.Graphql({ session });
  const { data } = await client.request('{ shop { name myshopifyDomain } }');
  expect(data).toMatchObject({ shop: { myshopifyDomain: shop } });
});

test.each([
  ['google_ads', 'https://openidconnect.googleapis.com/v1/userinfo', { email: 'ada@acme.example' }],
  [
    'ga4',
    'https://analyticsdata.googleapis.com/v1beta/properties/333000111/metadata',
    { name: 'properties/333000111/metadata' },
  ],
])('google-auth-library calls with the token of %s', async (provider, url, answer) => {
  const google = new OAuth2Client({ transporterOptions: { fetchImplementation: throughGateway(world) } });
  google.setCredentials({ access_token: await tokenOf(world, provider) });
  expect((await google.request({ url })).data).toMatchObject(answer);
});
