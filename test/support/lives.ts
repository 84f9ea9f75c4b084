import { expect } from 'vitest';
import { deleteGa4Account } from '../world/providers/ga4.ts';
import { githubTokens } from '../world/providers/github.ts';
import { endGoogleAdsGrant, googleAdsTokens } from '../world/providers/google-ads.ts';
import { disableKlaviyoKey } from '../world/providers/klaviyo.ts';
import { endMetaTokens, metaTokens } from '../world/providers/meta.ts';
import { deletePostHogKey } from '../world/providers/posthog.ts';
import { shopifyTokens } from '../world/providers/shopify.ts';
import { slackTokens } from '../world/providers/slack.ts';
import { expireStripeKey } from '../world/providers/stripe.ts';
import { tiktokTokens } from '../world/providers/tiktok.ts';
import { deleteVercelToken } from '../world/providers/vercel.ts';
import { deleteZendeskClient, zendeskTokens } from '../world/providers/zendesk.ts';
import type { World } from '../world/world.ts';

/** What the documents of a provider say of a connection's life, for one way of connecting to it. */
export interface Life {
  provider: string;
  way: string;
  account: { id: unknown; name: unknown };
  /** Requests to the provider in one connect, and in one test. */
  requests: { connect: number; test: number };
  /** Requests of one connect by which webhooks are registered. */
  webhooks?: number;
  /** People who give less than is needed, and what they are told. */
  lacking: Lacking;
  /** Takes access away at the provider, as its owner does there; `key` is what was pasted. */
  end(world: World, key: string): unknown;
  /** Whether access stands at the provider; absent where nothing of it is ours to end. */
  isAlive?(world: World, key: string): boolean;
  /** Whether a person must act one day, whatever we do. */
  ends: boolean;
  /** Options for the simulator that makes the key; absent where a person signs in. */
  key?: Record<string, string>;
  /** What becomes of the tokens that a key is exchanged for, where it is. */
  tokens?: 'are ours to end' | 'end by themselves';
}

/** Options of the key, or the consent; then the code of a refusal, or the permissions that are told as missing. */
interface Lacking {
  key?: Record<string, string>;
  account?: string;
  scopes?: string[];
  query?: Record<string, string>;
  asked?: string;
  setting?: string;
  code?: 'insufficient_scope' | 'invalid_credential';
  missing?: string[];
}

/** Sends to a provider as somebody other than the Worker. */
function send(world: World, provider: string, method: string, url: string, init: RequestInit = {}) {
  return world.gateway.simulator(provider).fetch(new Request(url, { method, ...init }));
}

function clientOf(world: World, provider: string): { id: string; secret: string } {
  const secret = world.store('world').get<string>(`${provider}/client-secret`) ?? '';
  return { id: `reeve-${provider}-client`, secret };
}

interface Token {
  token: string;
  alive: boolean;
}

const isNewestAlive = (tokens: Token[]) => tokens.at(-1)?.alive === true;
const living = (tokens: Token[]) => tokens.findLast(({ alive }) => alive)?.token ?? '';

