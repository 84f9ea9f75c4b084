import { Hono } from 'hono';
import { html } from 'hono/html';
import { z } from 'zod';
import { consentPage, readConsent } from '../../consent.ts';
import type { SimulatorContext } from '../../simulator.ts';
import { organizationsOf, USERS } from './accounts.ts';
import type { App } from './app.ts';
import { sendBack } from './authorize.ts';
import type { Books } from './caller.ts';
import type { CodeBook } from './codes.ts';
import { later } from './deliveries.ts';
import { fullName } from './repositories.ts';
import type { Telling } from './telling.ts';

/** sharing-your-github-app names no other parameter. */
const installQuery = z.strictObject({ state: z.string().optional() });

/** Who installs where, by the words on the page. */
const CHOICES = new Map(
  USERS.flatMap(({ login }) => [
    { name: login, login, account: login, isOwner: true },
    ...organizationsOf(login).map((each) => ({
      name: `${login} on ${each.login}`,
      login,
      account: each.login,
      isOwner: each.owners.includes(login),
    })),
  ]).map((choice) => [choice.name, choice]),
);

/**
 * The page on which a person installs the App, and authorizes it on the way ("Request user authorization during
 * installation"). The choices are users (`octocat`) and users on an organization of theirs
 * (`octocat on octo-org`); the boxes are the repositories to open.
 */
export function installPage(
  { store, client }: SimulatorContext,
  app: App,
  { repositories: known, installations }: Books,
  codes: CodeBook,
  { news }: Telling,
): Hono {
  const page = new Hono();

  page.on(['GET', 'POST'], '/apps/:slug/installations/new', async (c) => {
    if (c.req.param('slug') !== app.slug) return c.notFound();
    const search = new URL(c.req.url).searchParams;
    const query = installQuery.safeParse(Object.fromEntries(search));
    // Stricter than the real page, as on the authorization page.
    if (!query.success || search.size > 1) return c.text('Bad request', 400);
    const { state } = query.data;
    if (c.req.method === 'GET') {
      const accounts = [...CHOICES.keys()];
      const owners = [...new Set([...CHOICES.values()].map(({ account }) => account))];
      const scopes = owners.flatMap(known.of).map(fullName);
      return c.html(consentPage({ provider: 'GitHub', accounts, scopes, app: 'Reeve' }));
    }

    const consent = await readConsent(c.req.raw);
    // The docs tell of no way back for who cancels here; the browser stays.
    if (consent.decision === 'deny') return c.html(html`<!doctype html><title>Reeve · GitHub</title>`);
    const choice = CHOICES.get(consent.account);
    if (!choice) return c.text('Unprocessable', 422);
    const { login, account, isOwner } = choice;
    const [target = ''] = client.redirectUris;
    // The setup URL's page has an id and a state; developers who met this case saw neither id nor code.
    if (!isOwner) return sendBack(c, target, { setup_action: 'request' }, state);

    const own = known.of(account);
    const ticked = own.filter((repository) => consent.scopes.includes(fullName(repository)));
    const isAll = ticked.length === 0 || ticked.length === own.length;
    const repositories = isAll ? 'all' : ticked.map(({ id }) => id);
    const finish = (id: number, setup_action: string) => {
      // The App has no say in this authorization: the first callback URL, and no PKCE.
      const code = codes.issue({ login, scopes: [], redirectUri: target, challenge: null, offline: false });
      return sendBack(c, target, { code, installation_id: String(id), setup_action }, state);
    };

    const standing = installations.of(account);
    if (!standing) {
      const installed = installations.install(account, repositories);
      later(async () => news?.installation(installed, 'created'));
      return finish(installed.id, 'install');
    }
    const changed = installations.change(standing, { repositories });
    later(async () => news?.selection(standing, changed));
    if (store.get<boolean>('settings.redirectOnUpdate')) return finish(standing.id, 'update');
    return c.html(html`<!doctype html><title>Reeve is installed on ${account} · GitHub</title>`);
  });

  return page;
}
