import type { Context } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { readArguments } from './arguments.ts';
import { fail, type Handler, succeed } from './door.ts';
import { type Grant, LIFETIME, random, randomDigits, type TokenBook } from './tokens.ts';
import { APP_ID, type Site, siteOf } from './workspaces.ts';

const CODE_LIFETIME = 600_000;

/** What the person approved, as the code remembers it. */
export interface Approval {
  site: string;
  scopes: { bot: string[]; user: string[] };
  redirectUri: string;
  /** Whether the request named the redirect URI, so that the exchange has to name it again. */
  named: boolean;
  pkce: boolean;
  /** Begun at /oauth/authorize. */
  legacy: boolean;
}

interface Code extends Approval {
  issuedAt: number;
  used: boolean;
}

const tokenArguments = z.strictObject({
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
  grant_type: z.string().optional(),
  code: z.string().optional(),
  redirect_uri: z.string().optional(),
  code_verifier: z.string().optional(),
  refresh_token: z.string().optional(),
});

export function issueCode({ store, now, secret }: SimulatorContext, approval: Approval): string {
  const code = secret(`${randomDigits(10)}.${randomDigits(13)}.${random(64, '0123456789abcdef')}`);
  const kept: Code = { ...approval, issuedAt: now(), used: false };
  store.set(`code/${code}`, kept);
  return code;
}

/** oauth.v2.access: codes and refresh tokens (docs.slack.dev/reference/methods/oauth.v2.access). */
export function oauthAccess({ store, client, now }: SimulatorContext, tokens: TokenBook): Handler {
  function redeem(given: z.infer<typeof tokenArguments>): Code | string {
    const key = `code/${given.code ?? ''}`;
    const code = store.get<Code>(key);
    if (!code || now() - code.issuedAt >= CODE_LIFETIME) return 'invalid_code';
    // In no list of errors, but seen.
    if (code.used) return 'code_already_used';
    // Whatever is wrong from here on, the code is spent; the docs do not say.
    store.set(key, { ...code, used: true });
    if (code.legacy) return 'oauth_authorization_url_mismatch';
    // The documented place of this error; the page that asks for approval has none of its own.
    if (code.pkce || given.code_verifier !== undefined) return 'pkce_not_allowed';
    if (given.redirect_uri === undefined && code.named) return 'bad_redirect_uri';
    if (given.redirect_uri !== undefined && given.redirect_uri !== code.redirectUri)
      return 'bad_redirect_uri';
    return code;
  }

  return async (c) => {
    if (c.req.method !== 'POST') return new Response(null, { status: 405 });
    const read = await readArguments(c, true);
    if (typeof read === 'string') return fail(read);
    const parsed = tokenArguments.safeParse(read);
    if (!parsed.success) return fail('invalid_arguments');
    const given = parsed.data;
    const credentials = readCredentials(c, given);
    if (!credentials) return fail('invalid_arguments');
    if (credentials.id !== client.id) return fail('invalid_client_id');
    if (credentials.secret !== client.secret) return fail('bad_client_secret');

    if (given.grant_type === 'refresh_token') {
      if (given.code !== undefined || given.redirect_uri !== undefined) return fail('invalid_arguments');
      const old = tokens.refreshable(given.refresh_token ?? '');
      const site = old && siteOf(old.site);
      if (!site) return fail('invalid_refresh_token');
      const bot = old.kind === 'bot' && { bot_user_id: site.bot.userId };
      return succeed({ ...tokenFields(tokens.rotate(old)), ...bot, ...where(site) });
    }
    if (given.grant_type !== undefined && given.grant_type !== 'authorization_code') {
      return fail('invalid_grant_type');
    }
    if (given.refresh_token !== undefined) return fail('invalid_arguments');

    const code = redeem(given);
    if (typeof code === 'string') return fail(code);
    const site = siteOf(code.site);
    const { bot, user } = code.scopes;
    if (!site || bot.length + user.length === 0) return fail('no_scopes');
    return succeed({
      ...(bot.length > 0 && {
        ...tokenFields(tokens.install(site, 'bot', bot)),
        bot_user_id: site.bot.userId,
      }),
      ...where(site),
      authed_user: {
        id: site.person.id,
        ...(user.length > 0 && tokenFields(tokens.install(site, 'user', user))),
      },
    });
  };
}

/** HTTP Basic or the arguments, not both (RFC 6749 section 2.3); Slack's docs do not say. */
function readCredentials(
  c: Context,
  given: { client_id?: string | undefined; client_secret?: string | undefined },
) {
  const header = c.req.header('authorization');
  if (header === undefined) return { id: given.client_id, secret: given.client_secret };
  if (given.client_id !== undefined || given.client_secret !== undefined) return undefined;
  const [, basic = ''] = /^Basic (\S+)$/i.exec(header) ?? [];
  const [, id, secret] = /^([^:]*):(.*)$/.exec(Buffer.from(basic, 'base64').toString()) ?? [];
  return { id, secret };
}

function tokenFields({ access, refresh }: Grant) {
  return {
    access_token: access.token,
    token_type: access.kind,
    scope: access.scopes.join(','),
    ...(refresh && { expires_in: LIFETIME, refresh_token: refresh.token }),
  };
}

const where = (site: Site) => ({
  app_id: APP_ID,
  team: site.team,
  enterprise: site.enterprise,
  is_enterprise_install: site.team === null,
});
