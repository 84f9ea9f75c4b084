import * as z from 'zod';
import {
  type Answer,
  bearer,
  type Finding,
  getJson,
  type OAuthClient,
  type Provider,
  postForm,
  readTokenResponse,
  tokenError,
} from './provider.ts';

/** Lives about a year; one that is over answers a page, not JSON. */
const version = 'v25';

const tokenEndpoint = 'https://oauth2.googleapis.com/token';
const adwords = 'https://www.googleapis.com/auth/adwords';

/** An empty list is left out. */
const accessible = z.object({ resourceNames: z.array(z.string()).default([]) });
const identified = z.object({ id_token: z.string() });
const userinfo = z.object({
  sub: z.string().min(1),
  email: z.string().nullish(),
  name: z.string().nullish(),
});

/** https://developers.google.com/google-ads/api/docs/best-practices/error-types; what is of another form counts as absent. */
const failure = z.object({
  errorCode: z.record(z.string(), z.string()).catch({}),
  details: z
    .object({ quotaErrorDetails: z.object({ retryDelay: z.string() }) })
    .nullish()
    .catch(null),
});
const detail = z.object({ reason: z.string().catch(''), errors: z.array(failure).catch([]) });
const adsError = z.object({ error: z.object({ details: z.array(detail).catch([]) }) });

/**
 * Our project or developer token is refused, whoever signs in: errors of the API (…/reference/rpc/v25, Authentication-,
 * Authorization- and RequestError), and reasons that stand before every API of Google's (google.api.ErrorReason).
 */
const ofOurProject =
  /^((DEVELOPER_TOKEN|CLOUD_PROJECT|ORGANIZATION|CONSUMER)_[A-Z_]{1,60}|PROJECT_DISABLED|MISSING_TOS|UNSUPPORTED_VERSION|SERVICE_DISABLED|BILLING_DISABLED|USER_PROJECT_DENIED|GCP_SUSPENDED)$/;

/** https://developers.google.com/identity/protocols/oauth2/web-server and https://developers.google.com/google-ads/api/docs/oauth/overview */
export const googleAds = {
  id: 'google_ads',
  name: 'Google Ads',
  category: 'advertising',
  docs: 'https://developers.google.com/google-ads/api/docs/start',
  hosts: () => ['oauth2.googleapis.com', 'openidconnect.googleapis.com', 'googleads.googleapis.com'],
  config: [],
  auth: {
    type: 'oauth',
    authorizationEndpoint: () => 'https://accounts.google.com/o/oauth2/v2/auth',
    // Without both there is no refresh token, and the connection lives an hour.
    authorizationParameters: (standard) => ({ ...standard, access_type: 'offline', prompt: 'consent' }),
    issuer: 'https://accounts.google.com',
    // The first two name the Google account, which is what a grant is of.
    scopes: ['openid', 'https://www.googleapis.com/auth/userinfo.email', adwords],
    scopeSeparator: ' ',
    pkce: true,
    // https://developers.google.com/identity/protocols/oauth2#expiration: a hundred refresh tokens an account and client.
    // https://developers.google.com/identity/protocols/CrossClientAuth: consent given to one client holds for the project's
    // others. That it ends for all of them is not said there, and is taken for so: nobody living is ended if it is not.
    grant: { of: 'account', anotherSignIn: 'adds', atMost: 100, spansClients: true },
    *exchange({ client, code, codeVerifier, redirectUri }) {
      const answer = yield postForm(tokenEndpoint, {
        grant_type: 'authorization_code',
        client_id: client.id,
        client_secret: client.secret,
        code,
        code_verifier: codeVerifier,
        redirect_uri: redirectUri,
      });
      const result = readTokenResponse(answer);
      const account = subjectOf(answer);
      const known = account === undefined ? {} : { account };
      if (!('tokens' in result)) {
        return result.brought ? { ...result, brought: { ...result.brought, ...known } } : result;
      }
      const tokens = { ...result.tokens, ...known };
      return tokens.refreshToken === undefined ? { error: 'no_refresh_token', brought: tokens } : { tokens };
    },
    refresh: {
      *request({ client, token }) {
        return readTokenResponse(
          yield postForm(tokenEndpoint, {
            grant_type: 'refresh_token',
            client_id: client.id,
            client_secret: client.secret,
            refresh_token: token,
          }),
        );
      },
      reuse: 'always',
      dead: ['invalid_grant'],
    },
    clientErrors: [
      'invalid_client',
      'deleted_client',
      'disabled_client',
      'unauthorized_client',
      'org_internal',
      'redirect_uri_mismatch',
    ],
  },
  *probe({ credential, client }) {
    const answer = yield getJson(
      `https://googleads.googleapis.com/${version}/customers:listAccessibleCustomers`,
      { ...bearer(credential), ...developerToken(client) },
    );
    const customers = accessible.safeParse(answer.json).data?.resourceNames;
    if (answer.status !== 200 || !customers) return failed(answer);
    if (customers.length === 0) return { finding: 'insufficient', detail: noAccount };
    const who = yield getJson('https://openidconnect.googleapis.com/v1/userinfo', bearer(credential));
    const body = userinfo.safeParse(who.json);
    if (who.status !== 200 || !body.success) return undefined;
    return {
      finding: 'works',
      account: { id: body.data.sub, name: body.data.email ?? body.data.name ?? null },
    };
  },
  revocation: {
    grant: {
      // https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke; any of a grant's tokens ends it.
      tokenTypeHint: 'refresh_token',
      request: ({ credential }) => postForm('https://oauth2.googleapis.com/revoke', { token: credential }),
      ended: ({ status, json }) =>
        status === 200 || (status === 400 && tokenError.safeParse(json).data?.error === 'invalid_token'),
    },
  },
  tools: ['reeve_ads'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

/**
 * Whose sign-in it was, as the ID token tells (OpenID Connect Core section 2). It came from the token endpoint itself,
 * which stands for it as its signature would (section 3.1.3.7).
 */
function subjectOf({ json }: Answer): string | undefined {
  const payload = identified.safeParse(json).data?.id_token.split('.')[1] ?? '';
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (each) =>
      each.charCodeAt(0),
    );
    return userinfo.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data?.sub;
  } catch {
    return undefined;
  }
}

