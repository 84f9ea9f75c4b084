import { StripeRefusal } from './errors.ts';
import { type KeyRecord, mask } from './keys.ts';
import { API_VERSIONS } from './vocabulary.ts';

export const HELP = 'we can help at https://support.stripe.com/.';

export function checkVersion(version: string | undefined): void {
  if (version !== undefined && !API_VERSIONS.has(version)) {
    throw new StripeRefusal(400, `Invalid Stripe API version: ${version}`);
  }
}

/** docs.stripe.com/connect/authentication; the simulator has no connected accounts. */
export function checkAccount(record: KeyRecord, account: string | undefined): void {
  if (account === undefined || account === record.account) return;
  const message = `The provided key '${mask(record.key, 6)}' does not have access to account '${account}' (or that account does not exist). Application access may have been revoked.`;
  throw new StripeRefusal(403, message, { code: 'account_invalid' });
}

/** What is posted stands in the body; the documents know no other place, so another is refused here. */
export function checkQuery(parameters: URLSearchParams): void {
  const [param] = parameters.keys();
  if (param === undefined) return;
  throw new StripeRefusal(400, `Received unknown parameter: ${param}`, { code: 'parameter_unknown', param });
}

export function checkContentType(type: string | undefined, body: string): void {
  if (body === '' || /^application\/x-www-form-urlencoded\b/i.test(type ?? '')) return;
  const message = /^application\/json\b/i.test(type ?? '')
    ? `Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, ${HELP}`
    : `Invalid request: unsupported Content-Type ${type ?? ''}. If error persists and you need assistance, please contact support@stripe.com.`;
  throw new StripeRefusal(400, message);
}
