/** A refusal on its way to the answer; the first route that throws one ends the request. */
export class StripeRefusal extends Error {
  status: 400 | 401 | 403 | 404 | 429;
  body: { error: Record<string, string> };

  constructor(status: StripeRefusal['status'], message: string, more: Record<string, string> = {}) {
    super(message);
    const doc = more.code && {
      doc_url: `https://stripe.com/docs/error-codes/${more.code.replaceAll('_', '-')}`,
    };
    this.status = status;
    this.body = {
      error: { ...more, ...(doc || undefined), message, type: more.type ?? 'invalid_request_error' },
    };
  }
}
