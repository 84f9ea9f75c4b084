import { readVectors } from './vectors.ts';

interface Row {
  id: string;
  desc: string;
  secret: string;
  /** `accept`, `reject`, `either`, or `n/a` and why. */
  required: string;
  /** Where a row has no HTTP form. */
  http?: string;
}

export interface StripeRow extends Row {
  payload: string;
  header: string;
  tolerance: number;
  /** Unix seconds. */
  receivedAt: number;
}

export interface GithubRow extends Row {
  body: string;
  signature: string;
}

export interface ShopifyRow extends Row {
  body: string;
  headers: Record<string, string>;
}

interface Written {
  header: string | null;
  headerGenerator?: { prefix: string; repeat: string; times: number; suffix: string };
}

/** None of any without the vectors. */
export const stripeRows: StripeRow[] = (
  readVectors<{ vectors: (StripeRow & Written)[] }>('stripe-signature.json')?.vectors ?? []
).map((row) => ({ ...row, header: written(row) }));

export const githubRows = readVectors<{ vectors: GithubRow[] }>('github-signature.json')?.vectors ?? [];

export const shopifyRows = readVectors<{ webhook: ShopifyRow[] }>('shopify-hmac.json')?.webhook ?? [];

function written({ header, headerGenerator: made }: Written): string {
  return header ?? (made ? made.prefix + made.repeat.repeat(made.times) + made.suffix : '');
}
