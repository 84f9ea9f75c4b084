import * as z from 'zod';
import { call, headers } from './github-api.ts';
import { appWebhook, repositoryHooks } from './github-webhooks.ts';
import {
  type Access,
  type Answer,
  clientSecretBasic,
  type Finding,
  type OAuth2,
  type OAuthClient,
  type Provider,
  postJson,
  type Revocation,
  readTokenResponse,
  scopeList,
  type TokenResult,
} from './provider.ts';

const user = z.object({ id: z.number().int().positive(), login: z.string().min(1) });

const installations = z.object({
  installations: z.array(
    z.object({ permissions: z.record(z.string(), z.string()), suspended_at: z.string().nullish() }),
  ),
});

const refusal = z.object({ message: z.string() });

/** What the App asks for in its settings: https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/choosing-permissions-for-a-github-app */
const permissions = ['metadata', 'contents', 'pull_requests', 'actions', 'deployments'];

/** What both kinds of app do alike. */
const signIn = {
  type: 'oauth',
  authorizationEndpoint: () => 'https://github.com/login/oauth/authorize',
  issuer: 'https://github.com/login/oauth',
  scopeSeparator: ' ',
  pkce: true,
  *exchange({ client, code, codeVerifier, redirectUri }) {
    return tokens(
      yield tokenRequest(client, { code, redirect_uri: redirectUri, code_verifier: codeVerifier }),
    );
  },
  // https://docs.github.com/en/apps/oauth-apps/using-oauth-apps/authorizing-oauth-apps: ten tokens a person, app and scopes.
  grant: { of: 'account', anotherSignIn: 'adds', atMost: 10 },
  // https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
  refresh: {
    *request({ client, token }) {
      return tokens(yield tokenRequest(client, { grant_type: 'refresh_token', refresh_token: token }));
    },
    reuse: 'never',
    dead: ['bad_refresh_token'],
  },
  clientErrors: ['incorrect_client_credentials', 'invalid_client', 'redirect_uri_mismatch'],
} satisfies Omit<OAuth2, 'scopes'>;

/** https://docs.github.com/en/rest/apps/oauth-applications: these take the app's own credentials. */
const endAccess = (what: 'grant' | 'token') => ({
  request: ({ credential, client }: Access) => ({
    method: 'DELETE' as const,
    url: `https://api.github.com/applications/${encodeURIComponent(client.id)}/${what}`,
    headers: { ...headers, authorization: clientSecretBasic(client), 'content-type': 'application/json' },
    body: JSON.stringify({ access_token: credential }),
  }),
  // 404 and 422: the token is unknown, so there is nothing left to end.
  ended: ({ status }: Answer) => status === 204 || status === 404 || status === 422,
});

const revocation = { grant: endAccess('grant'), token: endAccess('token') } satisfies Revocation;

/** GitHub as an OAuth App: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps */
export const github = {
  id: 'github',
  name: 'GitHub',
  category: 'development',
  docs: 'https://docs.github.com/en/rest',
  hosts: () => ['api.github.com', 'github.com'],
  config: [],
  // There is no narrower scope that reads private repositories; it covers their hooks, too.
  auth: { ...signIn, scopes: ['repo'] },
  *probe({ credential }) {
    const answer = yield api('/user', credential);
    if (answer.status !== 200) return refused(answer);
    const scopes = answer.headers.get('x-oauth-scopes');
    return works(answer, scopes === null ? {} : { scopes: scopeList(scopes) });
  },
  revocation,
  tools: [],
  capabilities: ['repositories', 'pull requests', 'CI/CD runs', 'deployments'],
  webhookEvents: ['github.push', 'github.pull_request.opened', 'github.deployment.status'],
  webhooks: repositoryHooks,
} satisfies Provider;

/**
 * GitHub as a GitHub App: the user's token reaches what the user may see of the accounts that installed the App.
 * Which they are is asked with that token; the callback's `installation_id` can be anybody's
 * (https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/about-the-setup-url).
 */
export const githubApp = {
  ...github,
  webhooks: appWebhook,
  // The App's own permissions decide.
  auth: { ...signIn, scopes: [] },
  *probe({ credential }) {
    const who = yield api('/user', credential);
    if (who.status !== 200) return refused(who);
    const answer = yield api('/user/installations?per_page=100', credential);
    const found = installations.safeParse(answer.json);
    if (answer.status !== 200 || !found.success) return refused(answer);
    const granted = new Map<string, string>();
    const active = found.data.installations.filter((each) => !each.suspended_at);
    for (const each of active) for (const entry of Object.entries(each.permissions)) granted.set(...entry);
    const scopes = [...granted].map(([name, level]) => `${name}:${level}`).sort();
    const lacking = permissions.filter((name) => !granted.has(name)).map((name) => `${name}:read`);
    return works(who, { scopes, missing: active.length === 0 ? ['installation'] : lacking });
  },
  revocation: {
    ...revocation,
    help: 'The App stays installed, without any access of ours: uninstall it in GitHub under Settings, Applications, Installed GitHub Apps.',
  },
} satisfies Provider;

function api(path: string, credential: string) {
  return call({ credential }, 'GET', path);
}

function tokenRequest(client: OAuthClient, grant: Record<string, string | undefined>) {
  return postJson('https://github.com/login/oauth/access_token', {
    client_id: client.id,
    client_secret: client.secret,
    ...grant,
  });
}

/** Errors come at 200, but of a client that GitHub does not know: "Not Found", at 404. */
function tokens(answer: Answer): TokenResult {
  const result = readTokenResponse(answer);
  if (!('error' in result)) return result;
  if (answer.status === 404) return { error: 'invalid_client' };
  return result.error === 'unverified_user_email' ? { ...result, detail: unverified } : result;
}

function works(answer: Answer, more: { scopes?: string[]; missing?: string[] }): Finding | undefined {
  const body = user.safeParse(answer.json);
  if (!body.success) return undefined;
  return { finding: 'works', account: { id: String(body.data.id), name: body.data.login }, ...more };
}

/**
 * What a refusal is about. Too many requests are told by 403 as well as 429, and so are a person's too many tries
 * to sign in: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
 */
function refused({ status, headers, json }: Answer): Finding | undefined {
  const message = refusal.safeParse(json).data?.message ?? '';
  if (status === 401 && message !== '') return { finding: 'refused', detail: ended };
  if (status !== 403 && status !== 429) return undefined;
  if (/account was suspended/i.test(message)) return { finding: 'refused', detail: suspended };
  if (/authorized to a GitHub App/i.test(message)) return { finding: 'refused', detail: formerApp };
  const spent = headers.get('x-ratelimit-remaining') === '0';
  const told = spent || headers.has('retry-after') || /rate limit|abuse|login attempts/i.test(message);
  if (status === 403 && !told) return undefined;
  const untilReset = Number(headers.get('x-ratelimit-reset')) - Date.parse(headers.get('date') ?? '') / 1000;
  const wait = Number(headers.get('retry-after')) || (spent ? untilReset : 0);
  return { finding: 'limited', ...(wait > 0 && wait <= 86_400 && { retryAfter: Math.ceil(wait) }) };
}

const ended =
  'GitHub does not accept this sign-in any more: it was revoked or has expired. Connect GitHub again.';
const suspended = 'GitHub has suspended this account. Its owner must ask GitHub Support to restore it.';
const unverified =
  'GitHub wants your primary e-mail address verified first: in GitHub under Settings, Emails. Then connect again.';
const formerApp = 'This sign-in was made with another app of Reeve’s. Connect GitHub again.';
