import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';

/** The roles of a helpdesk's users (developers.gorgias.com/reference/the-user-object). */
const ROLES = [
  'admin',
  'agent',
  'basic-agent',
  'bot',
  'internal-agent',
  'lite-agent',
  'observer-agent',
] as const;

export interface KeyRecord {
  key: string;
  domain: string;
  email: string;
  role: (typeof ROLES)[number];
  /** What the role may read; the list per role is not public. */
  reads: string[];
  alive: boolean;
}

/** The helpdesks that exist. */
export const DOMAINS = ['acme', 'globex', 'closed'] as const;

const READS = ['account', 'tickets', 'users', 'satisfaction-surveys', 'statistics'];

const keyOptions = z.strictObject({
  domain: z.enum(DOMAINS).default('acme'),
  email: z.string().optional(),
  role: z.enum(ROLES).default('observer-agent'),
  account: z.enum(['true', 'false']).default('true'),
  expired: z.enum(['true', 'false']).default('false'),
});

/**
 * Creates a user's API key. Making another for the same user resets it: the one before is dead at once
 * (docs.gorgias.com/en-US/rest-api-208286).
 */
export function createKey(
  { store, secret }: SimulatorContext,
  options: Record<string, string> = {},
): IssuedKey {
  const { domain, role, account, expired, email: given } = keyOptions.parse(options);
  const email = given ?? `reader@${domain}.example`;
  for (const record of store.list<KeyRecord>('key/')) {
    if (record.domain === domain && record.email === email) {
      store.set(`key/${record.key}`, { ...record, alive: false });
    }
  }
  const key = secret(randomBytes(32).toString('hex'));
  const reads = account === 'true' ? READS : READS.filter((name) => name !== 'account');
  const record: KeyRecord = { key, domain, email, role, reads, alive: expired !== 'true' };
  store.set(`key/${key}`, record);
  return { api_key: key, config: { domain, email }, account: { id: domain, name: `${domain}.gorgias.com` } };
}

/** The key of `Authorization: Basic base64("<email>:<api_key>")`, if it lives, at this helpdesk. */
export function identify(
  { store }: SimulatorContext,
  domain: string,
  authorization: string | undefined,
): KeyRecord | undefined {
  const [, encoded = ''] = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? '') ?? [];
  const [, email, key] = /^([^:]+):(.+)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  const record = key === undefined ? undefined : store.get<KeyRecord>(`key/${key}`);
  const fits =
    record?.alive && record.domain === domain && record.email.toLowerCase() === email?.toLowerCase();
  return fits ? record : undefined;
}

const BURST = 40;
const DRAIN_PER_MS = 40 / 20_000;

/** The leaky bucket of an account's API keys: 40 requests in 20 seconds (reference/limitations). */
export function countCall({ store, now }: SimulatorContext, domain: string) {
  const kept = store.get<{ level: number; at: number }>(`bucket/${domain}`) ?? { level: 0, at: now() };
  const level = Math.max(0, kept.level - (now() - kept.at) * DRAIN_PER_MS);
  const exceeded = level + 1 > BURST;
  store.set(`bucket/${domain}`, { level: exceeded ? level : level + 1, at: now() });
  const seconds = Math.max(1, Math.ceil((level + 1 - BURST) / DRAIN_PER_MS / 1000));
  return { exceeded, seconds, used: `${Math.ceil(exceeded ? level : level + 1)}/${BURST}` };
}
