import type { Context } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { LOGINS } from './advertisers.ts';
import { type Answers, readBody, readQuery } from './answers.ts';
import type { TokenBook, TokenRecord } from './tokens.ts';

const exchangeBody = z.strictObject({
  app_id: z.string(),
  secret: z.string(),
  auth_code: z.string(),
  // In no table of TikTok's, but several clients send it and nothing comes of it.
  grant_type: z.literal('authorization_code').optional(),
});
const revokeBody = z.strictObject({ app_id: z.string(), secret: z.string(), access_token: z.string() });
const appQuery = z.strictObject({ app_id: z.string(), secret: z.string() });

/** The record of the caller's token, or the refusal. `Authorization` is not looked at. */
export function caller(c: Context, tokens: TokenBook, { refuse }: Answers): TokenRecord | Response {
  const token = c.req.header('access-token');
  if (!token) return refuse(40104);
  return tokens.find(token) ?? refuse(40105);
}

/** Read Ad Account Information, or what it is a part of (portal/docs?id=1753986142651394). */
export const READ_ACCOUNTS = [1, 10, 100];

/** The numbers of the permissions the developer's app has; a person does not choose among them. */
export const scopesOf = ({ store }: SimulatorContext) =>
  store.get<number[]>('settings.scope') ?? [1, 2, 4, 44];

/** /oauth2/… of the Marketing API (portal/docs?id=1738373141733378, AuthenticationApi.md of the SDK). */
export function oauthHandlers(context: SimulatorContext, tokens: TokenBook, answers: Answers) {
  const { client } = context;
  const { ok, refuse } = answers;
  const idsOf = (login: string) => (LOGINS.get(login) ?? []).map(({ id }) => id);
  const isApp = (app: { app_id: string; secret: string }) =>
    app.app_id === client.id && app.secret === client.secret;

  return {
    async accessToken(c: Context): Promise<Response> {
      const body = await readBody(c, exchangeBody);
      if ('wrong' in body) return refuse(40002, body.wrong);
      if (!isApp(body.value)) return refuse(40113);
      const login = tokens.redeem(body.value.auth_code);
      if (login === undefined) return refuse(40110);
      const { token } = tokens.issue(login);
      return ok({ access_token: token, advertiser_ids: idsOf(login), scope: scopesOf(context) });
    },

    advertisers(c: Context): Response {
      // An empty header is told before a wrong parameter; which of the two comes first is not documented.
      const record = caller(c, tokens, answers);
      if (record instanceof Response) return record;
      const query = readQuery(c, appQuery);
      if ('wrong' in query) return refuse(40002, query.wrong);
      if (!isApp(query.value)) return refuse(40113);
      if (!READ_ACCOUNTS.some((scope) => scopesOf(context).includes(scope))) return refuse(40001);
      const list = (LOGINS.get(record.login) ?? []).map(({ id, name }) => ({
        advertiser_id: id,
        advertiser_name: name,
      }));
      return ok({ list });
    },

    async revokeToken(c: Context): Promise<Response> {
      const body = await readBody(c, revokeBody);
      if ('wrong' in body) return refuse(40002, body.wrong);
      if (!isApp(body.value)) return refuse(40113);
      const header = c.req.header('access-token');
      // The header is not in the table of this call; if it is there, it must not say something else.
      if (header !== undefined && header !== body.value.access_token) return refuse(40101);
      const record = tokens.find(body.value.access_token);
      if (!record) return refuse(40105);
      tokens.revoke(record);
      return ok({ app_id: client.id, advertiser_ids: idsOf(record.login) });
    },
  };
}
