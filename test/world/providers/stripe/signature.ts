import { createHmac } from 'node:crypto';

/**
 * The `Stripe-Signature` of a body (docs.stripe.com/webhooks/signature); `timestamp` is in seconds. The key is
 * the whole secret as it is written, `whsec_` and all.
 */
export function signStripe(payload: string | Uint8Array, secret: string, timestamp: number): string {
  return `t=${timestamp},v1=${signatureOf(payload, secret, timestamp)}`;
}

/** One `v1` of the header. */
export function signatureOf(payload: string | Uint8Array, secret: string, timestamp: number): string {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(payload).digest('hex');
}
