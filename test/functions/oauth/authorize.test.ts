import { beforeEach, describe, expect, test, vi } from 'vitest';
import { keptFlow, told } from '../../support/callbacks.ts';
import { Client, type Reply } from '../../support/client.ts';
import { authorize } from '../../support/flows.ts';
import { brands, openWorld } from '../../support/open-world.ts';
import { readVectors } from '../../support/vectors.ts';

const world = await openWorld();
/** As deployed: over https, and with one provider not set up. */
const deployed = await openWorld({
  env: {
    PUBLIC_URL: 'https://connectors.reeve.example',
    COCKPIT_URL: 'https://cockpit.reeve.example/connectors',
    GITHUB_CLIENT_SECRET: '',
  },
  // The empty secret is none to look for in the logs.
  onSecret: () => {},
});
const { ada } = world;
const shop = 'north-store.myshopify.com';
const TEN_MINUTES = 600_000;

const ask = (provider: string, query: Record<string, string> = {}, client = ada): Promise<Reply> =>
  client.get(`/api/oauth/${provider}/authorize?${new URLSearchParams(query)}`);

/** Refused, and before anything was asked outside or begun. */
function expectRefused(reply: Reply, parameter: string) {
  expect(reply.status, reply.text).toBe(400);
  expect(reply.body.code).toBe('invalid_request');
  expect(reply.body.errors?.[0]?.path).toBe(parameter);
  expect(reply.headers.getSetCookie()).toEqual([]);
}

beforeEach(() => {
  world.reset();
  ada.cookies.clear();
});

