import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';

/** An id in the shape that Railway gives all its things. */
const idOf = (thing: number) => `b1f3c9a2-0000-4000-8000-${String(thing).padStart(12, '0')}`;

const workspace = (name: string, number: number, projectName: string) => ({
  id: idOf(number),
  name,
  project: idOf(number + 1),
  projectName,
  service: idOf(number + 2),
  environments: { production: idOf(number + 3), staging: idOf(number + 4) },
});

/** The workspaces that exist, each with a project, a service and two environments. */
export const WORKSPACES = [
  workspace('Acme', 10, 'storefront'),
  workspace('Globex', 20, 'warehouse'),
] as const;

export type WorkspaceRecord = (typeof WORKSPACES)[number];

export const USER = { id: idOf(1), name: 'Ada Lovelace', email: 'ada@acme.example', username: 'ada' };

export interface TokenRecord {
  token: string;
  id: string;
  kind: 'workspace' | 'account' | 'project';
  workspaces: string[];
  environment: keyof WorkspaceRecord['environments'];
  twoFactor: boolean;
}

const keyOptions = z.strictObject({
  kind: z.enum(['workspace', 'account', 'project']).default('workspace'),
  workspace: z.enum(['acme', 'globex']).default('acme'),
  workspaces: z.enum(['1', '2']).default('2'),
  environment: z.enum(['production', 'staging']).default('production'),
  deleted: z.enum(['true', 'false']).default('false'),
  expired: z.enum(['true', 'false']).default('false'),
  twoFactor: z.enum(['enforced', 'off']).default('off'),
});

/** Makes a token; the dashboard asks for the workspace, or the environment of a project. */
export function createToken(
  { store, secret }: SimulatorContext,
  options: Record<string, string> = {},
): IssuedKey {
  const given = keyOptions.parse(options);
  const workspace = WORKSPACES[given.workspace === 'acme' ? 0 : 1];
  const token = secret(randomUUID());
  const all = WORKSPACES.slice(0, Number(given.workspaces)).map(({ id }) => id);
  const record: TokenRecord = {
    token,
    id: randomUUID(),
    kind: given.kind,
    workspaces: given.kind === 'account' ? all : [workspace.id],
    environment: given.environment,
    twoFactor: given.twoFactor === 'enforced',
  };
  if (given.deleted !== 'true' && given.expired !== 'true') store.set(`token/${token}`, record);
  const accounts = {
    workspace: { id: workspace.id, name: workspace.name },
    account: { id: USER.id, name: USER.name },
    project: {
      id: workspace.environments[given.environment],
      name: `${workspace.projectName} / ${given.environment}`,
    },
  };
  return { api_key: token, config: { token_type: given.kind }, account: accounts[given.kind] };
}

/** The token of a request, in the header of its kind. */
export function identify({ store }: SimulatorContext, headers: Headers): TokenRecord | undefined {
  const project = headers.get('project-access-token');
  const [, bearer] = /^Bearer (\S+)$/i.exec(headers.get('authorization') ?? '') ?? [];
  const record = store.get<TokenRecord>(`token/${project ?? bearer ?? ''}`);
  return (record?.kind === 'project') === (project !== null) ? record : undefined;
}

/** Requests an hour on the Hobby plan (docs.railway.com/integrations/api). */
const LIMIT = 1000;
const HOUR = 3_600_000;

/** Counts a call; `retryAfter` is there where it is one too many. */
export function countCall({ store, now }: SimulatorContext, who: string) {
  const limit = store.get<number>('settings.rateLimit') ?? LIMIT;
  const window = Math.floor(now() / HOUR);
  const kept = store.get<{ window: number; used: number }>(`rate/${who}`);
  const used = (kept?.window === window ? kept.used : 0) + 1;
  if (used <= limit) store.set(`rate/${who}`, { window, used });
  const reset = (window + 1) * HOUR;
  const forced = store.get<number>('settings.retryAfter');
  const retryAfter = forced ?? (used > limit ? Math.ceil((reset - now()) / 1000) : undefined);
  return { limit, remaining: Math.max(0, limit - used), reset, retryAfter };
}
