import { afterEach, describe, expect, test } from 'vitest';
import { endpoints } from '../../../functions/endpoints.ts';
import { problemBody } from '../../../lib/http/bodies.ts';
import { PROBLEMS } from '../../../lib/problem.ts';
import { Client } from '../../support/client.ts';
import { openWorld } from '../../support/open-world.ts';

// Three worlds: the usual one, one with its rate limits, and one whose health is only ever asked when it is ill.
const world = await openWorld();
const [limited, ill] = [await openWorld({ rateLimits: true }), await openWorld()];
afterEach(() => {
  for (const each of [world, limited, ill]) each.reset();
});

const contracts = endpoints.map(({ contract }) => contract);
/** The path of a contract, with a provider in it. */
const at = (path: string) => path.replace(/:\w+/g, 'stripe');
const paths = [...new Set(contracts.map(({ path }) => path))];
const methodsOf = (path: string) =>
  contracts.filter((contract) => contract.path === path).map(({ method }) => method.toUpperCase());

describe('an address', () => {
  test.each([
    '/nothing',
    '/api',
    '/api/',
    '/api/nothing',
    '/api/connectors/',
    '/api/connectors/list/',
    '/api/connectors/stripe/test/more',
    '/API/connectors',
    '/api//connectors',
    '/api/oauth/github',
    '/api/oauth/github/callback/',
    '/api/connectors%2flist',
    '/.env',
    '/.git/config',
    '/wp-login.php',
  ])('that is none is a 404 problem, whatever is asked: %s', async (path) => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']) {
      const reply = await world.ada.send(method, path);
      expect([reply.status, reply.body.code], `${method} ${path}`).toEqual([404, 'not_found']);
      expect(reply.headers.get('content-type')).toBe('application/problem+json');
      expect(reply.text, 'no echo of the address').not.toContain('wp-login');
    }
  });

  test.each(paths)('with other methods is a 405, which names those it takes: %s', async (path) => {
    // What other routes take at the same address, a word of which is read as a provider, belongs to it too.
    const taken = new Set(
      contracts
        .filter((contract) => new RegExp(`^${contract.path.replace(/:\w+/g, '[^/]+')}$`).test(at(path)))
        .map(({ method }) => method.toUpperCase()),
    );
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((each) => !taken.has(each))) {
      const reply = await world.ada.send(method, at(path));
      expect([reply.status, reply.body.code], `${method} ${path}`).toEqual([405, 'method_not_allowed']);
      const allow = reply.headers.get('allow')?.split(', ') ?? [];
      expect(allow.filter((each) => each !== 'HEAD' && each !== 'OPTIONS').sort()).toEqual([...taken].sort());
      for (const each of methodsOf(path)) expect(allow).toContain(each);
    }
  });

  test.each(
    contracts
      .filter(({ method, path }) => method === 'get' && !path.endsWith('/callback'))
      .map(({ path }) => path),
  )('that is read by GET answers HEAD with the same head and no body: %s', async (path) => {
    const target = path.replace(':provider', 'github');
    const headers = { authorization: `Bearer ${world.sessions.ada}` };
    const [get, head] = await Promise.all(
      ['GET', 'HEAD'].map((method) => fetch(world.url + target, { method, headers })),
    );
    expect(head?.status).toBe(get?.status);
    // Nobody has connected GitHub here.
    expect(head?.status).toBe(path.endsWith('/repositories') ? 404 : 200);
    expect(head?.headers.get('content-type')).toBe(get?.headers.get('content-type'));
    expect(await head?.text()).toBe('');
  });

  test('that is long, odd or badly encoded is refused and breaks nothing', async () => {
    for (const path of [
      `/api/connectors/${'a'.repeat(8_000)}/test`,
      '/api/connectors/%E0%A4%A/test',
      '/api/connectors/%00/test',
      '/api/connectors/%0d%0aSet-Cookie:x/test',
      '/api/connectors/stripe;x=y/test',
      '/api/connectors/../list/test',
      `/api/connectors/list?scope=${'x'.repeat(8_000)}`,
      '/api/connectors/list?scope=%00',
      '/api/connectors/list?scope=%E0%A4%A',
    ]) {
      const reply = await world.ada.send(path.includes('?') ? 'GET' : 'POST', path);
      expect([400, 404, 405], path.slice(0, 60)).toContain(reply.status);
      expect(reply.text.length).toBeLessThan(1_000);
    }
  });
});

