import * as z from 'zod';
import {
  type Answer,
  bearer,
  broughtBy,
  clientSecretBasic,
  getJson,
  type OAuthClient,
  type Provider,
  postForm,
  scopeList,
  type TokenResult,
  tokenResponse,
  toTokens,
} from './provider.ts';

/** Every answer is HTTP 200, but for rate limits; `ok` tells success from failure. */
const failure = z.object({ ok: z.literal(false), error: z.string() });
const botToken = tokenResponse.extend({ ok: z.literal(true), token_type: z.literal('bot') });
const installed = z.object({
  is_enterprise_install: z.boolean().nullish(),
  team: z.object({ id: z.string().min(1) }).nullish(),
  enterprise: z.object({ id: z.string().min(1) }).nullish(),
});
const identity = z.object({
  ok: z.literal(true),
  team: z.string().nullish(),
  team_id: z.string().min(1).nullish(),
  enterprise_id: z.string().min(1).nullish(),
  is_enterprise_install: z.boolean().nullish(),
});

/** https://docs.slack.dev/reference/methods/auth.test#errors */
const over = ['invalid_auth', 'not_authed', 'token_revoked', 'token_expired', 'account_inactive'];

/** https://docs.slack.dev/authentication/installing-with-oauth and …/using-token-rotation */
export const slack = {
  id: 'slack',
  name: 'Slack',
  category: 'communication',
  docs: 'https://docs.slack.dev/apis/web-api/',
  hosts: () => ['slack.com'],
  config: [],
  auth: {
    type: 'oauth',
    authorizationEndpoint: () => 'https://slack.com/oauth/v2/authorize',
    authorizationParameters: ({ response_type: _, ...documented }) => documented,
    scopes: ['chat:write', 'channels:read', 'channels:history', 'groups:read'],
    scopeSeparator: ',',
    // Turning it on makes the app a public client for good, whose refresh tokens end after 30 days.
    pkce: false,
    // Without token rotation all installations of a workspace have one and the same bot token; whether one with it
    // ends another's is not documented.
    grant: { of: 'account', anotherSignIn: 'repeats' },
    *exchange({ client, code, redirectUri }) {
      return tokens(yield tokenRequest(client, { code, redirect_uri: redirectUri }));
    },
    // Tokens of an app without token rotation have no end, and no refresh token.
    refresh: {
      *request({ client, token }) {
        return tokens(yield tokenRequest(client, { grant_type: 'refresh_token', refresh_token: token }));
      },
      reuse: 'never',
      dead: ['invalid_refresh_token', 'token_revoked', 'token_expired', 'account_inactive'],
    },
    clientErrors: ['invalid_client_id', 'bad_client_secret', 'bad_redirect_uri', 'pkce_not_allowed'],
  },
  *probe({ credential }) {
    const answer = yield getJson('https://slack.com/api/auth.test', bearer(credential));
    const error = failure.safeParse(answer.json).data?.error;
    if (error === 'ratelimited') {
      const retryAfter = waitOf(answer);
      return { finding: 'limited', ...(retryAfter !== undefined && { retryAfter }) };
    }
    if (error !== undefined) {
      return over.includes(error)
        ? {
            finding: 'refused',
            detail:
              'Slack does not accept this sign-in any more: the app was removed from the workspace. Connect Slack again.',
          }
        : undefined;
    }
    const { data } = identity.safeParse(answer.json);
    // An installation for a whole organization has no workspace of its own.
    const id = data?.is_enterprise_install ? data.enterprise_id : data?.team_id;
    if (answer.status !== 200 || !data || !id) return undefined;
    const scopes = answer.headers.get('x-oauth-scopes');
    return {
      finding: 'works',
      account: { id, name: data.team ?? null },
      ...(scopes !== null && { scopes: scopeList(scopes) }),
    };
  },
  revocation: {
    // All who connect a workspace may hold one and the same bot token, so the app goes with the last of them:
    // https://docs.slack.dev/reference/methods/apps.uninstall
    grant: {
      request: ({ credential, client }) =>
        postForm(
          'https://slack.com/api/apps.uninstall',
          { client_id: client.id, client_secret: client.secret },
          bearer(credential),
        ),
      ended: ({ status, json }) =>
        (status === 200 && z.object({ ok: z.literal(true) }).safeParse(json).success) ||
        over.includes(failure.safeParse(json).data?.error ?? ''),
      endedBefore: ({ json }) => failure.safeParse(json).success,
    },
  },
  tools: [],
  capabilities: ['channel messaging', 'bot access'],
  webhookEvents: [],
} satisfies Provider;

function tokenRequest(client: OAuthClient, grant: Record<string, string>) {
  return postForm('https://slack.com/api/oauth.v2.access', grant, {
    authorization: clientSecretBasic(client),
  });
}

function tokens(answer: Answer): TokenResult {
  const error = failure.safeParse(answer.json).data?.error;
  if (error === 'ratelimited') return { limited: waitOf(answer) };
  if (error === 'user_email_unverified') return { error, detail: unverified };
  if (error !== undefined) return { error };
  const { data } = botToken.safeParse(answer.json);
  const account = installedIn(answer);
  const known = account === undefined ? {} : { account };
  if (data) return { tokens: { ...toTokens(data), ...known } };
  const { brought } = broughtBy(answer);
  return { unreadable: true, ...(brought && { brought: { ...brought, ...known } }) };
}

/** The workspace, or the organization that has it for all of its workspaces. */
function installedIn({ json }: Answer): string | undefined {
  const { data } = installed.safeParse(json);
  return (data?.is_enterprise_install ? data.enterprise : data?.team)?.id;
}

const unverified =
  'Slack wants your e-mail address confirmed first, by the mail it sent. Then connect again.';

/** Seconds, as in https://docs.slack.dev/apis/web-api/rate-limits */
function waitOf({ headers }: Answer): number | undefined {
  const seconds = Number(headers.get('retry-after'));
  return seconds >= 1 && seconds <= 86_400 ? Math.ceil(seconds) : undefined;
}
