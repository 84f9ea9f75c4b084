import { createHmac } from 'node:crypto';

/** `X-Hub-Signature-256` of a delivery's body (webhooks/using-webhooks/validating-webhook-deliveries). */
export function signGithub(body: string | Uint8Array, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** `X-Hub-Signature`, which is sent beside it for old receivers. */
export function signGithubSha1(body: string | Uint8Array, secret: string): string {
  return `sha1=${createHmac('sha1', secret).update(body).digest('hex')}`;
}
