import type { SimulatorContext, SimulatorFactory } from '../../world/simulator.ts';
import type { GrantBook } from './book.ts';

type Serve = (request: Request, context: SimulatorContext) => Promise<Response>;

/**
 * The providers as far as a disconnect asks them: how a grant or a token is ended, how a token is renewed for that, and
 * whether one is accepted. Strict, and without the rest of them, so that they bear any load.
 */
export function grantServers(book: GrantBook): SimulatorFactory[] {
  const server =
    (provider: string, isHost: (hostname: string) => boolean, serve: Serve): SimulatorFactory =>
    (context) => ({ provider, host: isHost, fetch: (request) => serve(request, context) });
  const anyOf = (hosts: string[]) => (hostname: string) => hosts.includes(hostname);
  return [
    server('github', anyOf(['github.com', 'api.github.com']), github(book)),
    server('slack', anyOf(['slack.com']), slack(book)),
    server(
      'google_ads',
      anyOf(['oauth2.googleapis.com', 'googleads.googleapis.com', 'openidconnect.googleapis.com']),
      google(book),
    ),
    server('tiktok', anyOf(['business-api.tiktok.com']), tiktok(book)),
    server('shopify', (hostname) => hostname.endsWith('.myshopify.com'), shopify(book)),
    server('zendesk', (hostname) => hostname.endsWith('.zendesk.com'), zendesk(book)),
  ];
}

export const PREFIXES = {
  github: ['gho_'],
  slack: ['xoxb-'],
  slack_rotating: ['xoxe.xoxb-1-', 'xoxe-1-'],
  google_ads: ['ya29.', '1//0'],
  tiktok: ['tiktok-'],
  shopify: ['shpat_', 'shprt_'],
  zendesk: ['zendesk-'],
} as const satisfies Record<string, readonly [string, string?]>;

const empty = (status: number) => new Response(null, { status });
const down = () => empty(503);

async function jsonOf(request: Request): Promise<Partial<Record<string, string>>> {
  if (!/^application\/json\b/.test(request.headers.get('content-type') ?? '')) return {};
  return (await request.json()) as Partial<Record<string, string>>;
}

async function formOf(request: Request): Promise<URLSearchParams> {
  return new URLSearchParams(await request.text());
}