describe('a problem', () => {
  test('is application/problem+json with all its members, and its request has an id of its own', async () => {
    const ids = new Set<string>();
    for (const reply of [
      await world.ada.get('/api/nothing'),
      await world.ada.get('/api/connectors/list?scope=x'),
      await new Client(world, undefined).get('/api/connectors'),
      await world.ada.post('/api/connectors/connect', { body: {} }),
      await world.ada.send('PATCH', '/api/connectors'),
    ]) {
      const problem = problemBody.strict().parse(reply.body);
      expect(problem).toMatchObject({ status: reply.status, request_id: reply.headers.get('x-request-id') });
      expect(problem.title).toBe(PROBLEMS[problem.code as keyof typeof PROBLEMS].title);
      expect(problem.type).toContain(problem.code);
      expect(problem.detail).toMatch(/[.]$/);
      ids.add(problem.request_id);
    }
    expect(ids.size).toBe(5);
  });

  test('takes no request id from the client', async () => {
    const id = '00000000-0000-4000-8000-000000000000';
    const reply = await world.ada.get('/api/connectors', { headers: { 'x-request-id': id } });
    expect(reply.headers.get('x-request-id')).not.toBe(id);
  });

  test.each(contracts.filter(({ access }) => access === 'session'))(
    'of who is not signed in comes first, and with its challenge: $method $path',
    async ({ method, path }) => {
      const target = at(path);
      for (const authorization of [
        undefined,
        '',
        'Bearer',
        'Bearer ',
        'Bearer unknown',
        `Basic ${btoa(`ada:${world.sessions.ada}`)}`,
        `Token ${world.sessions.ada}`,
        world.sessions.ada,
        `Bearer ${world.sessions.ada}x`,
        `Bearer ${world.sessions.ada}, Bearer ${world.sessions.ada}`,
        `Bearer ${world.sessions.ada} ${world.sessions.ada}`,
        `Bearer ${'a'.repeat(5_000)}`,
        "Bearer ' or true --",
      ]) {
        const headers = authorization === undefined ? {} : { authorization };
        const reply = await new Client(world, undefined).send(method.toUpperCase(), target, { headers });
        expect([reply.status, reply.body.code], authorization).toEqual([401, 'unauthenticated']);
        expect(reply.headers.get('www-authenticate')).toBe('Bearer');
      }
    },
  );

  test.each(['bearer', 'BEARER', 'Bearer  '])('is none where the scheme is written %s', async (scheme) => {
    const headers = { authorization: `${scheme} ${world.sessions.ada}` };
    expect((await world.ada.get('/api/connectors', { headers })).status).toBe(200);
  });

  test('is the answer to a session token in the query', async () => {
    const path = `/api/connectors?access_token=${world.sessions.ada}`;
    expect((await new Client(world, undefined).get(path)).status).toBe(401);
  });

  test('for a browser is a page that may be neither framed nor referred from', async () => {
    const response = await fetch(`${world.url}/api/oauth/github/callback?state=x`, {
      headers: { accept: 'text/html,application/xhtml+xml' },
    });
    expect([response.status, response.headers.get('content-type')?.split(';')[0]]).toEqual([
      400,
      'text/html',
    ]);
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(response.headers.get('cache-control')).toBe('no-store');
  });
});

describe('a browser’s cross-origin request', () => {
  const cors = (headers: Headers) =>
    Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));
  const send = (path: string, method: string, headers: Record<string, string>) =>
    fetch(world.url + path, { method, headers });
  const own = new URL(world.url).origin;
  const preflight = (origin: string) => ({
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,x-brand-id',
  });
  const foreign: [what: string, origin: string][] = [
    ['another site', 'https://evil.example'],
    ['a sandbox', 'null'],
    ['another name of the same machine', own.replace('127.0.0.1', 'localhost')],
    ['another scheme', own.replace('http:', 'https:')],
    ['a site whose name begins alike', `${own}.evil.example`],
    ['a port that begins alike', `${own}0`],
    ['no port', own.replace(/:\d+$/, '')],
    ['capitals', own.toUpperCase()],
  ];

  test('of the Cockpit is let through with credentials', async () => {
    const before = await send('/api/connectors/connect', 'OPTIONS', preflight(own));
    expect(before.status).toBe(204);
    expect(before.headers.get('access-control-allow-origin')).toBe(own);
    expect(before.headers.get('access-control-allow-credentials')).toBe('true');
    expect(before.headers.get('access-control-allow-methods')).toContain('POST');
    expect(before.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('x-brand-id');
    expect(before.headers.get('vary')?.toLowerCase()).toContain('origin');

    const headers = { origin: own, authorization: `Bearer ${world.sessions.ada}` };
    for (const path of ['/api/connectors', '/api/connectors/list?scope=x', '/api/nothing']) {
      const reply = await send(path, 'GET', headers);
      expect(reply.headers.get('access-control-allow-origin'), path).toBe(own);
      expect(reply.headers.get('access-control-allow-credentials'), path).toBe('true');
      expect(reply.headers.get('access-control-expose-headers')?.toLowerCase(), path).toContain(
        'x-request-id',
      );
      expect(reply.headers.get('vary')?.toLowerCase(), path).toContain('origin');
    }
    const nobody = await send('/api/connectors', 'GET', { origin: own });
    expect([nobody.status, nobody.headers.get('access-control-allow-origin')]).toEqual([401, own]);
  });

  test.each(foreign)('of a foreign origin gets no word of CORS: %s', async (_, origin) => {
    const before = await send('/api/connectors/connect', 'OPTIONS', preflight(origin));
    expect(before.headers.get('access-control-allow-origin')).toBeNull();
    expect(cors(before.headers)).toEqual({});
    const reply = await send('/api/connectors', 'GET', {
      origin,
      authorization: `Bearer ${world.sessions.ada}`,
    });
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
    expect(cors(reply.headers)).toEqual({});
  });

  test('to a callback gets no word of CORS, whoever asks', async () => {
    for (const origin of [own, ...foreign.map(([, each]) => each)]) {
      const path = '/api/oauth/github/callback?state=x&code=y';
      expect(cors((await send(path, 'GET', { origin })).headers)).toEqual({});
      expect(cors((await send(path, 'OPTIONS', preflight(origin))).headers)).toEqual({});
    }
  });
});

