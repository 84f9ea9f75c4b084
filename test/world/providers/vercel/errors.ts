/** A refusal as every endpoint writes it: `error` with a code, a message, and what belongs to the case. */
export class VercelRefusal extends Error {
  readonly status: 400 | 403 | 404 | 429;
  readonly headers: Record<string, string>;
  readonly body: { error: Record<string, unknown> };

  constructor(
    status: VercelRefusal['status'],
    code: string,
    message: string,
    more: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ) {
    super(message);
    this.status = status;
    this.headers = headers;
    this.body = { error: { code, message, ...more } };
  }

  response(): Response {
    return Response.json(this.body, { status: this.status, headers: this.headers });
  }
}

export const forbidden = (message: string, more: Record<string, unknown> = {}) =>
  new VercelRefusal(403, 'forbidden', message, more);

/** The token lives, and this is none of its business. */
export const denied = () => forbidden("You don't have permission to access this resource.");

/** Of another team, or of one that wants SSO first. */
export const outOfScope = (scope: string, teamId: string, saml: boolean) =>
  forbidden(
    `Not authorized: Trying to access resource under scope "${scope}". You must re-authenticate to this scope or use a token with access to this scope.`,
    { scope, teamId, saml, ...(saml && { enforced: true }) },
  );

export const notFound = (message: string) => new VercelRefusal(404, 'not_found', message);

export const badRequest = (message: string) => new VercelRefusal(400, 'bad_request', message);

export const rateLimited = (total: number, reset: number, seconds: number) =>
  new VercelRefusal(
    429,
    'rate_limited',
    'Rate limit exceeded',
    { limit: { total, remaining: 0, reset } },
    { 'retry-after': String(seconds) },
  );
