import * as z from 'zod';
import { type Answer, broughtBy, getJson, type Provider, postJson, type TokenResult } from './provider.ts';

const api = 'https://business-api.tiktok.com/open_api/v1.3';

/** Every answer is HTTP 200; 0 is success. */
const envelope = z.object({ code: z.number().int(), data: z.unknown() });
const inner = z.object({ data: z.unknown() });
const granted = z.object({
  access_token: z.string().min(1),
  scope: z
    .array(z.union([z.number(), z.string()]).transform(String))
    .optional()
    .catch(undefined),
});
const id = z
  .union([z.string(), z.number().int()])
  .transform(String)
  .pipe(z.string().regex(/^\d{1,20}$/));
const advertisers = z.object({
  list: z.array(z.object({ advertiser_id: id, advertiser_name: z.string().nullish() })),
});

// Return codes: https://business-api.tiktok.com/portal/docs?id=1737172488964097
/** The app as such, the developer behind it, its secret, or the address we call from. */
const ours = [40_113, 40_118, 40_124, 40_125, 41_000];
/** The app and its secret do not match; where a code is exchanged, it is said of a wrong code, too. */
const mismatch = 40_101;
const limited = [40_016, 40_100, 40_132, 40_133];
/** Expired, or wrong and revoked. */
const over = [40_102, 40_105];
/** Of a code: used, cancelled, or too old. */
const spent = [40_110, 40_115];

/** https://business-api.tiktok.com/portal/docs (authorization, doc ids 1738373164380162 and 1738373141733378) */
export const tiktok = {
  id: 'tiktok',
  name: 'TikTok Ads',
  category: 'advertising',
  docs: 'https://business-api.tiktok.com/portal/docs',
  hosts: () => ['business-api.tiktok.com'],
  config: [],
  auth: {
    type: 'oauth',
    authorizationEndpoint: () => 'https://business-api.tiktok.com/portal/auth',
    // No OAuth in its parameters: the app's permissions are chosen in the developer portal.
    authorizationParameters: ({ client_id = '', redirect_uri = '', state = '' }) => ({
      app_id: client_id,
      redirect_uri,
      state,
    }),
    codeParameter: 'auth_code',
    // What a cancelled authorization sends is not documented; an error is read where there is one.
    deniesWithoutCode: true,
    // Read Ad Account Information, Read Campaigns, Consolidated Report:
    // https://business-api.tiktok.com/portal/docs?id=1753986142651394
    scopes: ['100', '200', '44'],
    scopeSeparator: ',',
    pkce: false,
    // Revoking ends one token. Whether another sign-in brings the same one or another beside it is not documented.
    grant: { of: 'token', anotherSignIn: 'adds' },
    *exchange({ client, code }) {
      return tokens(
        yield postJson(`${api}/oauth2/access_token/`, {
          app_id: client.id,
          secret: client.secret,
          auth_code: code,
        }),
      );
    },
    clientErrors: ['invalid_client'],
    // Numbers make a tree, each with its parent's in front: 4, Reporting, includes 44.
    covers: (scopes, asked) => scopes.some((scope) => scope !== '' && asked.startsWith(scope)),
  },
  *probe({ credential, client, pinned }) {
    // The documented call takes the app's secret in the query.
    const query = new URLSearchParams({ app_id: client.id, secret: client.secret });
    const answer = yield getJson(`${api}/oauth2/advertiser/get/?${query}`, { 'access-token': credential });
    const code = codeOf(answer);
    if (code !== 0) {
      if (code === undefined) return undefined;
      if (over.includes(code)) return { finding: 'refused', detail: ended };
      if (limited.includes(code)) return { finding: 'limited' };
      if ([...ours, mismatch].includes(code)) return { finding: 'client_refused', reason: `code ${code}` };
      return code === 40_001 ? { finding: 'insufficient', detail: blind } : undefined;
    }
    const list = advertisers.safeParse(envelope.parse(answer.json).data).data?.list;
    if (!list) return undefined;
    // A sign-in may reach several advertisers: the pinned one stays, else the oldest is taken.
    const sorted = list.toSorted((a, b) => (BigInt(a.advertiser_id) < BigInt(b.advertiser_id) ? -1 : 1));
    const found = sorted.find((each) => each.advertiser_id === pinned) ?? sorted[0];
    if (!found) return { finding: 'insufficient', detail: nobody };
    return { finding: 'works', account: { id: found.advertiser_id, name: found.advertiser_name ?? null } };
  },
  revocation: {
    grant: {
      request: ({ credential, client }) =>
        postJson(
          `${api}/oauth2/revoke_token/`,
          { app_id: client.id, secret: client.secret, access_token: credential },
          { 'access-token': credential },
        ),
      ended: (answer) => [0, ...over].includes(codeOf(answer) ?? -1),
      endedBefore: (answer) => codeOf(answer) !== 0,
    },
  },
  tools: ['reeve_ads'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

const ended =
  'TikTok does not accept this sign-in any more: the advertiser has removed the access. Connect TikTok Ads again.';
const blind =
  'This TikTok sign-in may not read which advertiser accounts it reaches. Connect again, and allow all that Reeve asks for.';
const nobody =
  'This TikTok sign-in reaches no advertiser account. Connect again, and choose an advertiser on TikTok’s page.';

function codeOf({ json }: Answer): number | undefined {
  return envelope.safeParse(json).data?.code;
}

/** The token has no end of its own, and no refresh token beside it. */
function tokens(answer: Answer): TokenResult {
  const body = envelope.safeParse(answer.json).data;
  const { brought } = broughtBy({ json: inner.safeParse(answer.json).data?.data });
  if (!body) return { unreadable: true, ...(brought && { brought }) };
  if (limited.includes(body.code)) return { limited: undefined };
  if (ours.includes(body.code)) return { error: 'invalid_client' };
  if (spent.includes(body.code)) return { error: 'invalid_grant' };
  if (body.code !== 0) return { error: `code_${body.code}`, ...(brought && { brought }) };
  const { data } = granted.safeParse(body.data);
  if (!data) return { unreadable: true, ...(brought && { brought }) };
  return {
    tokens: { accessToken: data.access_token, ...(data.scope && { scopes: data.scope }) },
  };
}