const github = {
  provider: 'github',
  account: { id: expect.stringMatching(/^\d+$/), name: 'octocat' },
  async end(world: World) {
    const { id, secret } = clientOf(world, 'github');
    await send(world, 'github', 'DELETE', `https://api.github.com/applications/${id}/grant`, {
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Basic ${btoa(`${id}:${secret}`)}`,
        'content-type': 'application/json',
        'user-agent': 'their settings',
      },
      body: JSON.stringify({ access_token: living(githubTokens(world.store('github'))) }),
    });
  },
  isAlive: (world: World) => isNewestAlive(githubTokens(world.store('github'))),
  ends: false,
} satisfies Partial<Life>;

export const lives: readonly Life[] = [
  {
    provider: 'shopify',
    way: 'signing in',
    account: { id: 'north-store.myshopify.com', name: expect.any(String) },
    // What stands, and four topics.
    webhooks: 5,
    requests: { connect: 2, test: 1 },
    lacking: {
      query: { shop: 'south-store.myshopify.com' },
      // A merchant installs all of an app or none; an app may ask for less than we do.
      asked: 'read_products,read_customers,read_inventory,read_reports',
      missing: ['read_orders'],
    },
    async end(world) {
      const token = living(shopifyTokens(world.store('shopify')));
      const url = 'https://north-store.myshopify.com/admin/api_permissions/current.json';
      const headers = { accept: 'application/json', 'x-shopify-access-token': token };
      await send(world, 'shopify', 'DELETE', url, { headers });
    },
    isAlive: (world) => isNewestAlive(shopifyTokens(world.store('shopify'))),
    ends: false,
  },
  {
    provider: 'stripe',
    way: 'a restricted key',
    key: {},
    account: { id: expect.stringMatching(/^acct_/), name: 'Acme Inc' },
    // What stands, and one.
    webhooks: 2,
    requests: { connect: 1, test: 1 },
    lacking: { key: { account: 'false' }, missing: ['rak_accounts_kyc_basic_read'] },
    end: (world, key) => expireStripeKey(world.store('stripe'), key),
    ends: false,
  },
  {
    provider: 'meta',
    way: 'signing in',
    account: { id: '10230948571230981', name: 'Nora Lind' },
    // Code, longer token, inspection, name, permissions.
    requests: { connect: 5, test: 3 },
    lacking: { account: 'Pia Ruiz', scopes: [], missing: ['ads_read'] },
    end: (world) => endMetaTokens(world.store('meta'), 458),
    isAlive: (world) => isNewestAlive(metaTokens(world.store('meta'))),
    ends: true,
  },
  {
    provider: 'google_ads',
    way: 'signing in',
    account: { id: expect.stringMatching(/^\d+$/), name: 'ada@acme.example' },
    requests: { connect: 3, test: 2 },
    lacking: { account: 'noads@plain.example', code: 'insufficient_scope' },
    end: (world) => endGoogleAdsGrant(world.store('google_ads'), 'ada@acme.example'),
    isAlive: (world) => isNewestAlive(googleAdsTokens(world.store('google_ads'))),
    ends: false,
  },
  {
    provider: 'tiktok',
    way: 'signing in',
    account: { id: '7012345678901234567', name: 'Kettle Works' },
    requests: { connect: 2, test: 1 },
    lacking: { account: 'newcomer@initech.example', code: 'insufficient_scope' },
    async end(world) {
      const { id, secret } = clientOf(world, 'tiktok');
      const token = living(tiktokTokens(world.store('tiktok')));
      const url = 'https://business-api.tiktok.com/open_api/v1.3/oauth2/revoke_token/';
      const body = JSON.stringify({ app_id: id, secret, access_token: token });
      await send(world, 'tiktok', 'POST', url, { headers: { 'content-type': 'application/json' }, body });
    },
    isAlive: (world) => isNewestAlive(tiktokTokens(world.store('tiktok'))),
    ends: false,
  },
  {
    provider: 'klaviyo',
    way: 'a private key',
    key: {},
    account: { id: expect.stringMatching(/^[A-Za-z0-9]{6}$/), name: expect.any(String) },
    requests: { connect: 1, test: 1 },
    lacking: { key: { scopes: 'campaigns:read' }, code: 'insufficient_scope' },
    end: (world, key) => disableKlaviyoKey(world.store('klaviyo'), key),
    ends: false,
  },
  {
    provider: 'posthog',
    way: 'a personal key',
    key: {},
    account: { id: expect.any(String), name: expect.any(String) },
    requests: { connect: 2, test: 2 },
    lacking: {
      key: { scopes: 'project:read,query:read,insight:read,feature_flag:read' },
      missing: ['session_recording:read'],
    },
    end: (world, key) => deletePostHogKey(world.store('posthog'), key),
    ends: false,
  },
  {
    provider: 'ga4',
    way: 'a service account',
    key: {},
    account: { id: 'properties/333000111', name: 'Acme Shop' },
    // Token, property, name.
    requests: { connect: 3, test: 3 },
    tokens: 'end by themselves',
    lacking: { key: { access: 'none' }, code: 'insufficient_scope' },
    end: (world, key) => deleteGa4Account(world.store('ga4'), key),
    ends: false,
  },
  {
    provider: 'gorgias',
    way: 'an API key',
    key: {},
    account: { id: 'acme', name: 'acme.gorgias.com' },
    requests: { connect: 1, test: 1 },
    lacking: { key: { email: 'other@acme.example', account: 'false' }, code: 'insufficient_scope' },
    end: (world, key) => world.store('gorgias').delete(`key/${key}`),
    ends: false,
  },
  {
    provider: 'zendesk',
    way: 'an OAuth client of one’s own',
    key: { kind: 'oauth_client' },
    account: { id: 'acme', name: 'acme.zendesk.com' },
    // Token, user, tickets.
    requests: { connect: 3, test: 3 },
    tokens: 'are ours to end',
    lacking: {
      key: { kind: 'oauth_client', email: 'buyer@acme.example', role: 'end-user' },
      code: 'invalid_credential',
    },
    // A token alone is asked for anew; with its client goes all of it.
    end: (world, key) => deleteZendeskClient(world.store('zendesk'), key),
    isAlive: (world) => isNewestAlive(zendeskTokens(world.store('zendesk'))),
    ends: false,
  },
  {
    provider: 'zendesk',
    way: 'an old API token',
    key: { kind: 'api_token', subdomain: 'globex' },
    account: { id: 'globex', name: 'globex.zendesk.com' },
    requests: { connect: 2, test: 2 },
    lacking: {
      key: { subdomain: 'globex', email: 'buyer@globex.example', role: 'end-user' },
      code: 'invalid_credential',
    },
    end: (world) => world.store('zendesk').set('settings.apiTokensRemoved', true),
    ends: true,
  },
  {
    provider: 'slack',
    way: 'signing in',
    account: { id: expect.stringMatching(/^T/), name: 'Acme' },
    requests: { connect: 2, test: 1 },
    lacking: {
      account: 'Globex',
      scopes: ['chat:write', 'channels:read', 'groups:read'],
      missing: ['channels:history'],
    },
    async end(world) {
      const { id, secret } = clientOf(world, 'slack');
      const token = living(slackTokens(world.store('slack')));
      await send(world, 'slack', 'POST', 'https://slack.com/api/apps.uninstall', {
        headers: { authorization: `Bearer ${token}` },
        body: new URLSearchParams({ client_id: id, client_secret: secret }),
      });
    },
    isAlive: (world) => isNewestAlive(slackTokens(world.store('slack'))),
    ends: false,
  },
  {
    ...github,
    way: 'an OAuth App',
    requests: { connect: 2, test: 1 },
    lacking: { account: 'hubot', scopes: [], missing: ['repo'] },
  },
  {
    ...github,
    way: 'a GitHub App',
    // The installations, and what may be seen in the one.
    webhooks: 2,
    requests: { connect: 3, test: 2 },
    lacking: { account: 'hubot', setting: 'settings.notInstalled', missing: ['installation'] },
  },
  {
    provider: 'vercel',
    way: 'an access token',
    key: {},
    account: { id: expect.stringMatching(/^team_/), name: expect.any(String) },
    requests: { connect: 2, test: 2 },
    lacking: { key: { scope: 'project' }, code: 'insufficient_scope' },
    end: (world, key) => deleteVercelToken(world.store('vercel'), key),
    isAlive: (world, key) =>
      world.store('vercel').get<{ revoked: boolean }>(`token/${key}`)?.revoked === false,
    ends: false,
  },
  {
    provider: 'railway',
    way: 'a workspace token',
    key: {},
    account: { id: expect.any(String), name: expect.any(String) },
    requests: { connect: 1, test: 1 },
    lacking: { key: { twoFactor: 'enforced' }, code: 'insufficient_scope' },
    end: (world, key) => world.store('railway').delete(`token/${key}`),
    ends: false,
  },
  {
    provider: 'figma',
    way: 'a personal access token',
    key: {},
    account: { id: expect.stringMatching(/^\d+$/), name: 'Ada Designer' },
    requests: { connect: 1, test: 1 },
    lacking: { key: { scopes: 'file_content:read' }, code: 'insufficient_scope' },
    end: (world, key) => world.store('figma').delete(`token/${key}`),
    ends: true,
  },
];
