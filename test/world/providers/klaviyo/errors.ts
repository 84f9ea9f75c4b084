import { randomUUID } from 'node:crypto';

type Source = { pointer: string } | { parameter: string };

/** A refusal in the words of developers.klaviyo.com/en/docs/rate_limits_and_error_handling. */
export class KlaviyoRefusal extends Error {
  readonly status: 400 | 401 | 403 | 404 | 406 | 410 | 429;
  readonly headers: Record<string, string>;
  readonly #error: Record<string, unknown>;

  constructor(
    status: KlaviyoRefusal['status'],
    code: string,
    detail: string,
    {
      title = detail,
      source,
      headers = {},
    }: Partial<{ title: string; source: Source; headers: Record<string, string> }> = {},
  ) {
    super(detail);
    this.status = status;
    this.headers = headers;
    this.#error = { status, code, title, detail, source: source ?? { pointer: '/data/' } };
  }

  response(): Response {
    return new Response(JSON.stringify({ errors: [{ id: randomUUID(), ...this.#error }] }), {
      status: this.status,
      headers: { 'content-type': 'application/vnd.api+json', ...this.headers },
    });
  }
}

export function invalid(detail: string, source: Source): KlaviyoRefusal {
  return new KlaviyoRefusal(400, 'invalid', detail, { title: 'Invalid input.', source });
}

/** What Cloudflare puts before a client it doubts (klaviyo-api-python #84): HTML, and no word about the key. */
export function challenge(): Response {
  return new Response('<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>', {
    status: 403,
    headers: { 'content-type': 'text/html; charset=UTF-8', 'cf-mitigated': 'challenge' },
  });
}