describe('too many requests', () => {
  /** Asks until it is too much; no limit is above 120 a minute, and a minute may end meanwhile. */
  async function exhaust(ask: () => ReturnType<Client['get']>) {
    for (let asked = 0; asked < 260; asked += 20) {
      const replies = await Promise.all(Array.from({ length: 20 }, ask));
      const refused = replies.find(({ status }) => status === 429);
      if (refused) return { refused, asked };
      for (const { status } of replies) expect(status).toBeLessThan(429);
    }
    throw new Error('nothing was ever too much');
  }
  const key = { provider: 'stripe', api_key: 'nonsense' };
  const nobody = () => new Client(limited, undefined);
  const at = (address: string) => ({ headers: { 'cf-connecting-ip': address } });
  const stranger = (address: string) =>
    new Client(limited, crypto.randomUUID()).get('/api/connectors', at(address));
  test.each<[string, () => ReturnType<Client['get']>]>([
    ['authorizing', () => limited.ada.get('/api/oauth/github/authorize')],
    ['connecting', () => limited.ada.post('/api/connectors/connect', { body: key })],
    ['testing', () => limited.grace.post('/api/connectors/stripe/test')],
    ['calling back', () => nobody().get(`/api/oauth/github/callback?state=${crypto.randomUUID()}`)],
    ['guessing sessions', () => stranger('203.0.113.1')],
  ])('are a 429 with Retry-After: %s', async (_, ask) => {
    const { refused, asked } = await exhaust(ask);
    expect(refused.body.code).toBe('rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(asked, 'ordinary use is not too much').toBeGreaterThanOrEqual(20);
  });

  test('of one person are not another’s', async () => {
    await exhaust(() => limited.ada.get('/api/oauth/github/authorize'));
    expect((await limited.mallory.get('/api/oauth/github/authorize')).status).toBe(200);
    expect((await limited.ada.get('/api/connectors/list')).status).toBe(200);
  });

  test('are counted after the work: behind a 429 stands a query each', async () => {
    await limited.ada.get('/api/connectors');
    await exhaust(() => stranger('203.0.113.2'));
    limited.reset();
    const replies = await Promise.all(Array.from({ length: 40 }, () => stranger('203.0.113.2')));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([429]));
    expect(limited.neon.count()).toBe(0);
    // Who works beside them goes on.
    expect((await limited.ada.get('/api/connectors', at('203.0.113.2'))).status).toBe(200);
    expect((await stranger('203.0.113.3')).status).toBe(401);
  });

  test('are spent by a page that is left open with a session that has ended', async () => {
    const token = crypto.randomUUID();
    const ask = () => new Client(limited, token).get('/api/connectors', at('203.0.113.4'));
    expect((await ask()).status).toBe(401);
    limited.reset();
    const replies = await Promise.all(Array.from({ length: 150 }, ask));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]));
    expect(limited.neon.count()).toBe(0);
    // Who signs in beside it is let in.
    expect((await limited.grace.get('/api/connectors', at('203.0.113.4'))).status).toBe(200);
  });

  test('are counted by whole address of IPv6, of which a stranger has as many as they like', async () => {
    let last = 0;
    await exhaust(() => stranger(`2001:db8:0:1::${(last++).toString(16)}`));
    expect((await stranger('2001:0DB8::1:ffff:0:0:1')).status).toBe(429);
    expect((await stranger('2001:db8:0:2::1')).status).toBe(401);
  });

  test('are cheap to refuse: neither PostgreSQL nor a provider is asked', async () => {
    await exhaust(() => limited.ada.post('/api/connectors/connect', { body: key }));
    limited.reset();
    const reply = await limited.ada.post('/api/connectors/connect', { body: key });
    expect(reply.status).toBe(429);
    expect([limited.neon.count(), limited.gateway.calls.length, limited.kms.calls.length]).toEqual([0, 0, 0]);
  });
});

