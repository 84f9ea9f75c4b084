import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { z } from 'zod';
import { consentPage, readConsent } from '../../consent.ts';
import type { SimulatorContext } from '../../simulator.ts';
import { randomLetters } from './google.ts';
import type { Grants } from './grants.ts';
import { PEOPLE, person } from './people.ts';
import { fullNames, isKnown, isSignIn } from './scopes.ts';

const ISSUER = 'https://accounts.google.com';

/** identity/protocols/oauth2/web-server and identity/openid-connect; what they do not name is refused. */
const query = z.strictObject({
  client_id: z.string(),
  redirect_uri: z.string(),
  response_type: z.string(),
  scope: z.string(),
  state: z.string().optional(),
  access_type: z.enum(['online', 'offline']).default('online'),
  prompt: z.string().default(''),
  include_granted_scopes: z.enum(['true', 'false']).default('false'),
  enable_granular_consent: z.enum(['true', 'false']).optional(),
  login_hint: z.string().optional(),
  nonce: z.string().optional(),
  hd: z.string().optional(),
  code_challenge: z
    .string()
    .regex(/^[\w.~-]{43,128}$/)
    .optional(),
  code_challenge_method: z.enum(['S256', 'plain']).optional(),
});

const PROMPTS = ['none', 'consent', 'select_account'];

/** What a code stands for. */
export interface Code {
  email: string;
  scopes: string[];
  redirectUri: string;
  challenge: { value: string; method: 'S256' | 'plain' } | null;
  withRefreshToken: boolean;
  nonce: string | null;
  issuedAt: number;
}

/** accounts.google.com/o/oauth2/v2/auth. What is wrong with the application is told to the person only. */
export function consentScreen({ store, client, now, secret }: SimulatorContext, grants: Grants) {
  const site = new Hono();

  site.on(['GET', 'POST'], '/o/oauth2/v2/auth', async (c) => {
    const search = new URL(c.req.url).searchParams;
    const parsed = query.safeParse(Object.fromEntries(search));
    if (search.get('client_id') !== client.id) {
      return blocked(c, 401, 'invalid_client', 'The OAuth client was not found.');
    }
    if (store.get<boolean>('settings.suspendedClient')) {
      return blocked(c, 401, 'disabled_client', 'The OAuth client was disabled.');
    }
    if (!client.redirectUris.includes(search.get('redirect_uri') ?? '')) {
      return blocked(c, 400, 'redirect_uri_mismatch', 'You can’t sign in because of an invalid request.');
    }
    if (!parsed.success || search.size !== new Set(search.keys()).size) {
      const [issue] = parsed.error?.issues ?? [];
      const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
      return blocked(c, 400, 'invalid_request', `Missing or invalid parameter: ${String(name)}`);
    }
    const asked = parsed.data;
    if (asked.response_type !== 'code') {
      return blocked(c, 400, 'unsupported_response_type', `Invalid response_type: ${asked.response_type}`);
    }
    const prompts = asked.prompt.split(' ').filter((prompt) => prompt !== '');
    const lonely = prompts.includes('none') && prompts.length > 1;
    if (lonely || !prompts.every((prompt) => PROMPTS.includes(prompt))) {
      return blocked(c, 400, 'invalid_request', `Invalid parameter value for prompt: ${asked.prompt}`);
    }
    if (asked.code_challenge === undefined && asked.code_challenge_method !== undefined) {
      return blocked(c, 400, 'invalid_request', 'code_challenge_method is of no use without code_challenge');
    }
    const scopes = [...new Set(asked.scope.split(' ').filter((scope) => scope !== ''))];
    if (scopes.length === 0) {
      return blocked(c, 400, 'invalid_request', 'Missing required parameter: scope');
    }
    const unknown = scopes.filter((scope) => !isKnown(scope));
    if (unknown.length > 0) {
      const description = `Some requested scopes were invalid. {invalid=[${unknown.join(', ')}]}`;
      return blocked(c, 400, 'invalid_scope', description);
    }

    const back = (answer: Record<string, string>) => {
      const url = new URL(asked.redirect_uri);
      const all = { ...(asked.state !== undefined && { state: asked.state }), iss: ISSUER, ...answer };
      for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
      return c.redirect(url.href);
    };
    // Nobody is ever signed in here.
    if (prompts.includes('none')) return back({ error: 'login_required' });

    const boxes = scopes.filter((scope) => !isSignIn(scope));
    if (c.req.method === 'GET') {
      const emails = PEOPLE.map(({ email }) => email);
      const accounts = emails.toSorted(
        (a, b) => Number(b === asked.login_hint) - Number(a === asked.login_hint),
      );
      return c.html(consentPage({ provider: 'Google', accounts, scopes: boxes, app: 'Reeve' }));
    }

    const consent = await readConsent(c.req.raw);
    const policy = store.get<string>('settings.blocked');
    if (policy !== undefined) return blocked(c, 403, policy, 'Access to your account data is restricted.');
    if (consent.decision === 'deny') return back({ error: 'access_denied' });
    if (!person(consent.account)) return c.text('Unprocessable', 422);
    const ticked = scopes.filter((scope) => isSignIn(scope) || consent.scopes.includes(scope));
    // With nothing left to allow, pressing the button is declining; no page says what Google does.
    if (ticked.length === 0) return back({ error: 'access_denied' });

    const isFirst = grants.grant(consent.account) === undefined;
    const allowed = grants.allow(consent.account, fullNames(ticked)).scopes;
    // A code of Google's has a slash in it, which a client that decodes twice trips over.
    const code = secret(`4/0A${randomLetters(66)}`);
    const kept: Code = {
      email: consent.account,
      scopes: asked.include_granted_scopes === 'true' ? allowed : fullNames(ticked),
      redirectUri: asked.redirect_uri,
      challenge:
        asked.code_challenge === undefined
          ? null
          : { value: asked.code_challenge, method: asked.code_challenge_method ?? 'plain' },
      withRefreshToken: asked.access_type === 'offline' && (isFirst || prompts.includes('consent')),
      nonce: asked.nonce ?? null,
      issuedAt: now(),
    };
    store.set(`code/${code}`, kept);
    return back({
      code,
      scope: [...new Set([...ticked, ...kept.scopes])].join(' '),
      authuser: '0',
      prompt: isFirst || prompts.includes('consent') ? 'consent' : 'none',
    });
  });

  return site;
}

/** Google's own page; nothing of it comes back to the application. */
function blocked(c: Context, status: 400 | 401 | 403, error: string, description: string) {
  return c.html(
    html`<!doctype html>
      <html lang="en">
        <title>Sign in - Google Accounts</title>
        <h1>Access blocked: Authorization Error</h1>
        <p>${description}</p>
        <p>Error ${status}: ${error}</p>
      </html>`,
    status,
  );
}
