import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext, SimulatorFactory } from '../simulator.ts';
import type { Store } from '../store.ts';
import {
  ANONYMOUS,
  brandObject,
  forbidden,
  noHelpDesk,
  notAuthenticated,
  notFound,
  ticketObjects,
  tooManyRequests,
  unsupportedMedia,
  userObject,
} from './zendesk/answers.ts';
import { type Caller, countCall, identify } from './zendesk/caller.ts';
import {
  type AccessToken,
  DESKS,
  type DeskUser,
  deskRecords,
  type OAuthClient,
  type Records,
  randomLetters,
} from './zendesk/desk.ts';
import { allows, issueToken, tokenObject } from './zendesk/oauth.ts';
import { paged } from './zendesk/paging.ts';

const HOST = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.zendesk\.com$/;

interface Call {
  caller: Caller;
  desk: string;
  brandId: number;
  brandName: string;
}

type Env = { Variables: { call: Call } };

const keyOptions = z.strictObject({
  kind: z.enum(['api_token', 'oauth_client']).default('api_token'),
  subdomain: z.enum(['acme', 'globex']).default('acme'),
  email: z.string().optional(),
  role: z.enum(['admin', 'agent', 'end-user']).default('admin'),
  suspended: z.enum(['true', 'false']).default('false'),
  allowedScopes: z.string().optional(),
});

/**
 * Zendesk Support (developer.zendesk.com/api-reference): the help desks `acme` and `globex`, with API tokens
 * and with OAuth clients of their own.
 *
 * Settings in the store: `settings.anonymousOnBadCredentials` (users/me answers a bad key with the guest),
 * `settings.apiTokensRemoved` (2027-04-30 has come), `settings.retryAfter` (seconds; every call is one too
 * many), `settings.rateLimit` (calls a minute, 400), `settings.accessTokenSeconds`.
 *
 * `issueKey` options: `kind` (`api_token`, `oauth_client`), `subdomain`, `email`, `role` (`admin`, `agent`,
 * `end-user`), `suspended` (`true`), `allowedScopes` (of an OAuth client, with spaces; any without it).
 */
export const zendesk: SimulatorFactory = (context) => {
  const records = deskRecords(context);
  const app = helpDesk(context, records);
  return {
    provider: 'zendesk',
    host: (hostname) => HOST.test(hostname),
    fetch: (request) => app.fetch(request),
    issueKey: (options) => issueKey(context, records, options),
  };
};

/** The OAuth access tokens issued so far, oldest first. */
export function zendeskTokens(store: Store): Array<{ token: string; subdomain: string; alive: boolean }> {
  return store
    .list<AccessToken>('access-token/')
    .sort((a, b) => a.id - b.id)
    .map(({ token, desk, revoked }) => ({ token, subdomain: desk, alive: !revoked }));
}

/** Deletes an OAuth client in Admin Center, and with it all its tokens; `secret` is the client's. */
export function deleteZendeskClient(store: Store, secret: string): void {
  const client = store.list<OAuthClient>('client/').find((each) => each.secret === secret);
  if (!client) return;
  store.delete(`client/${client.desk}/${client.identifier}`);
  for (const token of store.list<AccessToken>('access-token/'))
    if (token.clientIdentifier === client.identifier)
      store.set(`access-token/${token.token}`, { ...token, revoked: true });
}

function issueKey(
  { now, secret }: SimulatorContext,
  records: Records,
  options: Record<string, string> = {},
): IssuedKey {
  const { kind, subdomain, role, suspended, allowedScopes, email: given } = keyOptions.parse(options);
  const email = given ?? `agent@${subdomain}.example`;
  records.saveUser(subdomain, { name: 'Johnny Agent', email, role, suspended: suspended === 'true' });
  const account = { id: subdomain, name: DESKS.get(subdomain)?.name ?? null };
  if (kind === 'oauth_client') {
    const identifier = `reeve_${randomLetters(8).toLowerCase()}`;
    const clientSecret = secret(randomBytes(32).toString('hex'));
    records.saveClient({
      desk: subdomain,
      identifier,
      secret: clientSecret,
      email,
      allowedScopes: allowedScopes?.split(' '),
    });
    return { api_key: clientSecret, config: { subdomain, client_id: identifier }, account };
  }
  const token = secret(randomLetters(40));
  records.saveApiToken(token, { desk: subdomain, lastUsedAt: now() });
  return { api_key: token, config: { subdomain, email }, account };
}

