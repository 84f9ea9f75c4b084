import { Hono } from 'hono';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import { challenge, invalid, KlaviyoRefusal } from './klaviyo/errors.ts';
import { type AccountRecord, authenticate, createKey, demand, type KeyRecord } from './klaviyo/keys.ts';
import { countCall } from './klaviyo/limits.ts';
import { ACCOUNTS, accountObject, checkQuery, LISTS, type Resource } from './klaviyo/resources.ts';

export { disableKlaviyoKey } from './klaviyo/keys.ts';

type Env = { Variables: { key: KeyRecord } };

/** Published revisions that were alive in November 2026 (api_versioning_and_deprecation_policy: two years). */
const REVISIONS = new Set([
  '2025-01-15',
  '2025-04-15',
  '2025-07-15',
  '2025-10-15',
  '2026-01-15',
  '2026-04-15',
  '2026-07-15',
]);

/**
 * Klaviyo's /api (developers.klaviyo.com): the account behind a private key, and the lists behind Reeve's
 * tools, which are empty.
 *
 * Settings in the store: `settings.challenge` (Cloudflare stands before it), `settings.retryAfter` (seconds;
 * every call is one too many), `settings.rateLimits` (true: the documented windows refuse).
 *
 * `issueKey` options: `format` (`new`, `old`), `scopes` (with commas, `*` for all), `expired` (`true`),
 * `accountId` and `name`.
 */
export const klaviyo: SimulatorFactory = (context) => {
  const api = klaviyoApi(context);
  return {
    provider: 'klaviyo',
    host: (hostname) => hostname === 'a.klaviyo.com',
    fetch: (request) => (context.store.get<boolean>('settings.challenge') ? challenge() : api.fetch(request)),
    issueKey: (options) => createKey(context, options),
  };
};

function klaviyoApi(context: SimulatorContext) {
  const { store } = context;
  const api = new Hono<Env>({ strict: false });

  // Retired on 2024-06-30.
  for (const version of ['v1', 'v2']) {
    api.all(`/api/${version}/*`, () => {
      throw new KlaviyoRefusal(410, 'gone', 'This API version has been retired.');
    });
  }

  api.use('/api/*', async (c, next) => {
    c.set('key', authenticate(store, c.req.header('authorization')));
    checkRevision(c.req.header('revision'));
    checkAccept(c.req.header('accept'));
    await next();
  });

  /** A GET with its scope, its parameters and its place in the rate limits. */
  const get = (
    name: string,
    path: string,
    resource: Resource,
    answer: (key: KeyRecord, url: URL) => unknown,
  ) =>
    api.get(path, (c) => {
      const { key } = c.var;
      const headers = countCall(context, key.account, name, resource.limit);
      demand(key, resource.scope);
      const url = new URL(c.req.url);
      checkQuery(resource, url);
      return c.body(JSON.stringify(answer(key, url)), 200, {
        'content-type': 'application/vnd.api+json',
        ...headers,
      });
    });

  get('accounts', '/api/accounts', ACCOUNTS, ({ account }, url) => ({
    data: [accountObject(accountOf(account))],
    links: { self: url.href, next: null, prev: null },
  }));
  get('account', '/api/accounts/:id', ACCOUNTS, ({ account }, url) => {
    if (url.pathname.split('/')[3] !== account) throw notFound();
    return { data: accountObject(accountOf(account)) };
  });
  for (const [name, resource] of Object.entries(LISTS)) {
    get(name, `/api/${name}`, resource, (_, url) => ({
      data: [],
      links: { self: url.href, next: null, prev: null },
    }));
  }

  const accountOf = (id: string) =>
    store.get<AccountRecord>(`account/${id}`) ?? { id, name: '', test: false };

  api.notFound(() => notFound().response());
  api.onError((fault) => {
    if (!(fault instanceof KlaviyoRefusal)) throw fault;
    return fault.response();
  });
  return api;
}

/** The documents demand it and give no wording for its absence; that a revision must have been published is theirs. */
function checkRevision(revision: string | undefined): void {
  if (revision === undefined) {
    throw invalid('The revision header is required.', { parameter: 'revision' });
  }
  if (!REVISIONS.has(revision)) {
    throw new KlaviyoRefusal(404, 'not_found', 'No valid revisions found for method');
  }
}

function checkAccept(accept: string | undefined): void {
  if (/(^|,)\s*(application\/(vnd\.api\+)?json|\*\/\*)/i.test(accept ?? '*/*')) return;
  throw new KlaviyoRefusal(406, 'not_acceptable', 'Could not satisfy the request Accept header.');
}

function notFound(): KlaviyoRefusal {
  return new KlaviyoRefusal(404, 'not_found', 'Not found.');
}
