import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { SimulatorFactory } from '../world/simulator.ts';

export interface Pair {
  access: string;
  refresh: string;
}

interface Grant {
  /** The refresh tokens so far, oldest first; the last is the newest. */
  refresh: string[];
  /** Of the newest: whether it was used, which makes the one before it worthless. */
  access: string;
  isDead: boolean;
}

export interface TokenServer {
  factory: SimulatorFactory;
  /** Token requests that were let in. */
  calls: number;
  /** Of these, those that presented a token that was good no more. */
  reuses: number;
  /** Token requests refused for our own client's secret. */
  refusals: number;
  revoked: number;
  /** Grants as people have given them. */
  plant(count: number): Pair[];
  /** Whether a refresh token would be answered with tokens now. */
  isGood(refresh: string): boolean;
  /** Ends grants, as their owners do. */
  kill(refresh: string): void;
  /** Whether the client's secret is what the console says; false refuses it. */
  knowsSecret: boolean;
}

const parameters = z.object({
  client_secret: z.string(),
  grant_type: z.literal('refresh_token'),
  refresh_token: z.string(),
});

/**
 * The token endpoint of GitHub (each refresh token good for one use, a second one ends the grant) or of Shopify (the
 * one before works until its successor is used), without the rest of them, so that it bears any load.
 */
export function tokenServer(provider: 'github' | 'shopify'): TokenServer {
  const byRefresh = new Map<string, Grant>();
  const random = (prefix: string) => prefix + randomBytes(20).toString('hex');
  const [accessPrefix, refreshPrefix] = provider === 'github' ? ['gho_', 'ghr_'] : ['shpat_', 'shprt_'];
  const lifetimes =
    provider === 'github'
      ? { expires_in: 28_800, refresh_token_expires_in: 15_897_600, token_type: 'bearer' }
      : { expires_in: 3_600, refresh_token_expires_in: 7_776_000 };

  const dead = () =>
    provider === 'github'
      ? Response.json({ error: 'bad_refresh_token', error_description: 'The refresh token is incorrect.' })
      : Response.json({ error: 'invalid_grant', error_description: 'It is over.' }, { status: 400 });

  function position(grant: Grant, token: string): 'newest' | 'before' | 'spent' {
    const at = grant.refresh.length - 1 - grant.refresh.lastIndexOf(token);
    return at === 0 ? 'newest' : at === 1 ? 'before' : 'spent';
  }

  /** Access tokens that a revocation was asked for with. */
  const ended = new Set<string>();

  const server: TokenServer = {
    calls: 0,
    reuses: 0,
    refusals: 0,
    revoked: 0,
    knowsSecret: true,
    plant: (count) =>
      Array.from({ length: count }, () => {
        const pair = { access: random(accessPrefix), refresh: random(refreshPrefix) };
        byRefresh.set(pair.refresh, { refresh: [pair.refresh], access: pair.access, isDead: false });
        return pair;
      }),
    isGood(refresh) {
      const grant = byRefresh.get(refresh);
      if (!grant || grant.isDead) return false;
      const where = position(grant, refresh);
      return where === 'newest' || (where === 'before' && provider === 'shopify');
    },
    kill(refresh) {
      const grant = byRefresh.get(refresh);
      if (grant) grant.isDead = true;
    },
    factory: (context) => ({
      provider,
      host: (hostname) =>
        provider === 'github'
          ? hostname === 'github.com' || hostname === 'api.github.com'
          : hostname.endsWith('.myshopify.com'),
      async fetch(request) {
        const { pathname } = new URL(request.url);
        if (request.method === 'DELETE') {
          server.revoked += 1;
          ended.add(await presented(request));
          return new Response(null, { status: provider === 'github' ? 204 : 200 });
        }
        if (pathname === '/user') {
          if (ended.has((request.headers.get('authorization') ?? '').replace(/^Bearer /, ''))) {
            return Response.json({ message: 'Bad credentials' }, { status: 401 });
          }
          return Response.json({ id: 583_231, login: 'octocat' }, { headers: { 'x-oauth-scopes': 'repo' } });
        }
        if (!pathname.endsWith('/access_token')) return new Response(null, { status: 404 });
        const body = parameters.safeParse(await request.json());
        if (!body.success) return Response.json({ error: 'invalid_request' }, { status: 400 });
        if (!server.knowsSecret || body.data.client_secret !== context.client.secret) {
          server.refusals += 1;
          return provider === 'github'
            ? Response.json({ error: 'incorrect_client_credentials' })
            : Response.json({ error: 'invalid_client' }, { status: 400 });
        }
        server.calls += 1;
        const token = body.data.refresh_token;
        const grant = byRefresh.get(token);
        if (!grant || !server.isGood(token)) {
          server.reuses += 1;
          if (grant && provider === 'github') grant.isDead = true;
          return dead();
        }
        if (position(grant, token) === 'newest') {
          const next = random(refreshPrefix);
          grant.refresh.push(next);
          byRefresh.set(next, grant);
        }
        grant.access = random(accessPrefix);
        return Response.json({
          access_token: grant.access,
          refresh_token: grant.refresh.at(-1),
          scope: provider === 'github' ? 'repo' : 'read_orders',
          ...lifetimes,
        });
      },
    }),
  };
  return server;
}

/** The token that a revocation names: in its body, or in Shopify's header. */
async function presented(request: Request): Promise<string> {
  const header = request.headers.get('x-shopify-access-token');
  return header ?? z.object({ access_token: z.string() }).parse(await request.json()).access_token;
}