describe('/openapi.json', async () => {
  interface Operation {
    responses: Record<string, unknown>;
    parameters?: { name: string; in: string; required: boolean }[];
    security?: unknown;
    requestBody?: unknown;
    operationId: string;
  }
  interface Document {
    openapi: string;
    info: { title: string; version: string };
    servers: { url: string }[];
    paths: Record<string, Record<string, Operation>>;
  }
  const response = await fetch(`${world.url}/openapi.json`);
  const document = (await response.json()) as Document;

  test.each(['/openapi.json', '/docs'])('%s is made anew for everybody, and kept by nobody', async (path) => {
    const ask = () => fetch(`${world.url}${path}`);
    const [one, other] = [await ask(), await ask()];
    expect(await one.text()).toBe(await other.text());
    expect(one.headers.get('cache-control')).toBe('public, max-age=300');
  });

  test('is an OpenAPI 3.1 document of where it stands', () => {
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    expect(document.servers).toEqual([{ url: world.url }]);
  });

  test.each(contracts)('describes $method $path', (contract) => {
    const operation = document.paths[contract.path.replace(/:(\w+)/g, '{$1}')]?.[contract.method];
    expect(operation).toBeDefined();
    for (const status of Object.keys(contract.responses)) expect(operation?.responses).toHaveProperty(status);
    for (const code of contract.problems)
      expect(operation?.responses).toHaveProperty(String(PROBLEMS[code].status));
    const parameters = operation?.parameters ?? [];
    for (const [, name] of contract.path.matchAll(/:(\w+)/g))
      expect(parameters).toContainEqual(expect.objectContaining({ name, in: 'path', required: true }));
    expect(parameters.some(({ name }) => name === 'X-Brand-Id')).toBe(contract.access === 'session');
    expect(operation?.security !== undefined).toBe(contract.access === 'session');
    expect(operation?.requestBody !== undefined).toBe(contract.body !== undefined);
  });

  test('describes nothing else, and every reference in it leads somewhere', () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    const known = contracts.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    expect(described.sort()).toEqual(known.sort());
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#([^"]*)"/g)];
    expect(references.length).toBeGreaterThan(0);
    for (const [, pointer = ''] of references) {
      const target = pointer
        .split('/')
        .slice(1)
        .reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], document);
      expect(target, pointer).toBeDefined();
    }
  });
});

describe('/health', () => {
  test('asks its dependencies ten times for ten who ask at once', async () => {
    // Nobody has asked there.
    const fresh = await openWorld();
    await Promise.all(Array.from({ length: 10 }, () => new Client(fresh, undefined).get('/health')));
    expect([fresh.neon.count(), fresh.kms.calls.length, fresh.kv.get]).toEqual([1, 1, 1]);
  });

  test('says that all is well', async () => {
    const reply = await new Client(world, undefined).get('/health');
    expect(reply.body).toEqual({
      status: 'ok',
      dependencies: { postgres: 'ok', kms: 'ok', kv: 'ok' },
      providers: {},
    });
    expect(reply.headers.get('cache-control')).toBe('no-store');
  });

  test('says what is down, and lives on', async () => {
    ill.kms.faults.down(true);
    ill.neon.faults.down(true);
    const reply = await new Client(ill, undefined).get('/health');
    expect([reply.status, reply.body]).toEqual([
      200,
      {
        status: 'degraded',
        dependencies: { postgres: 'down', kms: 'down', kv: 'ok' },
        providers: {},
      },
    ]);
    expect(reply.text).not.toMatch(/127\.0\.0\.1|Error|refused/);
  });

  test('asks its dependencies once in ten seconds, however often it is asked', async () => {
    await new Client(world, undefined).get('/health');
    world.reset();
    await Promise.all(Array.from({ length: 10 }, () => new Client(world, undefined).get('/health')));
    expect([world.neon.count(), world.kms.calls.length]).toEqual([0, 0]);
  });
});
