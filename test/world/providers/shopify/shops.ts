import { createHash } from 'node:crypto';

/** A shop as the Admin API's `Shop` type tells it (2026-10). */
export interface Shop {
  handle: string;
  domain: string;
  id: number;
  name: string;
  email: string;
  currencyCode: string;
  ianaTimezone: string;
}

const FIXED = new Map([
  ['north-store', { id: 60210012345, currencyCode: 'USD', ianaTimezone: 'America/New_York' }],
  ['south-store', { id: 60210054321, currencyCode: 'EUR', ianaTimezone: 'Europe/Paris' }],
]);

const DOMAIN = /^([a-z0-9][a-z0-9-]*)\.myshopify\.com$/;

/** Whether a shop could live at this host; the rule of shopify.dev authorization-code-grant, anchored. */
export function isShopDomain(hostname: string): boolean {
  return DOMAIN.test(hostname);
}

/** The shop at this host: `north-store`, `south-store`, and any whose name begins with `shop-`. */
export function findShop(hostname: string): Shop | undefined {
  const [domain, handle] = DOMAIN.exec(hostname) ?? [];
  if (domain === undefined || handle === undefined) return undefined;
  const facts = FIXED.get(handle) ?? (handle.startsWith('shop-') ? derive(handle) : undefined);
  if (!facts) return undefined;
  const name = handle
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join(' ');
  return { handle, domain, name, email: `owner@${handle}.example`, ...facts };
}

function derive(handle: string) {
  const id = 70_000_000_000 + createHash('sha256').update(handle).digest().readUInt32BE();
  return { id, currencyCode: 'USD', ianaTimezone: 'America/New_York' };
}
