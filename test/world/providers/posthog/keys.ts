import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { IssuedKey, SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { denied, noSuchProject, PostHogRefusal } from './answers.ts';

export interface KeyRecord {
  id: string;
  mask: string;
  /** A key is of one region, or of one's own installation. */
  host: string;
  project: number;
  /** `query:read` and the like, `*` for all; empty on keys from before there were scopes, which may do anything. */
  scopes: string[];
  scopedTeams: number[] | null;
  active: boolean;
  /** The organization does not let members use personal keys. */
  forbidden: boolean;
}

export interface ProjectRecord {
  id: number;
  uuid: string;
  name: string;
  token: string;
}

export const HOSTS = ['us.posthog.com', 'eu.posthog.com', 'posthog.acme.example'] as const;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const SCOPES = 'query:read,insight:read,feature_flag:read,session_recording:read,project:read';

const keyOptions = z.strictObject({
  host: z.enum(HOSTS).default('us.posthog.com'),
  /** `legacy` has neither prefix nor scopes. */
  format: z.enum(['phx', 'legacy']).default('phx'),
  /** With commas; `*` is all. */
  scopes: z.string().default(SCOPES),
  /** With commas; the projects the key is limited to. */
  scopedTeams: z
    .string()
    .regex(/^\d+(,\d+)*$/)
    .optional(),
  projectId: z.string().regex(/^\d+$/).optional(),
  name: z.string().optional(),
  expired: z.enum(['true', 'false']).default('false'),
  organizationForbids: z.enum(['true', 'false']).default('false'),
});

/** Settings, Account, Personal API keys, Create personal API key. */
export function createKey(context: SimulatorContext, given: Record<string, string> = {}): IssuedKey {
  const { store, secret } = context;
  const options = keyOptions.parse(given);
  const { host } = options;
  const project = findOrCreateProject(context, options);
  const legacy = options.format === 'legacy';
  const key = secret(legacy ? randomBytes(32).toString('base64url') : `phx_${letters(47)}`);
  const record: KeyRecord = {
    id: letters(10),
    mask: `${key.slice(0, 4)}...${key.slice(-4)}`,
    host,
    project: project.id,
    scopes: legacy ? [] : options.scopes.split(','),
    scopedTeams: options.scopedTeams?.split(',').map(Number) ?? null,
    active: options.expired !== 'true',
    forbidden: options.organizationForbids === 'true',
  };
  store.set(`key/${key}`, record);
  return {
    api_key: key,
    config: { host, project_id: String(project.id) },
    account: { id: project.uuid, name: project.name },
  };
}

function findOrCreateProject(
  { store, secret }: SimulatorContext,
  { host, projectId, name }: { host: string; projectId?: string | undefined; name?: string | undefined },
): ProjectRecord {
  const usual = store.get<number>(`usual/${host}`);
  const id = projectId === undefined ? (usual ?? randomInt(10_000, 400_000)) : Number(projectId);
  if (projectId === undefined) store.set(`usual/${host}`, id);
  const known = projectAt(store, host, id);
  const project: ProjectRecord = {
    id,
    uuid: known?.uuid ?? randomUUID(),
    name: name ?? known?.name ?? 'Acme Shop',
    token: known?.token ?? secret(`phc_${letters(43)}`),
  };
  store.set(`project/${host}/${id}`, project);
  return project;
}

export function projectAt(store: Store, host: string, id: number): ProjectRecord | undefined {
  return store.get<ProjectRecord>(`project/${host}/${id}`);
}

/** Deletes a key in the settings, or by the report of a leak; whether there was one. */
export function deletePostHogKey(store: Store, key: string): boolean {
  const found = store.get<KeyRecord>(`key/${key}`)?.active === true;
  store.delete(`key/${key}`);
  return found;
}

/** Bearer; a key of another region is as unknown here as any other (posthog/auth.py). */
export function authenticate(store: Store, host: string, authorization: string | undefined): KeyRecord {
  const key = /^Bearer +(\S+)$/.exec(authorization ?? '')?.[1];
  const refuse = (code: string, detail: string) =>
    new PostHogRefusal(401, 'authentication_error', code, detail, {
      headers: { 'www-authenticate': 'Bearer' },
    });
  if (key === undefined) throw refuse('not_authenticated', 'Authentication credentials were not provided.');
  const record = store.get<KeyRecord>(`key/${key}`);
  if (!record?.active || record.host !== host) {
    const detail = 'Personal API key found in request Authorization header is invalid.';
    throw refuse('authentication_failed', detail);
  }
  return record;
}

/** posthog/permissions.py, APIScopePermission, in its order; gives the project that the path names. */
export function demandProject(store: Store, record: KeyRecord, id: string, scope: string): ProjectRecord {
  const found = projectAt(store, record.host, id === '@current' ? record.project : Number(id));
  const visible = found ?? null;
  if (record.scopes.length === 0) return visible ?? fail();
  if (record.forbidden) {
    throw denied(
      "Organization 'Acme' does not allow using personal API keys. Contact an admin to enable personal API keys for this organization.",
    );
  }
  if (record.scopedTeams) {
    const team = visible ?? fail();
    if (!record.scopedTeams.includes(team.id)) {
      throw denied(`API key does not have access to the requested project: ID ${team.id}.`);
    }
  }
  demandScope(record, scope);
  return visible ?? fail();
}

/** To write is also to read. */
export function demandScope({ scopes }: KeyRecord, scope: string): void {
  if (scopes.length === 0) return;
  if (['*', scope, scope.replace(/:read$/, ':write')].some((each) => scopes.includes(each))) return;
  throw denied(`API key missing required scope '${scope}'`);
}

function fail(): never {
  throw noSuchProject();
}

function letters(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}
