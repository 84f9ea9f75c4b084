import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';

const DAY = 86_400_000;

export interface TokenRecord {
  token: string;
  kind: 'personal' | 'plan';
  seat: 'full' | 'view';
  user: { id: string; handle: string };
  team: string;
  scopes: string[];
  expiresAt: number;
  revoked: boolean;
}

/** The teams that exist, by the number in the address of their page. */
export const TEAMS = new Map([
  ['900000000000000001', { name: 'Acme Design', folder: '70001' }],
  ['900000000000000002', { name: 'Globex Design', folder: '70002' }],
]);

/** developers.figma.com/docs/rest-api/scopes, as far as the simulator has endpoints for them. */
const SCOPES = [
  'current_user:read',
  'file_content:read',
  'file_metadata:read',
  'file_versions:read',
  'library_content:read',
  'library_assets:read',
  'team_library_content:read',
  'folders:read',
].join(',');

const keyOptions = z.strictObject({
  kind: z.enum(['personal', 'plan']).default('personal'),
  seat: z.enum(['full', 'view']).default('full'),
  scopes: z.string().default(SCOPES),
  expired: z.enum(['true', 'false']).default('false'),
  team: z.enum(['acme', 'globex']).default('acme'),
  handle: z.string().default('Ada Designer'),
});

/** Generates a token; the longest lives are 90 days, and a year for a plan's (plan-access-tokens). */
export function createToken(
  { store, now, secret }: SimulatorContext,
  options: Record<string, string> = {},
): IssuedKey {
  const { kind, seat, scopes, expired, team: teamName, handle } = keyOptions.parse(options);
  // 30 bytes are the 40 characters that a token has behind its prefix.
  const token = secret(`${kind === 'plan' ? 'figp' : 'figd'}_${randomBytes(30).toString('base64url')}`);
  const [team = ''] = [...TEAMS.keys()].slice(teamName === 'globex' ? 1 : 0);
  const digest = [...handle].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1e9, 7);
  const record: TokenRecord = {
    token,
    kind,
    seat,
    user: { id: String(1_100_000_000_000_000 + digest), handle },
    team,
    scopes: scopes.split(',').filter((scope) => scope !== ''),
    expiresAt: now() + (expired === 'true' ? 0 : (kind === 'plan' ? 365 : 90) * DAY),
    revoked: false,
  };
  store.set(`token/${token}`, record);
  return kind === 'plan'
    ? {
        api_key: token,
        config: { team_id: team },
        account: { id: team, name: TEAMS.get(team)?.name ?? null },
      }
    : { api_key: token, config: {}, account: { id: record.user.id, name: handle } };
}

/** The living token of `X-Figma-Token`. */
export function findToken(
  { store, now }: SimulatorContext,
  token: string | undefined,
): TokenRecord | undefined {
  const record = token === undefined ? undefined : store.get<TokenRecord>(`token/${token}`);
  return record && !record.revoked && now() < record.expiresAt ? record : undefined;
}

/** Calls by tier: a seat that only views, and a full seat on the Professional plan (rate-limits). */
const LIMITS = {
  view: { 1: [6, 30 * DAY], 2: [5, 60_000], 3: [10, 60_000] },
  full: { 1: [10, 60_000], 2: [25, 60_000], 3: [50, 60_000] },
} as const;

/** Counts a call; gives the seconds to wait where it is one too many. */
export function countCall(
  { store, now }: SimulatorContext,
  { token, seat }: TokenRecord,
  tier: 1 | 2 | 3,
): number | undefined {
  const forced = store.get<number>('settings.retryAfter');
  if (forced !== undefined) return forced;
  const [limit, span] = LIMITS[seat][tier];
  const window = Math.floor(now() / span);
  const kept = store.get<{ window: number; used: number }>(`rate/${tier}/${token}`);
  const used = kept?.window === window ? kept.used : 0;
  if (used >= limit) return Math.ceil(((window + 1) * span - now()) / 1000);
  store.set(`rate/${tier}/${token}`, { window, used: used + 1 });
  return undefined;
}
