import * as z from 'zod';
import {
  type Answer,
  bearer,
  type Finding,
  getJson,
  type HttpRequest,
  type Provider,
  postForm,
  type RefreshGrant,
  readTokenResponse,
  type TokenResult,
} from './provider.ts';

const version = 'v26.0';
const graph = `https://graph.facebook.com/${version}`;

/** Seconds since 1970; 0 is never, and so is what can be no time. */
const time = z.number().int().min(0).max(253_402_300_799).catch(0);

/** Of a token that cannot be read at all, only `is_valid` is told. */
const inspected = z.object({
  data: z.object({
    is_valid: z.boolean(),
    app_id: z.string().optional(),
    user_id: z.string().optional(),
    expires_at: time,
    data_access_expires_at: time,
  }),
});
const permissions = z.object({ data: z.array(z.object({ permission: z.string(), status: z.string() })) });
const me = z.object({ id: z.string().min(1), name: z.string().nullish() });
const success = z.object({ success: z.literal(true) });

/** https://developers.facebook.com/docs/graph-api/guides/error-handling */
const transient = z.boolean().catch(false);
const error = z.object({
  code: z.number().int(),
  error_subcode: z.number().int().optional().catch(undefined),
  message: z.string().catch(''),
  is_transient: transient,
});
type GraphError = z.infer<typeof error>;

/** Of the app, the account or the business: https://developers.facebook.com/docs/marketing-api/overview/rate-limiting */
const throttled = ({ code }: GraphError) =>
  [4, 17, 32, 341, 613].includes(code) || (code >= 80_000 && code <= 80_014);
/** Our app is refused: by its id, for what it may do, or in words alone, with a code that else blames the person. */
const ofOurApp = ({ code, message }: GraphError) => code === 101 || code === 3 || appRefused.test(message);
const appRefused =
  /Error validating (application|client secret)|API access (blocked|deactivated)|appsecret_proof/i;
/** 190 is a token that has ended, 102 a session that has. */
const ended = (error: GraphError) => (error.code === 190 || error.code === 102) && !ofOurApp(error);

/** Of an account that our app has nothing of: nobody there has given it anything, or they have taken all of it back. */
const isNobodys = ({ code, error_subcode }: GraphError) => code === 100 && error_subcode === 33;

const MONTH = 30 * 86_400;

