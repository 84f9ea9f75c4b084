/** Every failure a caller can be told of, with its HTTP status and title. Codes are stable. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  invalid_state: { status: 400, title: 'This sign-in link is no longer valid' },
  invalid_hmac: { status: 400, title: 'The answer is not signed by the platform' },
  access_denied: { status: 400, title: 'Access was not granted' },
  issuer_mismatch: { status: 400, title: 'The answer came from another issuer' },
  shop_mismatch: { status: 400, title: 'The answer is for another shop' },
  unauthenticated: { status: 401, title: 'Sign in first' },
  invalid_signature: { status: 401, title: 'The signature does not match' },
  not_found: { status: 404, title: 'Not found' },
  unknown_provider: { status: 404, title: 'There is no such connector' },
  not_connected: { status: 404, title: 'Not connected' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  reauthorization_required: { status: 409, title: 'The connection must be authorized again' },
  account_mismatch: { status: 409, title: 'This is another account' },
  in_progress: { status: 409, title: 'Another change is in progress' },
  invalid_credential: { status: 422, title: 'The credential does not work' },
  insufficient_scope: { status: 422, title: 'The credential lacks a permission' },
  wrong_auth_method: { status: 422, title: 'This connector connects another way' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal_error: { status: 500, title: 'Something went wrong on our side' },
  provider_not_configured: { status: 501, title: 'This connector is not set up' },
  provider_error: { status: 502, title: 'The platform gave an unexpected answer' },
  unavailable: { status: 503, title: 'Not available at the moment' },
  provider_timeout: { status: 504, title: 'The platform did not answer in time' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with the input: `path` as in `config.subdomain`. */
export interface InputError {
  path: string;
  message: string;
}

/** A failure on its way to the caller (RFC 9457). `detail` is read by people: it says what to do. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors: InputError[] | undefined;
  /** Seconds after which it is worth trying again. */
  readonly retryAfter: number | undefined;
  /** For the log alone: why, in our own words, never what came from outside. */
  readonly reason: string | undefined;

  constructor(
    code: ProblemCode,
    detail: string,
    more: { errors?: InputError[]; retryAfter?: number | undefined; reason?: string } = {},
  ) {
    super(code);
    this.code = code;
    this.detail = detail;
    this.errors = more.errors;
    this.retryAfter = more.retryAfter;
    this.reason = more.reason;
  }

  get status() {
    return PROBLEMS[this.code].status;
  }
}

/** Bad input, one error. */
export function invalidInput(path: string, message: string): Problem {
  return new Problem('invalid_request', message, { errors: [{ path, message }] });
}

/** Something of ours that the request needs is down; nothing was changed. */
export function unavailable(reason: string, retryAfter = 5): Problem {
  return new Problem('unavailable', 'Nothing was changed. Please try again in a moment.', {
    retryAfter,
    reason,
  });
}