function helpDesk(context: SimulatorContext, records: Records) {
  const { store } = context;
  const app = new Hono<Env>({
    // Every path works with and without `.json`.
    getPath: (request) => new URL(request.url).pathname.replace(/\.json$/, ''),
  });

  app.use(async (c, next) => {
    const { hostname } = new URL(c.req.url);
    const label = HOST.exec(hostname)?.[1] ?? '';
    const desk = DESKS.get(label);
    if (!desk) return noHelpDesk(hostname);
    const caller = identify(context, records, label, c.req.header('authorization'));
    c.set('call', { caller, desk: label, brandId: desk.id, brandName: desk.name });
    await next();
    return undefined;
  });

  app.use('/api/v2/*', async (c, next) => {
    const accept = c.req.header('accept') ?? '';
    if (!/(^|,)\s*application\/json\b/i.test(accept))
      return unsupportedMedia('send Accept: application/json');
    const rate = countCall(context, c.var.call.desk);
    const told = store.get<number>('settings.retryAfter');
    if (told !== undefined) return tooManyRequests(told);
    if (rate.exceeded) return tooManyRequests(rate.seconds);
    await next();
    c.header('x-rate-limit', String(rate.limit));
    c.header('x-rate-limit-remaining', String(rate.limit - rate.used));
    return undefined;
  });

  /** Runs `answer` for an agent whose token may read `resource`; null means any reading needs `read`. */
  const forAgents =
    (resource: string | null, answer: (c: Context<Env>, user: DeskUser) => Response) => (c: Context<Env>) => {
      const { caller } = c.var.call;
      if (caller.kind !== 'user') return notAuthenticated();
      if (caller.user.role === 'end-user' || caller.user.suspended) return forbidden();
      if (caller.token && !allows(caller.token.scopes, resource)) return forbidden();
      return answer(c, caller.user);
    };

  app.post('/oauth/tokens', (c) => issueToken(c, c.var.call.desk, records, context));

  // Open to anonymous users, which is why it proves nothing about a key.
  app.get('/api/v2/users/me', (c) => {
    const { caller, desk } = c.var.call;
    const guest = store.get<boolean>('settings.anonymousOnBadCredentials') === true;
    if (caller.kind === 'refused' && !guest) return notAuthenticated();
    if (caller.kind !== 'user') return c.json({ user: ANONYMOUS });
    if (caller.token && !allows(caller.token.scopes, 'users')) return forbidden();
    return c.json({ user: userObject(caller.user, desk) });
  });

  app.get(
    '/api/v2/users',
    forAgents('users', (c) => {
      const roles = [c.req.query('role') ?? [], c.req.queries('role[]') ?? []].flat();
      const users = records
        .users(c.var.call.desk)
        .filter((user) => roles.length === 0 || roles.includes(user.role))
        .map((user) => userObject(user, c.var.call.desk));
      return paged(c, 'users', users, ['role', 'role[]']);
    }),
  );

  app.get(
    '/api/v2/account/settings',
    forAgents(null, (c) =>
      c.json({
        settings: {
          active_features: { user_tagging: true, ticket_tagging: true },
          api: { accepted_api_agreement: true, api_password_access: 'false', api_token_access: 'true' },
          brands: { default_brand_id: c.var.call.brandId, require_brand_on_new_tickets: false },
          limits: { attachment_size: 52_428_800 },
        },
      }),
    ),
  );

  app.get(
    '/api/v2/brands',
    forAgents(null, (c) => {
      const { desk, brandId, brandName } = c.var.call;
      return paged(c, 'brands', [brandObject(desk, brandId, brandName)]);
    }),
  );

  app.get(
    '/api/v2/tickets',
    forAgents('tickets', (c, user) => {
      const people = { requester: 900_001, assignee: user.id };
      const tickets = ticketObjects(c.var.call.desk, c.var.call.brandId, people);
      const sort = c.req.query('sort');
      if (sort === 'updated_at') tickets.sort((a, b) => a.updated_at.localeCompare(b.updated_at));
      if (sort === '-updated_at') tickets.sort((a, b) => b.updated_at.localeCompare(a.updated_at));
      if (sort === '-id') tickets.reverse();
      return paged(c, 'tickets', tickets, ['sort', 'external_id']);
    }),
  );

  app.get('/api/v2/oauth/tokens/current', (c) => {
    const { caller } = c.var.call;
    if (caller.kind !== 'user') return notAuthenticated();
    return caller.token ? c.json({ token: tokenObject(caller.token, caller.user.id) }) : notFound();
  });

  app.delete('/api/v2/oauth/tokens/:id', (c) => {
    const { caller } = c.var.call;
    if (caller.kind !== 'user') return notAuthenticated();
    const id = c.req.param('id');
    const mine = records
      .accessTokens()
      .filter(
        (token) => token.desk === c.var.call.desk && token.email === caller.user.email && !token.revoked,
      );
    const token = id === 'current' ? caller.token : mine.find((candidate) => String(candidate.id) === id);
    if (!token) return notFound();
    records.saveAccessToken({ ...token, revoked: true });
    return c.body(null, 204);
  });

  app.notFound((c) =>
    c.req.path.startsWith('/api/')
      ? Response.json({ error: 'InvalidEndpoint', description: 'Not found' }, { status: 404 })
      : c.text('Not found', 404),
  );
  return app;
}
