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

/** `X-Shopify-Hmac-Sha256` of a webhook with this body (apps/build/webhooks/verify-deliveries). */
export function signShopify(body: string | Uint8Array, secret: string): string {
  return createHmac('sha256', secret).update(body).digest('base64');
}