describe('the authorization URL', () => {
  test('asks GitHub for a code by PKCE, for our callback, and shows no secret', async () => {
    const url = await authorize(ada, 'github');
    const gateway = new URL(world.gateway.url);
    expect(url.origin + url.pathname).toBe(`${gateway.origin}/github.com/login/oauth/authorize`);
    const { state, code_challenge, ...rest } = Object.fromEntries(url.searchParams);
    expect(rest).toEqual({
      response_type: 'code',
      client_id: 'reeve-github-client',
      redirect_uri: `${world.url}/api/oauth/github/callback`,
      scope: 'repo',
      code_challenge_method: 'S256',
    });
    expect(state).toMatch(/^[\w-]{43}$/);
    expect(code_challenge).toMatch(/^[\w-]{43}$/);
    expect(url.href).not.toContain(world.store('world').get('github/client-secret'));
  });

  test('goes to the shop’s own host at Shopify, with scopes between commas', async () => {
    const url = await authorize(ada, 'shopify', { query: { shop } });
    expect(url.pathname).toBe(`/${shop}/admin/oauth/authorize`);
    const { state, ...rest } = Object.fromEntries(url.searchParams);
    expect(rest).toEqual({
      response_type: 'code',
      client_id: 'reeve-shopify-client',
      redirect_uri: `${world.url}/api/oauth/shopify/callback`,
      scope: 'read_orders,read_products,read_customers,read_inventory,read_reports',
    });
    expect(state).toMatch(/^[\w-]{43}$/);
    expect(url.href).not.toContain(world.store('world').get('shopify/client-secret'));
  });

  test('has another state and another challenge each time', async () => {
    const urls = await Promise.all(Array.from({ length: 20 }, () => authorize(ada, 'github')));
    for (const name of ['state', 'code_challenge'])
      expect(new Set(urls.map((url) => url.searchParams.get(name))).size).toBe(20);
  });

  test.each([
    ['a redirect_uri in the query', { redirect_uri: 'https://evil.example/' }, {}],
    ['a state in the query', { state: 'a'.repeat(43) }, {}],
    ['a Host header', {}, { host: 'evil.example' }],
    ['forwarding headers', {}, { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' }],
    ['an Origin header', {}, { origin: 'https://evil.example' }],
  ])('is not bent by %s', async (_, query, headers) => {
    const reply = await ada.get(`/api/oauth/github/authorize?${new URLSearchParams(query)}`, { headers });
    expect(reply.text).not.toContain('evil.example');
    if (reply.status !== 200) return expect(reply.status).toBe(400);
    const { searchParams } = new URL(reply.body.authorization_url);
    expect(searchParams.get('redirect_uri')).toBe(`${world.url}/api/oauth/github/callback`);
    expect(searchParams.get('state')).not.toBe('a'.repeat(43));
  });

  test('lives for ten minutes', async () => {
    const before = Date.now();
    const reply = await ask('github');
    const end = Date.parse(reply.body.state_expires_at);
    expect(end).toBeGreaterThanOrEqual(before + TEN_MINUTES);
    expect(end).toBeLessThanOrEqual(Date.now() + TEN_MINUTES);
  });
});

describe('the flow that is kept', () => {
  test('stands under the state’s hash, and holds neither the state nor the cookie nor a verifier', async () => {
    const url = await authorize(ada, 'github');
    const state = url.searchParams.get('state') ?? '';
    const text = await (await keptFlow(world, state)).read();
    expect(Object.keys(JSON.parse(text)).sort()).toEqual(
      ['binding', 'brandId', 'config', 'expiresAt', 'provider', 'replace', 'returnTo', 'sessionId'].sort(),
    );
    for (const secret of [state, world.sessions.ada, ...ada.cookies.values()])
      expect(text).not.toContain(secret);
  });

  test('costs one PostgreSQL round trip, one KV write, and no call outside', async () => {
    world.reset();
    await authorize(ada, 'github');
    await vi.waitFor(() => expect(world.kv).toEqual({ get: 0, put: 1 }));
    expect(world.neon.count()).toBe(1);
    expect(world.kms.calls).toHaveLength(0);
    expect(world.gateway.calls).toHaveLength(0);
  });
});

describe('the binding cookie', () => {
  test('over http on loopback is HttpOnly, SameSite=Lax, for all paths and ten minutes', async () => {
    const reply = await ask('github');
    const [cookie = '', ...more] = reply.headers.getSetCookie();
    const [pair, ...attributes] = cookie.split('; ');
    expect(more).toEqual([]);
    expect(pair).toMatch(/^reeve-flow-[0-9a-f]{16}=[\w-]{43}$/);
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=600', 'Path=/', 'SameSite=Lax']);
  });

  test('over https has the __Host- prefix and Secure, and no Domain', async () => {
    const reply = await ask('shopify', { shop }, deployed.ada);
    const [cookie = ''] = reply.headers.getSetCookie();
    const [pair, ...attributes] = cookie.split('; ');
    expect(pair).toMatch(/^__Host-reeve-flow-[0-9a-f]{16}=[\w-]{43}$/);
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=600', 'Path=/', 'SameSite=Lax', 'Secure']);
  });

  test('is one a flow, so that two tabs do not disturb each other', async () => {
    await authorize(ada, 'github');
    await authorize(ada, 'github');
    expect(ada.cookies.size).toBe(2);
    expect(new Set(ada.cookies.values()).size).toBe(2);
  });
});

describe('who may begin', () => {
  test.each(['nobody', 'GitHub', 'github%2F', '__proto__', 'constructor', '%00'])(
    'not with a provider that does not exist: %s',
    async (provider) => {
      const reply = await ask(provider);
      expect(reply.status, reply.text).toBe(404);
      expect(reply.body.code).toMatch(/^(unknown_provider|not_found)$/);
    },
  );

  test('an unknown provider is told as such', async () => {
    expect((await ask('nobody')).body.code).toBe('unknown_provider');
  });

  test('a provider that takes a key is another way to connect', async () => {
    const reply = await ask('stripe');
    expect([reply.status, reply.body.code]).toEqual([422, 'wrong_auth_method']);
  });

  test('a provider without its client secret is not configured', async () => {
    const reply = await ask('github', {}, deployed.ada);
    expect([reply.status, reply.body.code]).toEqual([501, 'provider_not_configured']);
  });

  test.each([
    ['without a session', undefined],
    ['with a session that nobody has', 'session-of-nobody'],
  ])('nobody %s, whatever else is wrong', async (_, token) => {
    const stranger = new Client(world, token);
    for (const reply of await Promise.all([
      ask('github', {}, stranger),
      ask('nobody', {}, stranger),
      ask('shopify', { shop: 'evil.example' }, stranger),
    ]))
      expect([reply.status, reply.body.code]).toEqual([401, 'unauthenticated']);
  });

  test('a foreign brand answers as one that does not exist', async () => {
    const of = (brand: string) => ada.get('/api/oauth/github/authorize', { brand });
    const [foreign, unknown] = [await of(brands.rival), await of('0192f0a0-0000-7000-8000-00000000ffff')];
    expect(foreign.status).toBe(404);
    expect(foreign.body.code).toBe('not_found');
    expect(told(foreign)).toEqual(told(unknown));
    expect((await of(brands.north)).status).toBe(200);
  });

  test.each(['yes', '', '1', 'TRUE'])('replace takes true and false alone, not “%s”', async (replace) => {
    expectRefused(await ask('github', { replace }), 'replace');
  });
});

describe('the shop', () => {
  interface ShopVectors {
    suite: { input: string; vendorExpected: string | null }[];
    hostile: { input: string; required: string; canonical?: string }[];
  }
  const mustBeRefused = [
    '',
    'evil.example',
    'evil.example/.myshopify.com',
    'evil.example#.myshopify.com',
    'shop.myshopify.com.evil.example',
    'shop.myshopify.com@evil.example',
    'user@shop.myshopify.com',
    'shop.myshopify.com:8443',
    'shop.myshopify.com.',
    'a.b.myshopify.com',
    '.myshopify.com',
    'evilmyshopify.com',
    'shop.myshopify.com\r\nHost: evil.example',
    'shоp.myshopify.com',
    'shop。myshopify.com',
    'http://169.254.169.254/',
    'localhost',
    '[::1]',
    `${'a'.repeat(64)}.myshopify.com`,
  ];
  const own: ShopVectors = {
    suite: [{ input: 'someshop.myshopify.com', vendorExpected: 'someshop.myshopify.com' }],
    hostile: [
      ...mustBeRefused.map((input) => ({ input, required: 'reject' })),
      { input: 'a.myshopify.com', required: 'accept', canonical: 'a.myshopify.com' },
      { input: 'shop-.myshopify.com', required: 'accept', canonical: 'shop-.myshopify.com' },
      { input: 'Shop.MyShopify.com', required: 'reject-or-canonicalise', canonical: 'shop.myshopify.com' },
      { input: ' shop.myshopify.com', required: 'reject-or-canonicalise', canonical: 'shop.myshopify.com' },
      // The Kelvin sign's lower case is a plain k.
      {
        input: '\u212Ashop.myshopify.com',
        required: 'reject-or-canonicalise',
        canonical: 'kshop.myshopify.com',
      },
    ],
  };
  const { suite, hostile } = readVectors<ShopVectors>('shopify-shop-domain.json') ?? own;
  const rows = [
    ...suite.map(({ input, vendorExpected }) => ({
      input,
      // What else the vendor's own library takes (bare names, developer hosts) we may refuse.
      required: vendorExpected === null ? 'reject' : 'reject-or-canonicalise',
      canonical: vendorExpected ?? undefined,
    })),
    ...hostile,
  ];

  /** The host that the browser would be sent to, or undefined where the shop was refused. */
  async function hostFor(input: string): Promise<string | undefined> {
    const reply = await ask('shopify', { shop: input });
    if (reply.status !== 200) {
      expectRefused(reply, 'shop');
      return undefined;
    }
    return new URL(reply.body.authorization_url).pathname.split('/')[1];
  }

  test('is taken in its one spelling or refused, and no host of somebody else’s is ever sent to', async () => {
    const wrong: unknown[] = [];
    for (const { input, required, canonical } of rows) {
      const host = await hostFor(input);
      const fits =
        host === undefined
          ? required !== 'accept'
          : required !== 'reject' &&
            host === (canonical ?? input) &&
            /^[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com$/.test(host) &&
            // Parsers differ about a label that only looks like punycode.
            (required === 'either' || URL.parse(`https://${host}`)?.hostname === host);
      if (!fits) wrong.push({ input, required, canonical, host });
    }
    expect(wrong).toEqual([]);
    expect(world.gateway.calls).toEqual([]);
  });

  test.each([
    ['missing', ''],
    ['doubled', `shop=${shop}&shop=${shop}`],
    ['doubled with another', `shop=${shop}&shop=evil.example`],
    ['an array', `shop[]=${shop}`],
  ])('is refused when it is %s', async (_, query) => {
    expectRefused(await ada.get(`/api/oauth/shopify/authorize?${query}`), 'shop');
    expect(world.gateway.calls).toEqual([]);
  });

  test('is nothing that GitHub takes', async () => {
    expectRefused(await ask('github', { shop }), 'shop');
  });
});

describe('return_to', () => {
  const origin = world.url;
  const { host } = new URL(origin);

  test.each([
    `${origin}/cockpit`,
    `${origin}/cockpit/connect/github?tab=1#top`,
    `${origin}/a%2f..%5c..//b`,
    `${origin}`,
  ])('may be on our own origin: %s', async (return_to) => {
    expect((await ask('github', { return_to })).status).toBe(200);
  });

  test('may be on the Cockpit’s origin and the API’s own, where they differ', async () => {
    for (const return_to of ['https://cockpit.reeve.example/x', 'https://connectors.reeve.example/x'])
      expect((await ask('shopify', { shop, return_to }, deployed.ada)).status).toBe(200);
    for (const return_to of [
      'http://cockpit.reeve.example/x',
      'https://cockpit.reeve.example:8443/x',
      'https://cockpit.reeve.example.evil.example/',
      'https://evil.cockpit.reeve.example/',
      'https://reeve.example/',
    ])
      expectRefused(await ask('shopify', { shop, return_to }, deployed.ada), 'return_to');
  });

  test.each([
    ['empty', ''],
    ['relative', '/cockpit'],
    ['a foreign origin', 'https://evil.example/'],
    ['another port of ours', 'http://127.0.0.1:1/'],
    ['another scheme of ours', `https://${host}/`],
    ['another name of ours', `${origin.replace('127.0.0.1', 'localhost')}/`],
    ['protocol-relative', `//${host}/`],
    ['ours with a user', `http://ada@${host}/`],
    ['ours with a user and a password', `http://ada:secret@${host}/`],
    ['a foreign one with ours as user', `http://${host}@evil.example/`],
    ['a look-alike', `${origin}.evil.example/`],
    ['a backslash before the path', `${origin}\\@evil.example/`],
    ['backslashes for slashes', `http:\\\\${host}\\`],
    ['a backslash in the path', `${origin}/a\\b`],
    ['CR LF', `${origin}/\r\nLocation: https://evil.example`],
    ['a line feed before ours', `\n${origin}/`],
    ['a tab inside the scheme', `ht\ttp://${host}/`],
    ['a space around it', ` ${origin}/ `],
    ['NUL', `${origin}/\0`],
    ['javascript', 'javascript:alert(1)'],
    ['javascript with our host', `javascript://${host}/%0aalert(1)`],
    ['data', 'data:text/html,<script>alert(1)</script>'],
    ['blob of ours', `blob:${origin}/x`],
    ['a scheme without slashes', `http:${host}/`],
    ['a scheme with one slash', `http:/${host}/`],
    ['letters of other alphabets', `${origin}/ключ`],
    ['more than 2048 characters', `${origin}/${'a'.repeat(2_048)}`],
  ])('is refused when it is %s', async (_, return_to) => {
    expectRefused(await ask('github', { return_to }), 'return_to');
  });

  test.each([
    ['an IPv4 address as a number', origin.replace('127.0.0.1', '2130706433')],
    ['an empty user', `http://@${host}`],
    ['three slashes', `http:///${host}`],
    ['an upper-case scheme', origin.replace('http', 'HTTP')],
  ])('in another spelling of ours, %s, is refused or kept in the one spelling', async (_, spelling) => {
    const reply = await ask('github', { return_to: `${spelling}/cockpit` });
    if (reply.status === 400) return;
    const state = new URL(reply.body.authorization_url).searchParams.get('state') ?? '';
    const flow = JSON.parse(await (await keptFlow(world, state)).read());
    expect(flow.returnTo).toBe(`${origin}/cockpit`);
  });

  test('is refused when it stands there twice', async () => {
    const query = `return_to=${origin}/&return_to=${origin}/`;
    expectRefused(await ada.get(`/api/oauth/github/authorize?${query}`), 'return_to');
  });

  interface RedirectVectors {
    tests: { input: string; required: string }[];
  }
  const known = readVectors<RedirectVectors>('open-redirect.json');

  test.runIf(known)('stays with us for every known open redirect', async () => {
    const inputs = (known?.tests ?? [])
      .filter(({ required }) => required.startsWith('reject'))
      .flatMap(({ input }) => [input, input.replaceAll('www.whitelisteddomain.tld', host)]);
    const taken: string[] = [];
    for (const return_to of new Set(inputs))
      if ((await ask('github', { return_to })).status !== 400) taken.push(return_to);
    expect(taken).toEqual([]);
  });
});

describe('when something of ours is down', () => {
  test('KV: nothing is begun, and it is told when to come again', async () => {
    await world.kvDown(true);
    const reply = await ask('github').finally(() => world.kvDown(false));
    expect([reply.status, reply.body.code]).toEqual([503, 'unavailable']);
    expect(reply.headers.getSetCookie()).toEqual([]);
    expect((await ask('github')).status).toBe(200);
  });

  test('PostgreSQL: nothing is begun, and it is told when to come again', async () => {
    world.neon.faults.down(true);
    const reply = await ask('github').finally(() => world.neon.faults.down(false));
    expect([reply.status, reply.body.code]).toEqual([503, 'unavailable']);
    expect(world.kv.put).toBe(0);
  });
});
