import { randomInt } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { denied, forbidden, notFound, outOfScope } from './errors.ts';

/** A token of Account Settings, Tokens: for the full account, one team or one project. */
export interface TokenRecord {
  id: string;
  scope: 'account' | 'team' | 'project';
  team: string;
  user: string;
  revoked: boolean;
  createdAt: number;
  expiresAt: number | null;
  /** It was made before its owner signed in with the SSO that the team enforces. */
  saml: boolean;
}

export interface TeamRecord {
  id: string;
  name: string;
  slug: string;
  project: string;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
export const OWNER = { name: 'Ada Lovelace', username: 'ada', email: 'ada@acme.example' };

const keyOptions = z.strictObject({
  scope: z.enum(['account', 'team', 'project']).default('team'),
  /** `new` has the prefix, `old` is 24 letters. */
  format: z.enum(['new', 'old']).default('new'),
  /** `false` leaves `team_id` out of the config. */
  withTeam: z.enum(['true', 'false']).optional(),
  teamId: z
    .string()
    .regex(/^team_[A-Za-z0-9]+$/)
    .optional(),
  name: z.string().optional(),
  expired: z.enum(['true', 'false']).default('false'),
  /** Seconds from now. */
  expiresIn: z.coerce.number().int().positive().optional(),
  saml: z.enum(['true', 'false']).default('false'),
});

/** Account Settings, Tokens, Create. */
export function createToken(context: SimulatorContext, given: Record<string, string> = {}): IssuedKey {
  const { store, now, secret } = context;
  const options = keyOptions.parse(given);
  const team = findOrCreateTeam(store, options);
  const user = store.get<string>('owner') ?? letters(24);
  store.set('owner', user);
  const token = secret(options.format === 'new' ? `vcp_${letters(56)}` : letters(24));
  const record: TokenRecord = {
    id: letters(32).toLowerCase(),
    scope: options.scope,
    team: team.id,
    user,
    revoked: options.expired === 'true',
    createdAt: now(),
    expiresAt: options.expiresIn === undefined ? null : now() + options.expiresIn * 1000,
    saml: options.saml === 'true',
  };
  store.set(`token/${token}`, record);
  const withTeam = (options.withTeam ?? String(options.scope !== 'account')) === 'true';
  return withTeam
    ? { api_key: token, config: { team_id: team.id }, account: { id: team.id, name: team.name } }
    : { api_key: token, config: {}, account: { id: user, name: OWNER.name } };
}

function findOrCreateTeam(
  store: Store,
  { teamId, name }: { teamId?: string | undefined; name?: string | undefined },
) {
  const id = teamId ?? store.get<string>('usual-team') ?? `team_${letters(24)}`;
  if (teamId === undefined) store.set('usual-team', id);
  const known = store.get<TeamRecord>(`team/${id}`);
  const slug = known?.slug ?? `acme-${letters(6).toLowerCase()}`;
  const project = known?.project ?? `prj_${letters(28)}`;
  const team: TeamRecord = { id, name: name ?? known?.name ?? 'Acme', slug, project };
  store.set(`team/${id}`, team);
  return team;
}

/** Deletes a token in the settings, or by itself. */
export function deleteVercelToken(store: Store, token: string): void {
  const record = store.get<TokenRecord>(`token/${token}`);
  if (record) store.set(`token/${token}`, { ...record, revoked: true } satisfies TokenRecord);
}

/** The token of the Authorization header; a dead one is a 403, told apart by a flag (npm `vercel`, its error handling). */
export function authenticate({ store, now }: SimulatorContext, authorization: string | undefined) {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) {
    throw forbidden('The request is missing an authentication token', { missingToken: true });
  }
  const record = store.get<TokenRecord>(`token/${token}`);
  if (!record || record.revoked || now() >= (record.expiresAt ?? Infinity)) {
    throw forbidden('Not authorized', { invalidToken: true });
  }
  return { token, record };
}

/** A token of one project is denied on what is the user's or the team's (changelog of 2026-07-30). */
export function demandAccount({ scope }: TokenRecord): void {
  if (scope === 'project') throw denied();
}

export function teamAt(store: Store, record: TokenRecord, idOrSlug: string): TeamRecord {
  const team = store.list<TeamRecord>('team/').find(({ id, slug }) => idOrSlug === id || idOrSlug === slug);
  if (!team) throw notFound('Team was not found.');
  if (record.team !== team.id || record.saml) throw outOfScope(team.slug, team.id, record.saml);
  return team;
}

/** The team in whose name a call runs: by `teamId` or `slug`, else the personal scope, which a team's token has not. */
export function demandContext(
  store: Store,
  record: TokenRecord,
  query: URLSearchParams,
): TeamRecord | undefined {
  const named = query.get('teamId') ?? query.get('slug');
  if (named !== null) return teamAt(store, record, named);
  if (record.scope !== 'account') throw outOfScope(OWNER.username, record.team, false);
  return undefined;
}

export function letters(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}
