import type { Context } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { callerOf, living, tokenProblem } from './caller.ts';
import { GraphError, invalidParameter } from './errors.ts';
import { personNamed } from './fixtures.ts';
import { readQuery } from './nodes.ts';
import { type Book, grantedTo, LIFETIME, type TokenRecord } from './records.ts';

const credentials = {
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
  grant_type: z.string().optional(),
};
const codeRequest = z.strictObject({
  ...credentials,
  redirect_uri: z.string().optional(),
  code: z.string().optional(),
});
const exchangeRequest = z.strictObject({ ...credentials, fb_exchange_token: z.string().optional() });
const debugQuery = z.strictObject({ input_token: z.string().min(1) });

/**
 * /oauth/access_token: a code for a token (guides/advanced/manual-flow) and a living token for a long-lived
 * one (guides/access-tokens/get-long-lived). Both are documented as GET; POST takes the same as a form.
 */
export function accessToken(context: SimulatorContext, book: Book) {
  const { store, client, now } = context;
  const on = (name: string) => store.get<boolean>(`settings.${name}`) === true;

  function redeem(code: string, redirectUri: string): TokenRecord {
    const kept = book.takeCode(code);
    const bad = (message: string, subcode?: number) =>
      new GraphError({
        code: 100,
        message,
        challenge: 'invalid_code',
        ...(subcode !== undefined && { subcode }),
      });
    if (!kept) throw bad('Invalid verification code format.');
    if (kept.used) throw bad('This authorization code has been used.', 36009);
    if (now() - kept.issuedAt >= LIFETIME.code * 1000)
      throw bad('This authorization code has expired.', 36007);
    if (redirectUri !== kept.redirectUri) {
      const advice =
        'Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request';
      throw bad(`Error validating verification code. ${advice}`, 36008);
    }
    if (on('noExpiry')) return book.issue(kept.person, true, null);
    const longLived = on('longLivedAtOnce');
    return book.issue(kept.person, longLived, longLived ? LIFETIME.long : LIFETIME.short);
  }

  function prolong(token: string): TokenRecord {
    const record = living(book.token(token), now());
    if (record.app !== client.id) {
      throw new GraphError({
        code: 1,
        message: `The access token does not belong to application ${client.id}`,
      });
    }
    const grows = record.expiresAt !== null && on('exchangeExtends');
    return record.longLived && !grows ? record : book.issue(record.person, true, LIFETIME.long);
  }

  return async (c: Context) => {
    const given = await readParameters(c);
    const isExchange = given.grant_type === 'fb_exchange_token';
    const parsed = (isExchange ? exchangeRequest : codeRequest).safeParse(given);
    if (!parsed.success) throw invalidParameter(Object.keys(given).join(', '));
    if (given.client_id === undefined) {
      throw new GraphError({ code: 101, message: 'Missing client_id parameter.' });
    }
    if (given.client_id !== client.id) {
      throw new GraphError({
        code: 101,
        message: 'Error validating application. Invalid application ID.',
      });
    }
    if (given.client_secret !== client.secret) {
      throw new GraphError({
        code: 1,
        message: 'Error validating client secret.',
        challenge: 'invalid_client',
      });
    }
    if (!isExchange && ![undefined, 'authorization_code'].includes(given.grant_type)) {
      throw new GraphError({ code: 100, message: 'Invalid grant_type.' });
    }

    let record: TokenRecord;
    if (isExchange) {
      const token = given.fb_exchange_token;
      if (!token) throw new GraphError({ code: 1, message: 'fb_exchange_token parameter not specified' });
      record = prolong(token);
    } else {
      if (!given.redirect_uri)
        throw new GraphError({ code: 191, message: 'Missing redirect_uri parameter.' });
      if (!given.code) throw new GraphError({ code: 1, message: 'Missing authorization code' });
      record = redeem(given.code, given.redirect_uri);
    }
    const expiry =
      record.expiresAt === null ? {} : { expires_in: Math.floor((record.expiresAt - now()) / 1000) };
    return c.json({ access_token: record.token, token_type: 'bearer', ...expiry });
  };
}

/** A POST with a query besides, or with another body than a form, has parameters nobody asked for or none. */
async function readParameters(c: Context): Promise<Partial<Record<string, string>>> {
  let given = new URL(c.req.url).searchParams;
  if (c.req.method === 'POST') {
    if (given.size > 0) throw invalidParameter([...given.keys()].join(', '));
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(c.req.header('content-type') ?? '');
    given = new URLSearchParams(isForm ? await c.req.text() : '');
  }
  if (given.size !== new Set(given.keys()).size) throw invalidParameter('given twice');
  return Object.fromEntries(given);
}

/**
 * /debug_token (docs/graph-api/reference/debug_token); a dead token is no error of this call. By the docs
 * both tokens must be of one app; only with `settings.debugOwnAppOnly` is another's refused.
 */
export function debugToken(context: SimulatorContext, book: Book) {
  const { store, client, now } = context;
  return (c: Context) => {
    if (callerOf(c, context, book) !== 'app') {
      const message =
        '(#100) You must provide an app access token, or a user access token that is an owner or developer of the app';
      throw new GraphError({ code: 100, message });
    }
    const { input_token } = readQuery(c, debugQuery);
    const record = book.token(input_token);
    const problem = tokenProblem(record, now());
    const error = problem && {
      code: problem.code,
      message: problem.message,
      ...(problem.subcode !== undefined && { subcode: problem.subcode }),
    };
    if (!record) return c.json({ data: { error, is_valid: false, scopes: [] } });
    const own = record.app === client.id;
    if (!own && store.get<boolean>('settings.debugOwnAppOnly')) {
      const message = '(#100) The App_id in the input_token did not match the Viewing App';
      throw new GraphError({ code: 100, message });
    }
    const person = personNamed(record.person);
    const scopes = grantedTo(store, record);
    return c.json({
      data: {
        app_id: record.app,
        type: 'USER',
        application: own ? 'Reeve' : 'Another App',
        data_access_expires_at: seconds(book.dataAccessEnds(record.app, record.person)),
        ...(error && { error }),
        expires_at: record.expiresAt === null ? 0 : seconds(record.expiresAt),
        is_valid: !error,
        ...(record.longLived && { issued_at: seconds(record.issuedAt) }),
        scopes,
        granular_scopes: scopes
          .filter((scope) => /^(ads|business|pages)_/.test(scope))
          .map((scope) => ({ scope })),
        user_id: own ? person?.id : person?.elsewhere,
      },
    });
  };
}

const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);
