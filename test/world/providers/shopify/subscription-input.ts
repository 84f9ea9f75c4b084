import { isLoopback } from '../../loopback.ts';
import type { Subscription } from './subscriptions.ts';

/** `WebhookSubscriptionInput`. */
export interface Input {
  callbackUrl?: string | null;
  filter?: string | null;
  format?: 'JSON' | 'XML' | null;
  includeFields?: string[] | null;
  name?: string | null;
  uri?: string | null;
}

/** A subscription before it is known to be right. */
export type Draft = Pick<Subscription, 'topic' | 'uri' | 'filter' | 'includeFields' | 'name'> & {
  format: 'JSON' | 'XML';
};

/** What an input changes; the old name of `uri` still works (deprecated in the 2026-10 schema). */
export function readInput(input: Input): Partial<Draft> {
  const uri = input.uri ?? input.callbackUrl;
  return {
    ...(uri != null && { uri: String(uri).trim() }),
    ...(input.format != null && { format: input.format }),
    ...(input.filter !== undefined && { filter: input.filter }),
    ...(input.includeFields !== undefined && { includeFields: input.includeFields ?? [] }),
    ...(input.name !== undefined && { name: input.name }),
  };
}

/** Only HTTPS to the public, as there; and loopback besides, where the local stack runs. */
export function addressFaults(uri: string): string[] {
  if (uri === '') return ["Address can't be blank"];
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase();
  if (scheme && !/^https?$/.test(scheme)) return [`Address protocol ${scheme}:// is not supported`];
  if (!scheme || !URL.canParse(uri)) return ['Address is invalid'];
  const { hostname } = new URL(uri);
  if (isLoopback(hostname)) return [];
  if (scheme === 'http') return ['Address protocol http:// is not supported'];
  const isInternal =
    /(^|\.)(shopify\.com|myshopify\.com|shopifypreview\.com|myshopify\.dev)$/.test(hostname) ||
    /^(0|10|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+$/.test(hostname);
  return isInternal ? ['Address cannot be a Shopify or an internal domain'] : [];
}