/** https://developers.facebook.com/documentation/facebook-login/guides/advanced/manual-flow */
export const meta = {
  id: 'meta',
  name: 'Meta Ads',
  category: 'advertising',
  docs: 'https://developers.facebook.com/documentation/ads-commerce/marketing-api',
  hosts: () => ['graph.facebook.com'],
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
    grant: { of: 'account', anotherSignIn: 'adds' },
    *exchange({ client, code, redirectUri }) {
      const first = tokens(
        yield postForm(`${graph}/oauth/access_token`, {
          client_id: client.id,
          client_secret: client.secret,
          redirect_uri: redirectUri,
          code,
        }),
      );
      if (!('tokens' in first) || (first.tokens.expiresIn ?? MONTH) >= MONTH) return first;
      try {
        const second = yield* longLived({ client, token: first.tokens.accessToken });
        return 'tokens' in second ? second : { ...second, brought: second.brought ?? first.tokens };
      } catch {
        // No answer came, and the first one lives.
        return { error: 'no_long_lived_token', brought: first.tokens };
      }
    },
    // There are no refresh tokens: a token that still lives is exchanged for one that may live longer.
    // Daily, and soon enough that an end is known within a day.
    refresh: { request: longLived, reuse: 'always', everySeconds: 82_800, dead: ['invalid_grant'] },
    clientErrors: ['invalid_client', 'redirect_uri_mismatch'],
    // Whoever may manage ads may read them.
    covers: (granted, asked) => granted.includes(asked) || granted.includes('ads_management'),
  },
  *probe({ credential, client }) {
    // /me would take any app's token.
    const query = new URLSearchParams({
      input_token: credential,
      access_token: `${client.id}|${client.secret}`,
    });
    const inspection = yield getJson(`${graph}/debug_token?${query}`);
    const token = inspected.safeParse(inspection.json).data?.data;
    if (inspection.status !== 200 || !token) return failed(inspection, 'app');
    if (!token.is_valid || token.app_id !== client.id) return { finding: 'refused', detail: over };

    const who = yield getJson(`${graph}/me?fields=id,name`, bearer(credential));
    const person = me.safeParse(who.json).data;
    if (who.status !== 200 || !person) return failed(who, 'person');
    if (person.id !== token.user_id) return undefined;
    const answer = yield getJson(`${graph}/me/permissions`, bearer(credential));
    const { data } = permissions.safeParse(answer.json);
    if (answer.status !== 200 || !data) return failed(answer, 'person');
    // 90 days without the person, and the token lives on but reads nothing: https://developers.facebook.com/documentation/facebook-login/auth-vs-data
    const having = (status: string) =>
      data.data.filter((each) => each.status === status).map(({ permission }) => permission);
    if (having('expired').includes('ads_read')) return { finding: 'refused', detail: over };
    const ends = [token.expires_at, token.data_access_expires_at].filter((end) => end > 0);
    return {
      finding: 'works',
      account: { id: person.id, name: person.name ?? null },
      scopes: having('granted'),
      ...(ends.length > 0 && { endsAt: new Date(Math.min(...ends) * 1000) }),
    };
  },
  // Takes the app's permissions back, and with them every token of the user: https://developers.facebook.com/docs/facebook-login/guides/permissions/request-revoke
  revocation: {
    grant: {
      request: ({ credential }) => takeBack('me', credential),
      ended: (answer) => isOver(answer, ended),
      // A token that a new password or its time has ended says nothing of what the person gave.
      byApp: {
        request: ({ client, pinned = '' }) =>
          takeBack(encodeURIComponent(pinned), `${client.id}|${client.secret}`),
        ended: (answer) => isOver(answer, isNobodys),
      },
    },
  },
  tools: ['reeve_ads'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

const over =
  'Meta does not accept this sign-in any more: access was removed, the password was changed, or it was too long ago. Connect Meta Ads again.';
const lacking =
  'Meta does not let this sign-in do what is needed. Connect Meta Ads again, and leave every permission ticked.';

function takeBack(user: string, token: string): HttpRequest {
  return { ...getJson(`${graph}/${user}/permissions`, bearer(token)), method: 'DELETE' };
}

function isOver(answer: Answer, saysSo: (error: GraphError) => boolean): boolean {
  const error = errorOf(answer);
  return error ? saysSo(error) : success.safeParse(answer.json).success;
}

/** https://developers.facebook.com/documentation/facebook-login/guides/access-tokens/get-long-lived */
function* longLived({ client, token }: Pick<RefreshGrant, 'client' | 'token'>) {
  return tokens(
    yield postForm(`${graph}/oauth/access_token`, {
      grant_type: 'fb_exchange_token',
      client_id: client.id,
      client_secret: client.secret,
      fb_exchange_token: token,
    }),
  );
}

/** What else is wrong with a code or a parameter is no end of a token. */
function tokens(answer: Answer): TokenResult {
  const error = errorOf(answer);
  if (!error) return readTokenResponse(answer);
  if (throttled(error)) return { limited: regained(answer) };
  if (ofOurApp(error)) return { error: 'invalid_client' };
  if (error.code === 191 || error.message.includes('redirect_uri')) return { error: 'redirect_uri_mismatch' };
  return { error: ended(error) ? 'invalid_grant' : `code_${error.code}` };
}

const errorOf = ({ json }: Answer) => z.object({ error }).safeParse(json).data?.error;

/** What the app asks fails for what is wrong with the app: of a token in question, the data tell. */
function failed(answer: Answer, asker: 'app' | 'person'): Finding | undefined {
  const error = errorOf(answer);
  if (error && throttled(error)) {
    const retryAfter = regained(answer);
    return { finding: 'limited', ...(retryAfter !== undefined && { retryAfter }) };
  }
  if (!error || error.is_transient || error.code === 1 || error.code === 2) return undefined;
  if (/did not match the viewing app/i.test(error.message)) return { finding: 'refused', detail: over };
  if (asker === 'app' || ofOurApp(error)) return { finding: 'client_refused', reason: `code ${error.code}` };
  if (ended(error)) return { finding: 'refused', detail: over };
  const notPermitted = error.code === 10 || (error.code >= 200 && error.code < 300);
  return notPermitted ? { finding: 'insufficient', detail: lacking } : undefined;
}

/** Seconds to wait. Meta sends no Retry-After; the usage of a business's allowance has minutes. */
function regained({ headers }: Answer): number | undefined {
  const usage = headers.get('x-business-use-case-usage') ?? '';
  const found = [...usage.matchAll(/"estimated_time_to_regain_access":\s*(\d{1,4})\b/g)];
  return Math.max(0, ...found.map(([, minutes]) => Number(minutes))) * 60 || undefined;
}
