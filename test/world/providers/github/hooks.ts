import type { SimulatorContext } from '../../simulator.ts';
import type { App } from './app.ts';
import { toIso } from './installations.ts';
import { fullName, type Repository } from './repositories.ts';

export interface HookConfig {
  url: string;
  content_type: 'json' | 'form';
  secret: string | null;
  insecure_ssl: '0' | '1';
}

export interface Hook {
  id: number;
  /** Null for the App's, which stands apart from all repositories. */
  repository: number | null;
  active: boolean;
  events: readonly string[];
  config: HookConfig;
  lastResponse: { code: number | null; status: string | null; message: string | null };
  createdAt: number;
  updatedAt: number;
}

export type HookFields = Pick<Hook, 'active' | 'events' | 'config'>;

const FIRST_ID = 412_000_000;
const APP_HOOK_ID = 380_000_001;

/** The path of Reeve's receiver, where the App's owner has registered it. */
const RECEIVER = '/api/webhooks/github';

export type HookBook = ReturnType<typeof hookBook>;

/** The hooks of the repositories, and the App's; nothing that befalls a token or a grant touches them. */
export function hookBook({ store, client, now, secret }: SimulatorContext, app: App | null) {
  const key = (id: number) => `hook/${id}`;
  const save = (hook: Hook) => store.set(key(hook.id), hook);
  const kept = (fields: HookFields) => {
    if (fields.config.secret !== null) secret(fields.config.secret);
    return fields;
  };

  return {
    /** Those of a repository, oldest first. */
    of: (repository: Repository) =>
      store.list<Hook>('hook/').filter((hook) => hook.repository === repository.id),

    find(repository: Repository, id: number): Hook | undefined {
      const hook = store.get<Hook>(key(id));
      return hook?.repository === repository.id ? hook : undefined;
    },

    create(repository: Repository, fields: HookFields): Hook {
      const sequence = (store.get<number>('hook-sequence') ?? 0) + 1;
      store.set('hook-sequence', sequence);
      const hook: Hook = {
        ...kept(fields),
        id: FIRST_ID + sequence,
        repository: repository.id,
        lastResponse: { code: null, status: 'unused', message: null },
        createdAt: now(),
        updatedAt: now(),
      };
      save(hook);
      return hook;
    },

    change(hook: Hook, fields: HookFields): Hook {
      const changed = { ...hook, ...kept(fields), updatedAt: now() };
      save(changed);
      return changed;
    },

    remove: (hook: Hook) => store.delete(key(hook.id)),

    /** Remembers the last answer, unless the hook has gone meanwhile. */
    answered({ id }: Hook, lastResponse: Hook['lastResponse']) {
      const hook = store.get<Hook>(key(id));
      if (hook) save({ ...hook, lastResponse });
    },

    /** The App's one webhook; null where there is no App, or nothing registered to derive its URL from. */
    ofApp(): Hook | null {
      const [registered] = client.redirectUris;
      if (!app || registered === undefined) return null;
      const config: HookConfig = {
        url: new URL(RECEIVER, registered).href,
        content_type: 'json',
        secret: client.settings.APP_WEBHOOK_SECRET ?? null,
        insecure_ssl: '0',
      };
      return {
        id: APP_HOOK_ID,
        repository: null,
        active: true,
        events: app.events,
        config: { ...config, ...store.get<Partial<HookConfig>>('app-hook/config') },
        lastResponse: { code: null, status: 'unused', message: null },
        createdAt: Date.UTC(2026, 0, 5, 9),
        updatedAt: Date.UTC(2026, 0, 5, 9),
      };
    },

    configureApp(config: Partial<HookConfig>) {
      if (config.secret) secret(config.secret);
      store.set('app-hook/config', { ...store.get<Partial<HookConfig>>('app-hook/config'), ...config });
    },
  };
}

/** A body as the hook wants it: `payload` as it is, or the object in the hook's content type. */
export function encode({ config }: Hook, payload: string | undefined, body: unknown) {
  const isJson = config.content_type === 'json';
  const contentType = isJson ? 'application/json' : 'application/x-www-form-urlencoded';
  const json = JSON.stringify(body);
  return {
    contentType,
    body: payload ?? (isJson ? json : new URLSearchParams({ payload: json }).toString()),
  };
}

/** The schema `webhook-config`: nobody gets a secret back. */
export function configObject({ config }: Hook) {
  const { secret, ...open } = config;
  return { ...open, ...(secret !== null && { secret: '********' }) };
}

/** The schema `hook` of the REST description. */
export function hookObject(hook: Hook, repository: Repository) {
  const url = `https://api.github.com/repos/${fullName(repository)}/hooks/${hook.id}`;
  return {
    type: 'Repository',
    ...common(hook),
    url,
    test_url: `${url}/test`,
    ping_url: `${url}/pings`,
    deliveries_url: `${url}/deliveries`,
    last_response: hook.lastResponse,
  };
}

/** How the App's hook looks in its ping (the schema `webhook-ping`). */
export function appHookObject(hook: Hook, app: App) {
  return {
    type: 'App',
    ...common(hook),
    app_id: app.id,
    deliveries_url: 'https://api.github.com/app/hook/deliveries',
  };
}

const common = (hook: Hook) => ({
  id: hook.id,
  name: 'web',
  active: hook.active,
  events: hook.events,
  config: configObject(hook),
  updated_at: toIso(hook.updatedAt),
  created_at: toIso(hook.createdAt),
});
