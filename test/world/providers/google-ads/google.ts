import { randomInt } from 'node:crypto';
import { html } from 'hono/html';
import type { z } from 'zod';

/** What Google's services have in common, of which the simulators are two: errors, forms, made-up tokens. */

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export function randomLetters(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

const STATUS = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
} as const;

export type ErrorCode = keyof typeof STATUS;

/** The error of an API, google.rpc.Status in JSON (cloud.google.com/apis/design/errors). */
export function apiError(code: ErrorCode, message: string, details: object[] = []): Response {
  const error = { code, message, status: STATUS[code], ...(details.length > 0 && { details }) };
  const headers = code === 401 ? { 'www-authenticate': 'Bearer realm="https://accounts.google.com/"' } : {};
  return Response.json({ error }, { status: code, headers });
}

/** google.rpc.ErrorInfo; the reasons are those of google.api.ErrorReason. */
export function errorInfo(reason: string, service: string, metadata: Record<string, string> = {}) {
  return {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason,
    domain: 'googleapis.com',
    metadata: { service, ...metadata },
  };
}

const CREDENTIAL_ADVICE =
  'Expected OAuth 2 access token, login cookie or other valid authentication credential. ' +
  'See https://developers.google.com/identity/sign-in/web/devconsole-project.';

export const INVALID_CREDENTIAL = `Request had invalid authentication credentials. ${CREDENTIAL_ADVICE}`;

export function missingCredential(service: string): Response {
  const message = `Request is missing required authentication credential. ${CREDENTIAL_ADVICE}`;
  return apiError(401, message, [errorInfo('CREDENTIALS_MISSING', service)]);
}

export function insufficientScope(service: string): Response {
  const message = 'Request had insufficient authentication scopes.';
  return apiError(403, message, [errorInfo('ACCESS_TOKEN_SCOPE_INSUFFICIENT', service)]);
}

/** What a path, a version or a method that does not exist is answered with: a page, not JSON. */
export async function pageNotFound(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const page = await html`<!DOCTYPE html>
    <html lang="en">
      <title>Error 404 (Not Found)!!1</title>
      <p><b>404.</b> <ins>That’s an error.</ins></p>
      <p>The requested URL <code>${pathname}</code> was not found on this server. <ins>That’s all we know.</ins></p>
    </html>`;
  return new Response(String(page), {
    status: 404,
    headers: { 'content-type': 'text/html; charset=UTF-8' },
  });
}

/** A parameter of the query that the method does not have; `alt=json` is every method's. */
export function checkQuery(request: Request, known: readonly string[] = []): Response | undefined {
  const names = [...new URL(request.url).searchParams.keys()];
  const unknown = names.find((name) => name !== 'alt' && !known.includes(name));
  if (unknown === undefined) return undefined;
  const message = `Invalid JSON payload received. Unknown name "${unknown}": Cannot bind query parameter.`;
  return apiError(400, message);
}

/** The body of a method of an API; a field that it does not have is an error to Google, too. */
export async function readJson<T>(request: Request, schema: z.ZodType<T>): Promise<T | Response> {
  if (!/^application\/json\b/i.test(request.headers.get('content-type') ?? '')) {
    return apiError(400, 'Invalid JSON payload received. The content type must be application/json.');
  }
  const body = schema.safeParse(await request.json().catch(() => undefined));
  if (body.success) return body.data;
  const [issue] = body.error.issues;
  const place = issue?.path.join('.') ?? '';
  const message =
    issue?.code === 'unrecognized_keys'
      ? `Unknown name "${issue.keys[0]}"${place === '' ? '' : ` at '${place}'`}: Cannot find field.`
      : `Invalid value at '${place}'.`;
  return apiError(400, `Invalid JSON payload received. ${message}`);
}

/** The token of `Authorization: Bearer …`. */
export function bearerToken(request: Request): string | undefined {
  return /^bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
}

/** An answer of oauth2.googleapis.com that is an error (RFC 6749 section 5.2). */
export function oauthError(
  status: number,
  error: string,
  description: string,
  more: Record<string, string> = {},
): Response {
  return Response.json(
    { error, error_description: description, ...more },
    { status, headers: { 'cache-control': 'no-cache, no-store, max-age=0, must-revalidate' } },
  );
}

/** The form of a POST to oauth2.googleapis.com, with each name once; any other body is refused. */
export async function readForm(request: Request): Promise<Record<string, string> | Response> {
  const type = request.headers.get('content-type') ?? '';
  // The service may take JSON as well; no page says so.
  if (!/^application\/x-www-form-urlencoded\b/i.test(type) || new URL(request.url).search !== '') {
    return oauthError(400, 'invalid_request', 'The parameters belong in an x-www-form-urlencoded body.');
  }
  const form = new URLSearchParams(await request.text());
  const twice = [...form.keys()].find((name) => form.getAll(name).length > 1);
  if (twice !== undefined) {
    const description = `OAuth 2 parameters can only have a single value: ${twice}`;
    return oauthError(400, 'invalid_request', description);
  }
  return Object.fromEntries(form);
}

/** A parameter nobody asked for, or one that is not there; `undefined` when the form is as it should be. */
export function checkForm(
  form: Record<string, string>,
  required: readonly string[],
  optional: readonly string[] = [],
): Response | undefined {
  const unknown = Object.keys(form).find((name) => !required.includes(name) && !optional.includes(name));
  if (unknown !== undefined) {
    return oauthError(400, 'invalid_request', `Parameter not allowed for this message type: ${unknown}`);
  }
  const missing = required.find((name) => !form[name]);
  if (missing === undefined) return undefined;
  return oauthError(400, 'invalid_request', `Missing required parameter: ${missing}`);
}