function bearerOf(request: Request): string {
  return /^Bearer (\S+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
}

/** docs.github.com/en/rest/apps/oauth-applications */
const github =
  (book: GrantBook): Serve =>
  async (request, { client }) => {
    const { pathname } = new URL(request.url);
    if (request.method === 'GET' && pathname === '/user') {
      const isAccepted = book.accepts(bearerOf(request));
      return isAccepted ? Response.json({ id: 1, login: 'somebody' }) : empty(401);
    }
    const [, id, what] = /^\/applications\/([^/]+)\/(grant|token)$/.exec(pathname) ?? [];
    if (id !== client.id) return empty(404);
    if (request.headers.get('authorization') !== `Basic ${btoa(`${client.id}:${client.secret}`)}`)
      return empty(401);
    const { access_token: token = '' } = await jsonOf(request);
    if (request.method === 'POST') return book.accepts(token) ? Response.json({}) : empty(404);
    if (request.method !== 'DELETE') return empty(404);
    const outcome = book.end(token, what === 'grant' ? 'grant' : 'token');
    return outcome === 'down' ? down() : empty(outcome === 'ended' ? 204 : 404);
  };

/** docs.slack.dev/reference/methods/apps.uninstall, auth.revoke, auth.test and oauth.v2.access */
const slack =
  (book: GrantBook): Serve =>
  async (request, { client }) => {
    const method = new URL(request.url).pathname.replace('/api/', '');
    const form = await formOf(request);
    const token = bearerOf(request);
    const refused = (error: string) => Response.json({ ok: false, error });
    if (method === 'oauth.v2.access') {
      const isOurs =
        request.headers.get('authorization') === `Basic ${btoa(`${client.id}:${client.secret}`)}`;
      if (!isOurs) return refused('bad_client_secret');
      const held = book.renew(form.get('refresh_token') ?? '', PREFIXES.slack_rotating, true);
      if (!held) return refused('invalid_refresh_token');
      const tokens = { access_token: held.access, refresh_token: held.refresh, expires_in: 43_200 };
      return Response.json({ ok: true, token_type: 'bot', scope: 'chat:write', ...tokens });
    }
    if (method === 'auth.test')
      return book.accepts(token) ? Response.json({ ok: true, team_id: 'T1' }) : refused('token_revoked');
    if (method !== 'apps.uninstall' && method !== 'auth.revoke') return refused('unknown_method');
    const isOurs = form.get('client_id') === client.id && form.get('client_secret') === client.secret;
    if (method === 'apps.uninstall' && !isOurs) return refused('bad_client_secret');
    const outcome = book.end(token, method === 'apps.uninstall' ? 'grant' : 'token');
    if (outcome === 'down') return down();
    return outcome === 'ended' ? Response.json({ ok: true, revoked: true }) : refused('token_revoked');
  };

/** developers.google.com/identity/protocols/oauth2/web-server: any token ends all of a person's grant. */
const google =
  (book: GrantBook): Serve =>
  async (request, { client }) => {
    const { hostname, pathname } = new URL(request.url);
    const refused = (error: string) => Response.json({ error }, { status: 400 });
    if (hostname !== 'oauth2.googleapis.com') {
      return book.accepts(bearerOf(request)) ? Response.json({}) : empty(401);
    }
    const form = await formOf(request);
    if (pathname === '/token') {
      if (form.get('client_secret') !== client.secret) return refused('invalid_client');
      const held = book.renew(form.get('refresh_token') ?? '', PREFIXES.google_ads, false);
      if (!held) return refused('invalid_grant');
      return Response.json({ access_token: held.access, expires_in: 3_599, token_type: 'Bearer' });
    }
    if (pathname !== '/revoke') return empty(404);
    const outcome = book.end(form.get('token') ?? '', 'grant');
    if (outcome === 'down') return down();
    return outcome === 'ended' ? Response.json({}) : refused('invalid_token');
  };

/** business-api.tiktok.com/portal/docs?id=1738373164380162: each token ends by itself. */
const tiktok =
  (book: GrantBook): Serve =>
  async (request, { client }) => {
    const answer = (code: number) => Response.json({ code, message: '', request_id: '1', data: {} });
    if (!new URL(request.url).pathname.endsWith('/oauth2/revoke_token/')) {
      return answer(book.accepts(request.headers.get('access-token') ?? '') ? 0 : 40_105);
    }
    const { app_id, secret, access_token = '' } = await jsonOf(request);
    if (app_id !== client.id || secret !== client.secret) return answer(40_113);
    const outcome = book.end(access_token, 'token');
    return outcome === 'down' ? down() : answer(outcome === 'ended' ? 0 : 40_105);
  };

/** shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens */
const shopify =
  (book: GrantBook): Serve =>
  async (request, { client }) => {
    const { pathname } = new URL(request.url);
    const token = request.headers.get('x-shopify-access-token') ?? '';
    if (pathname === '/admin/oauth/access_token') {
      const { client_secret, refresh_token = '' } = await jsonOf(request);
      const refused = (error: string) => Response.json({ error }, { status: 400 });
      if (client_secret !== client.secret) return refused('invalid_client');
      const held = book.renew(refresh_token, PREFIXES.shopify, true);
      if (!held) return refused('invalid_grant');
      const lifetimes = { expires_in: 3_600, refresh_token_expires_in: 7_776_000 };
      const tokens = { access_token: held.access, refresh_token: held.refresh };
      return Response.json({ ...tokens, ...lifetimes, scope: 'read_orders' });
    }
    if (request.method !== 'DELETE' || pathname !== '/admin/api_permissions/current.json') {
      return book.accepts(token) ? Response.json({ data: {} }) : empty(401);
    }
    const outcome = book.end(token, 'grant');
    return outcome === 'down' ? down() : empty(outcome === 'ended' ? 200 : 401);
  };

/** developer.zendesk.com/api-reference/ticketing/oauth/oauth_tokens/: each token ends by itself. */
const zendesk =
  (book: GrantBook): Serve =>
  async (request) => {
    const token = bearerOf(request);
    const isCurrent = /^\/api\/v2\/oauth\/tokens\/current(\.json)?$/.test(new URL(request.url).pathname);
    if (request.method !== 'DELETE' || !isCurrent) {
      return book.accepts(token)
        ? Response.json({})
        : Response.json({ error: 'Unauthorized' }, { status: 401 });
    }
    const outcome = book.end(token, 'token');
    if (outcome === 'down') return down();
    return outcome === 'ended' ? empty(204) : Response.json({ error: 'Unauthorized' }, { status: 401 });
  };
