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

const userinfo = z.object({
  sub: z.string().min(1),
  email: z.string().nullish(),
  name: z.string().nullish(),
});

/** https://developers.google.com/google-ads/api/docs/best-practices/error-types */
const adsError = z.object({
  error: z.object({
    status: z.string().optional(),
    details: z
      .array(
        z.object({
          reason: z.string().optional(),
          errors: z
            .array(
              z.object({
                errorCode: z.record(z.string(), z.string()).optional(),
                details: z
                  .object({ quotaErrorDetails: z.object({ retryDelay: z.string().optional() }).optional() })
                  .optional(),
              }),
            )
            .optional(),
        }),
      )
      .optional(),
  }),
});

/** https://developers.google.com/identity/protocols/oauth2/web-server and https://developers.google.com/google-ads/api/docs/oauth/overview */
export const googleAds = {
  id: 'google_ads',
  name: 'Google Ads',
  category: 'advertising',
  docs: 'https://developers.google.com/google-ads/api/docs/start',
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
    *exchange({ client, code, codeVerifier, redirectUri }) {
      const result = readTokenResponse(
        yield postForm(tokenEndpoint, {
          grant_type: 'authorization_code',
          client_id: client.id,
          client_secret: client.secret,
          code,
          code_verifier: codeVerifier,
          redirect_uri: redirectUri,
        }),
      );
      return 'tokens' in result && result.tokens.refreshToken === undefined
        ? { error: 'no_refresh_token' }
        : result;
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
    clientErrors: ['invalid_client', 'unauthorized_client', 'org_internal'],
  },
  *probe({ credential, client }) {
    const answer = yield getJson(
      `https://googleads.googleapis.com/${version}/customers:listAccessibleCustomers`,
      { ...bearer(credential), ...developerToken(client) },
    );
    if (answer.status !== 200) return failed(answer);
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
 * Apps that have one keep sending it; since 2026-09-09 no new ones are made, and the client's project decides:
 * https://developers.google.com/google-ads/api/docs/api-policy/developer-token
 */
function developerToken({ settings }: OAuthClient): Record<string, string> {
  return settings.DEVELOPER_TOKEN === undefined ? {} : { 'developer-token': settings.DEVELOPER_TOKEN };
}

function failed({ status, json }: Answer): Finding | undefined {
  const error = adsError.safeParse(json).data?.error;
  if (!error) return undefined;
  const details = error.details ?? [];
  const failures = details.flatMap((each) => each.errors ?? []);
  const codes = failures.flatMap((each) => Object.values(each.errorCode ?? {}));
  const says = (...known: string[]) => known.some((code) => codes.includes(code));
  if (
    codes.some((code) => code.startsWith('DEVELOPER_TOKEN_')) ||
    says('PROJECT_DISABLED', 'MISSING_TOS', 'CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION')
  ) {
    return { finding: 'client_refused', reason: codes.join(' ').toLowerCase() };
  }
  if (status === 429) {
    const delays = failures.map((each) => each.details?.quotaErrorDetails?.retryDelay);
    return { finding: 'limited', ...retryAfter(delays.find(Boolean)) };
  }
  if (says('NOT_ADS_USER')) {
    return {
      finding: 'insufficient',
      detail:
        'This Google account has no access to any Google Ads account. Sign in with the account that you open Google Ads with.',
    };
  }
  if (says('TWO_STEP_VERIFICATION_NOT_ENROLLED', 'ADVANCED_PROTECTION_NOT_ENROLLED')) {
    return {
      finding: 'insufficient',
      detail:
        'Google Ads lets in only accounts with 2-Step Verification. Turn it on at myaccount.google.com/security, then connect again.',
    };
  }
  if (details.some(({ reason }) => reason === 'ACCESS_TOKEN_SCOPE_INSUFFICIENT')) {
    return {
      finding: 'insufficient',
      detail: 'Access to Google Ads was left unticked. Connect again, and tick it on Google’s page.',
    };
  }
  return undefined;
}

/** Google sends no Retry-After; the delay stands in the error, as in `30s`. */
function retryAfter(delay: string | undefined): { retryAfter?: number } {
  const seconds = /^(\d{1,5})(?:\.\d+)?s$/.exec(delay ?? '')?.[1];
  return seconds === undefined ? {} : { retryAfter: Number(seconds) };
}
