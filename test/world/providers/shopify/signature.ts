import { createHmac } from 'node:crypto';

/**
 * The `hmac` of a callback (shopify.dev authorization-code-grant): every other parameter sorted by name,
 * form-encoded with a space as %20, HMAC-SHA256 under the client secret, lowercase hex.
 */
export function signQuery(query: Iterable<[string, string]>, clientSecret: string): string {
  const signed = new URLSearchParams([...query].filter(([name]) => name !== 'hmac' && name !== 'signature'));
  signed.sort();
  return createHmac('sha256', clientSecret).update(signed.toString().replaceAll('+', '%20')).digest('hex');
}
