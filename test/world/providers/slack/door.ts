import type { Context } from 'hono';
import type { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { readArguments } from './arguments.ts';
import type { TokenBook, TokenRecord } from './tokens.ts';
import { type Site, siteOf } from './workspaces.ts';

export interface Caller {
  record: TokenRecord;
  site: Site;
}

/** The fields of a good answer, or the error. */
export type Answer = Record<string, unknown> | string;

/** A Web API method: what it takes, what it needs, what it does. */
export interface Method<T> {
  verbs: readonly ('GET' | 'POST')[];
  /** Whether it is one of those that take JSON. */
  json?: boolean;
  /** Whether it can be called with a refresh token. */
  refresh?: boolean;
  /** Its arguments; one that is not among them is refused here, and ignored by Slack. */
  arguments: z.ZodType<T>;
  scopes?: (given: T) => string[];
  answer(given: T, caller: Caller): Answer;
}

export type Handler = (c: Context) => Promise<Response>;

export function succeed(fields: Record<string, unknown>): Response {
  return reply({ ok: true, ...fields });
}

/** An error is HTTP 200 as well. */
export function fail(error: string, more: Record<string, unknown> = {}): Response {
  return reply({ ok: false, error, ...more });
}

function reply(body: unknown): Response {
  return new Response(JSON.stringify(body), {
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });
}

/** What stands before every method: `settings.retryAfter` and `settings.error`. */
export function trouble({ store }: SimulatorContext): Response | undefined {
  const seconds = store.get<number>('settings.retryAfter');
  if (seconds !== undefined) {
    const headers = { 'retry-after': String(seconds) };
    return Response.json({ ok: false, error: 'ratelimited' }, { status: 429, headers });
  }
  const error = store.get<string>('settings.error');
  return error === undefined ? undefined : fail(error);
}

export function method<T>(tokens: TokenBook, rule: Method<T>): Handler {
  return async (c) => {
    // Slack has no word for a wrong HTTP method.
    if (!rule.verbs.some((verb) => verb === c.req.method)) return new Response(null, { status: 405 });
    const given = await readArguments(c, rule.json === true);
    if (typeof given === 'string') return fail(given);
    const { token: inArguments, ...rest } = given;

    // The value is case-sensitive. Slack would take the token from a form too; here it may only be repeated
    // there, as the official client does. In a query no newer app may have it.
    const [, token] = /^Bearer (\S+)$/.exec(c.req.header('authorization') ?? '') ?? [];
    if (token === undefined) return fail('not_authed');
    if (inArguments !== undefined && (c.req.method === 'GET' || inArguments !== token))
      return fail('not_authed');
    const record = tokens.find(token);
    if (typeof record === 'string') return fail(record);
    const site = siteOf(record.site);
    if (!site || (record.refresh && !rule.refresh)) return fail('not_allowed_token_type');

    const parsed = rule.arguments.safeParse(rest);
    const needed = parsed.success ? (rule.scopes?.(parsed.data) ?? []) : [];
    const response = !parsed.success
      ? invalidArguments(parsed.error)
      : needed.every((scope) => record.scopes.includes(scope))
        ? answered(rule.answer(parsed.data, { record, site }))
        : missingScope(needed, record.scopes);
    response.headers.set('x-oauth-scopes', record.scopes.join(','));
    if (needed.length > 0) response.headers.set('x-accepted-oauth-scopes', needed.join(','));
    return response;
  };
}

const answered = (answer: Answer) => (typeof answer === 'string' ? fail(answer) : succeed(answer));

function missingScope(needed: string[], provided: string[]): Response {
  const missing = needed.filter((scope) => !provided.includes(scope));
  return fail('missing_scope', { needed: missing.join(','), provided: provided.join(',') });
}

function invalidArguments(error: z.ZodError): Response {
  const messages = error.issues.map(
    ({ path, message }) => `[ERROR] ${message} [json-pointer:/${path.join('/')}]`,
  );
  return fail('invalid_arguments', { response_metadata: { messages } });
}