/**
 * Apps that have one keep sending it; since 2026-09-09 no new ones are made, and the client's project decides:
 * https://developers.google.com/google-ads/api/docs/api-policy/developer-token
 */
function developerToken({ settings }: OAuthClient): Record<string, string> {
  return settings.DEVELOPER_TOKEN === undefined ? {} : { 'developer-token': settings.DEVELOPER_TOKEN };
}

const over =
  'Google does not accept this sign-in any more: access was removed, or the Google account was changed or deleted. Connect Google Ads again.';
const noAccount =
  'This Google account has no access to any Google Ads account. Sign in with the account that you open Google Ads with.';
const unticked = 'Access to Google Ads was left unticked. Connect again, and tick it on Google’s page.';
const unprotected = (what: string) =>
  `Whoever runs the Google Ads account lets in only Google accounts with ${what}. Turn it on at myaccount.google.com/security, then connect again.`;

function failed({ status, json }: Answer): Finding | undefined {
  // A page, not JSON, says that there is no such version any more.
  if (status === 404) return { finding: 'client_refused', reason: `no ${version}` };
  const details = adsError.safeParse(json).data?.error.details;
  if (!details) return undefined;
  const failures = details.flatMap(({ errors }) => errors);
  const codes = [
    ...failures.flatMap((each) => Object.values(each.errorCode)),
    ...details.map((each) => each.reason),
  ];
  const ours = codes.find((code) => ofOurProject.test(code));
  if (ours !== undefined) return { finding: 'client_refused', reason: ours.toLowerCase() };
  if (status === 429) {
    const [delay] = failures.flatMap((each) => each.details?.quotaErrorDetails.retryDelay ?? []);
    return { finding: 'limited', ...retryAfter(delay) };
  }
  const insufficient = (detail: string): Finding => ({ finding: 'insufficient', detail });
  if (codes.includes('NOT_ADS_USER')) return insufficient(noAccount);
  if (codes.includes('TWO_STEP_VERIFICATION_NOT_ENROLLED'))
    return insufficient(unprotected('2-Step Verification'));
  if (codes.includes('ADVANCED_PROTECTION_NOT_ENROLLED'))
    return insufficient(unprotected('Advanced Protection'));
  if (codes.includes('ACCESS_TOKEN_SCOPE_INSUFFICIENT')) return insufficient(unticked);
  return status === 401 ? { finding: 'refused', detail: over } : undefined;
}

/** Google sends no Retry-After; the delay stands in the error, as in `30s`. */
function retryAfter(delay: string | undefined): { retryAfter?: number } {
  const seconds = /^(\d{1,6}(?:\.\d+)?)s$/.exec(delay ?? '')?.[1];
  return seconds === undefined ? {} : { retryAfter: Math.ceil(Number(seconds)) };
}
