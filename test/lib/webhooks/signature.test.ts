import { describe, expect, test } from 'vitest';
import { importSecret, isSignature, isSigned } from '../../../lib/webhooks/signature.ts';
import { repositoryHooks } from '../../../providers/github-webhooks.ts';
import type { WebhookSignature, Webhooks } from '../../../providers/provider.ts';
import { shopifyWebhooks } from '../../../providers/shopify-webhooks.ts';
import { stripeWebhooks } from '../../../providers/stripe-webhooks.ts';
import { githubRows, shopifyRows, stripeRows } from '../../support/signature-vectors.ts';

async function verdict(
  signature: WebhookSignature,
  header: string,
  body: string,
  { secrets, now = Date.now() }: { secrets: string[]; now?: number },
): Promise<'accept' | 'reject'> {
  const keys = (await Promise.all(secrets.map(importSecret))).filter((key) => key !== undefined);
  const signed = await isSigned(signature, header, Buffer.from(body), { keys, now });
  // What is refused unread must be what would be refused read.
  if (!isSignature(signature, header)) expect(signed).toBe(false);
  return signed ? 'accept' : 'reject';
}

describe.runIf(stripeRows.length > 0)('Stripe-Signature:', () => {
  // Both are rightly signed: what their bodies are is seen afterwards.
  const signed = ['lib-invalid-json-signed', 'lib-v2-payload'];

  test.each(stripeRows)('$id: $desc', async (row) => {
    const signature = { ...stripeWebhooks.signature, tolerance: row.tolerance };
    const by = { secrets: [row.secret], now: row.receivedAt * 1000 };
    const found = await verdict(signature, row.header, row.payload, by);
    if (row.required === 'either') expect(['accept', 'reject']).toContain(found);
    else expect(found).toBe(signed.includes(row.id) ? 'accept' : row.required);
  });
});

describe.runIf(githubRows.length > 0)('X-Hub-Signature-256:', () => {
  test.each(githubRows)('$id: $desc', async (row) => {
    const by = { secrets: [row.secret] };
    expect(await verdict(repositoryHooks.signature, row.signature, row.body, by)).toBe(row.required);
  });

  test('the secret of before is as good as the one that is new', async () => {
    const row = githubRows.find(({ id }) => id === 'lib-fallback-old-secret');
    const by = { secrets: ['foo', row?.secret ?? ''] };
    expect(await verdict(repositoryHooks.signature, row?.signature ?? '', row?.body ?? '', by)).toBe(
      'accept',
    );
  });
});

describe.runIf(shopifyRows.length > 0)('X-Shopify-Hmac-Sha256:', () => {
  const { signature, read }: Webhooks = shopifyWebhooks;

  test.each(shopifyRows)('$id: $desc', async (row) => {
    const headers = new Headers(row.headers);
    const found = await verdict(signature, headers.get(signature.header) ?? '', row.body, {
      secrets: [row.secret],
    });
    // A signature that our own client has given away is right; what it was given for is no JSON.
    if (row.required.startsWith('n/a')) expect(found).toBe('accept');
    // The other headers are not signed: that they are missing is seen once the body is known to be Shopify's.
    else if (found === 'accept' && row.required === 'reject')
      expect(read({ headers, json: JSON.parse(row.body) })).toBeUndefined();
    else expect(found).toBe(row.required);
  });
});

test('a secret that is empty makes no key, and without a key nothing is signed', async () => {
  expect(await importSecret('')).toBeUndefined();
  const header = `sha256=${'0'.repeat(64)}`;
  expect(await verdict(repositoryHooks.signature, header, '{}', { secrets: [''] })).toBe('reject');
  expect(await verdict(repositoryHooks.signature, header, '{}', { secrets: [] })).toBe('reject');
});
