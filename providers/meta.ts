import * as z from 'zod';
import {
  type Answer,
  bearer,
  type Finding,
  getJson,
  type Provider,
  postForm,
  readTokenResponse,
  type TokenResult,
} from './provider.ts';

const version = 'v26.0';
const graph = `https://graph.facebook.com/${version}`;

const inspected = z.object({
  data: z.object({
    app_id: z.string(),
    is_valid: z.boolean(),
    user_id: z.string().min(1),
    scopes: z.array(z.string()),
    // Seconds since 1970; 0 is never.
    expires_at: z.number().int().nonnegative().optional(),
    data_access_expires_at: z.number().int().nonnegative().optional(),
  }),
});
const me = z.object({ id: z.string().min(1), name: z.string().nullish() });

/** https://developers.facebook.com/docs/graph-api/guides/error-handling */
const graphError = z.object({ error: z.object({ code: z.number().int(), message: z.string().optional() }) });

/** Of the app, the account or the business: https://developers.facebook.com/docs/marketing-api/overview/rate-limiting */
const throttled = (code: number) =>
  [4, 17, 32, 341, 613].includes(code) || (code >= 80_000 && code <= 80_014);
/** 190 is a token that has ended, 102 a session that has. */
const ended = (code: number) => code === 190 || code === 102;
const notPermitted = (code: number) => code === 10 || (code >= 200 && code < 300);

const MONTH = 30 * 86_400;

/** https://developers.facebook.com/documentation/facebook-login/guides/advanced/manual-flow */
export const meta = {
  id: 'meta',
  name: 'Meta Ads',
  category: 'advertising',
  docs: 'https://developers.facebook.com/documentation/ads-commerce/marketing-api',
  config: [],
  auth: {
    type: 'oauth',
    authorizationEndpoint: () => `https://www.facebook.com/${version}/dialog/oauth`,
    // A permission that was once left unticked is not asked for again without this.
    authorizationParameters: (standard) => ({ ...standard, auth_type: 'rerequest' }),
    scopes: ['ads_read'],
    scopeSeparator: ',',
    // Documented for OpenID Connect alone, as a test.
    pkce: false,
    *exchange({ client, code, redirectUri }) {
      const first = tokens(
        yield postForm(`${graph}/oauth/access_token`, {
          client_id: client.id,
          client_secret: client.secret,
          redirect_uri: redirectUri,
          code,
        }),
      );
      const lasts = !('tokens' in first) || (first.tokens.expiresIn ?? MONTH) >= MONTH;
      return lasts ? first : yield* longLived(client, first.tokens.accessToken);
    },
    // There are no refresh tokens: a token that still lives is exchanged for one that may live longer.
    refresh: {
      *request({ client, token }) {
        return yield* longLived(client, token);
      },
      reuse: 'always',
      dead: ['invalid_grant'],
    },
    clientErrors: ['invalid_client'],
    // Whoever may manage ads may read them.
    covers: (granted, asked) => granted.includes(asked) || granted.includes('ads_management'),
  },
  *probe({ credential, client }) {
    // /me would take any app's token.
    const debug = new URLSearchParams({
      input_token: credential,
      access_token: `${client.id}|${client.secret}`,
    });
    const inspection = yield getJson(`${graph}/debug_token?${debug}`);
    const token = inspected.safeParse(inspection.json).data?.data;
    if (inspection.status !== 200 || !token) {
      const code = codeOf(inspection) ?? 0;
      if (ended(code)) return { finding: 'client_refused', reason: 'app access token refused' };
      // A token of another app is a bad parameter.
      return code === 100 ? { finding: 'refused', detail: over } : failed(inspection);
    }
    if (!token.is_valid || token.app_id !== client.id) return { finding: 'refused', detail: over };

    const answer = yield getJson(`${graph}/me?fields=id,name`, bearer(credential));
    const body = me.safeParse(answer.json);
    if (answer.status !== 200 || !body.success) return failed(answer);
    if (body.data.id !== token.user_id) return undefined;
    const ends = [token.expires_at, token.data_access_expires_at].filter((time) => time);
    return {
      finding: 'works',
      account: { id: body.data.id, name: body.data.name ?? null },
      scopes: token.scopes,
      ...(ends.length > 0 && { endsAt: new Date(Math.min(...ends.map(Number)) * 1000) }),
    };
  },
  // Takes the app's permissions back, and with them every token of the user: https://developers.facebook.com/docs/facebook-login/guides/permissions/request-revoke
  revocation: {
    grant: {
      request: ({ credential }) => ({
        method: 'DELETE',
        url: `${graph}/me/permissions`,
        headers: { accept: 'application/json', ...bearer(credential) },
      }),
      ended: (answer) => answer.status === 200 || ended(codeOf(answer) ?? 0),
    },
  },
  tools: ['reeve_ads'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

const over =
  'Meta does not accept this sign-in any more: access was removed, the password was changed, or it was too long ago. Connect Meta Ads again.';

/** https://developers.facebook.com/documentation/facebook-login/guides/access-tokens/get-long-lived */
function* longLived(client: { id: string; secret: string }, token: string) {
  const query = new URLSearchParams({
    grant_type: 'fb_exchange_token',
    client_id: client.id,
    client_secret: client.secret,
    fb_exchange_token: token,
  });
  return tokens(yield getJson(`${graph}/oauth/access_token?${query}`));
}

function tokens(answer: Answer): TokenResult {
  const error = graphError.safeParse(answer.json).data?.error;
  if (!error) return readTokenResponse(answer);
  if (throttled(error.code)) return { limited: undefined };
  // 100 is a code or parameter that is not good (36009: used before).
  if (ended(error.code) || error.code === 100) return { error: 'invalid_grant' };
  const ours = error.code === 101 || (error.code === 1 && /client secret/i.test(error.message ?? ''));
  return { error: ours ? 'invalid_client' : `code_${error.code}` };
}

function codeOf({ json }: Answer): number | undefined {
  return graphError.safeParse(json).data?.error.code;
}

/** Statuses say little: throttling, a dead token and a fault of Meta's are all 400. */
function failed(answer: Answer): Finding | undefined {
  const code = codeOf(answer) ?? 0;
  if (throttled(code)) return { finding: 'limited' };
  if (ended(code)) return { finding: 'refused', detail: over };
  return notPermitted(code) ? { finding: 'insufficient' } : undefined;
}
