import * as z from 'zod';
import { bearer, getJson, type Provider } from './provider.ts';

const project = z.object({
  id: z.number().int(),
  uuid: z.string().min(1).nullish(),
  name: z.string().nullish(),
});
/** Keys from before there were scopes have none, and may do everything. */
const ownKey = z.object({ scopes: z.tuple([z.string()], z.string()) });
const refusal = z.object({ code: z.string(), detail: z.string() });

/** What the tools read. */
const needed = ['project:read', 'query:read', 'insight:read', 'feature_flag:read', 'session_recording:read'];

/** The app's host by what people write or paste; `i` takes events in and has no private API (posthog.com/docs/api). */
const cloud = new Map([
  ['us', 'us.posthog.com'],
  ['eu', 'eu.posthog.com'],
  ['app.posthog.com', 'us.posthog.com'],
  ['us.i.posthog.com', 'us.posthog.com'],
  ['eu.i.posthog.com', 'eu.posthog.com'],
]);

/**
 * A public DNS name in lower case: no address in any spelling, no port, no name that only means something inside
 * a network, no zone that answers with the address one writes into it. What else a name resolves to can't be
 * seen from here.
 */
const publicHost = [
  '(?=.{4,253}$)(?!metadata\\.)',
  '(?!(.*\\.)?(localhost|localdomain|local|internal|intranet|private|corp|home|lan|arpa|onion|test|invalid)$)',
  '(?!(.*\\.)?(nip\\.io|sslip\\.io|xip\\.io|localtest\\.me|lvh\\.me|vcap\\.me|traefik\\.me)$)',
  '(?!.*\\d[.\\-]\\d{1,3}[.\\-]\\d{1,3}[.\\-]\\d)',
  '([a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}',
].join('');

const notUsable: ReadonlyArray<[prefix: string, why: string]> = [
  [
    'phc_',
    'That is the project’s token, which only sends events. Paste a personal API key, which begins with phx_.',
  ],
  [
    'phs_',
    'That is the project’s secret key, for feature flags. Paste a personal API key, which begins with phx_.',
  ],
  ['pha_', 'That is an OAuth access token. Paste a personal API key, which begins with phx_.'],
  ['phr_', 'That is an OAuth refresh token. Paste a personal API key, which begins with phx_.'],
];

/** https://posthog.com/docs/api and PostHog/posthog: posthog/auth.py, posthog/permissions.py, posthog/api/project.py */
export const posthog = {
  id: 'posthog',
  name: 'PostHog',
  category: 'analytics',
  docs: 'https://posthog.com/docs/api',
  // Whoever runs PostHog themselves does so at a host of their own.
  hosts: ({ host }) => (host === undefined ? [] : [host]),
  config: [
    {
      name: 'host',
      label: 'Host',
      required: true,
      pattern: publicHost,
      help: 'Where you open PostHog: us.posthog.com, eu.posthog.com, or the host name of your own installation (https).',
      normalize: (value) => {
        const host = /^(?:https:\/\/)?([a-z0-9.-]+)(?:\/.*)?$/i.exec(value)?.[1]?.toLowerCase();
        return host === undefined ? value : (cloud.get(host) ?? host);
      },
    },
    {
      name: 'project_id',
      label: 'Project ID',
      required: true,
      pattern: '[1-9][0-9]{0,14}',
      help: 'The number after /project/ in the address of your PostHog, also in PostHog under Settings, Project, General.',
      normalize: (value) => /\/project\/(\d+)(?:[/?#]|$)/.exec(value)?.[1] ?? value,
    },
  ],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'Personal API key',
      required: true,
      // The second form is from before there was a prefix, and lives on (posthog/api/personal_api_key.py).
      pattern: 'phx_[A-Za-z0-9_]{20,200}|[A-Za-z0-9_\\-]{43}',
      help: 'In PostHog under Settings, Account, Personal API keys, choose Create personal API key: access to this one project, with Read for Feature flag, Insight, Project, Query and Session recording.',
    },
    refuse: (key) => notUsable.find(([prefix]) => key.startsWith(prefix))?.[1],
  },
  *probe({ credential, config: { host, project_id } }) {
    // Any key may look at itself, whatever its scopes; older installations know no such call.
    const key = yield getJson(`https://${host}/api/personal_api_keys/@current/`, bearer(credential));
    const scopes = key.status === 200 ? ownKey.safeParse(key.json).data?.scopes : undefined;
    const missing = needed.filter((scope) => scopes !== undefined && !covers(scopes, scope));
    // Answers keys that are limited to this project too, unlike every list (ProjectViewSet.team).
    const answer = yield getJson(`https://${host}/api/projects/${project_id}/`, bearer(credential));
    const found = project.safeParse(answer.json);
    if (answer.status === 200 && found.success && String(found.data.id) === project_id) {
      // Each region counts projects on its own; the UUID is everybody's.
      const { id, uuid, name } = found.data;
      const account = { id: uuid ?? String(id), name: name ?? null };
      return { finding: 'works', account, missing, ...(scopes && { scopes }) };
    }
    const refused = refusal.safeParse(answer.json);
    if (!refused.success) return undefined;
    const { code, detail } = refused.data;
    if (answer.status === 401) {
      const other = host === 'eu.posthog.com' ? 'us.posthog.com' : 'eu.posthog.com';
      return {
        finding: 'refused',
        detail: `PostHog at ${host} does not know this key. Check that it was not deleted, and that your PostHog is at ${host} and not at ${other}: keys work in one region alone.`,
      };
    }
    if (answer.status === 404 && code === 'not_found') {
      return { finding: 'refused', detail: `The key’s owner sees no project ${project_id} at ${host}.` };
    }
    return answer.status === 403
      ? { finding: 'insufficient', detail: lacking(detail, project_id, missing) }
      : undefined;
  },
  revocation: {
    unsupported:
      'PostHog lets nobody else delete a key: delete it in PostHog under Settings, Account, Personal API keys.',
  },
  tools: ['reeve_analytics'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

/** Writing includes reading, and `*` is everything (posthog/permissions.py). */
function covers(scopes: readonly string[], scope: string): boolean {
  return ['*', scope, scope.replace(/:read$/, ':write')].some((each) => scopes.includes(each));
}

/** What a person must change, by the detail of a 403 (posthog/permissions.py). */
function lacking(detail: string, projectId: string | undefined, missing: string[]): string {
  const scope = /missing required scope '([a-z_]+:(?:read|write))'/.exec(detail)?.[1];
  if (scope !== undefined) {
    const all = [...new Set([scope, ...missing])].join(', ');
    return `The key works, but lacks ${all}. Add what is missing in PostHog under Settings, Account, Personal API keys.`;
  }
  if (/does not allow using personal API keys/.test(detail)) {
    return 'Your PostHog organization does not let members use personal API keys. Ask an admin of it to allow them, or to make the key.';
  }
  return `The key works, but may not reach project ${projectId}. Give it access to this project in PostHog under Settings, Account, Personal API keys.`;
}
