import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { z } from 'zod';
import { consentPage, readConsent } from '../../consent.ts';
import type { SimulatorContext } from '../../simulator.ts';
import { PEOPLE, personNamed } from './fixtures.ts';
import type { Book, Grant } from './records.ts';
import { versionState } from './versions.ts';

/** Those of docs/permissions that have to do with ads and what is around them. */
const PERMISSIONS = [
  ...['public_profile', 'email', 'ads_read', 'ads_management', 'business_management', 'catalog_management'],
  ...['leads_retrieval', 'pages_show_list', 'pages_read_engagement', 'pages_manage_ads', 'read_insights'],
];

/**
 * guides/advanced/manual-flow. `config_id` is left out, as this app has no configuration of Login for
 * Business; so is PKCE, which is documented for the OpenID Connect flow alone.
 */
const dialogQuery = z.strictObject({
  client_id: z.string(),
  redirect_uri: z.string(),
  state: z.string().min(1),
  scope: z.string().min(1),
  response_type: z.literal('code').optional(),
  auth_type: z.enum(['rerequest', 'reauthenticate', 'reauthorize']).optional(),
});

/** www.facebook.com: the Login Dialog. */
export function loginDialog({ client, now }: SimulatorContext, book: Book): Hono {
  const site = new Hono();

  site.on(['GET', 'POST'], '/:version/dialog/oauth', async (c) => {
    if (versionState(c.req.param('version'), now()) !== 'usable') return page(c, 'Page not found', 404);
    const search = new URL(c.req.url).searchParams;
    if (search.get('client_id') !== client.id) return page(c, 'Invalid App ID', 400);
    // The status of Facebook's error pages is not documented; it redirects from none of them.
    if (!client.redirectUris.includes(search.get('redirect_uri') ?? '')) return page(c, 'URL Blocked', 400);
    const query = dialogQuery.safeParse(Object.fromEntries(search));
    // Stricter than the real page, which ignores what it does not know: a misspelt name should be seen.
    if (!query.success || search.size !== new Set(search.keys()).size) {
      return page(c, 'Sorry, something went wrong', 400);
    }
    const { redirect_uri, state, auth_type } = query.data;
    const asked = [...new Set(query.data.scope.split(/[, ]/))].filter((name) => name !== '');
    const unknown = asked.filter((name) => !PERMISSIONS.includes(name));
    if (unknown.length > 0) return page(c, `Invalid Scopes: ${unknown.join(', ')}`, 400);

    const optional = asked.filter((name) => name !== 'public_profile');
    if (c.req.method === 'GET') {
      const accounts = PEOPLE.map((person) => person.name);
      return c.html(consentPage({ provider: 'Facebook', accounts, scopes: optional, app: 'Reeve' }));
    }

    const back = (answer: Record<string, string>, fragment = '') => {
      const url = new URL(redirect_uri);
      for (const [name, value] of Object.entries({ ...answer, state })) url.searchParams.set(name, value);
      url.hash = fragment;
      return c.redirect(url.href);
    };
    const consent = await readConsent(c.req.raw);
    if (consent.decision === 'deny') {
      return back({
        error_reason: 'user_denied',
        error: 'access_denied',
        error_description: 'Permissions error',
        error_code: '200',
      });
    }
    const person = personNamed(consent.account);
    if (!person) return page(c, 'Sorry, something went wrong', 400);
    const { permissions = {} } = book.grant(client.id, person.name) ?? {};
    // What a person once declined is not asked again unless the app says so (guides/permissions/request-revoke).
    const open = optional.filter((name) => permissions[name] !== 'declined' || auth_type === 'rerequest');
    const decided = open.map((name): [string, Grant['permissions'][string]] => [
      name,
      consent.scopes.includes(name) ? 'granted' : 'declined',
    ]);
    book.saveGrant(client.id, person.name, {
      permissions: { ...permissions, ...Object.fromEntries(decided), public_profile: 'granted' },
      activeAt: now(),
    });
    return back({ code: book.newCode(person.name, redirect_uri) }, '#_=_');
  });

  site.notFound((c) => page(c, 'Page not found', 404));
  return site;
}

function page(c: Context, text: string, status: 400 | 404) {
  return c.html(html`<!doctype html><title>Facebook</title><p>${text}</p>`, status);
}
