import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, randomInt } from 'node:crypto';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { simpleUser, userOf } from './accounts.ts';

/** A GitHub App as its owner registered it: with webhook events, and with user authorization during installation. */
export interface App {
  id: number;
  slug: string;
  clientId: string;
  /** Null where the owner has not made a private key. */
  publicKey: KeyObject | null;
  /** What its webhook is subscribed to, beside what no App can unsubscribe from. */
  readonly events: readonly string[];
}

/** What the App asks for and every installation of it has. */
export const PERMISSIONS: Record<string, string> = {
  actions: 'read',
  contents: 'read',
  deployments: 'read',
  metadata: 'read',
  pull_requests: 'read',
};

const EVENTS = ['deployment_status', 'pull_request', 'push', 'workflow_run'];

const appSettings = z.object({
  APP_ID: z.coerce.number().int().positive(),
  APP_SLUG: z.string().default('reeve-local'),
  APP_PRIVATE_KEY: z.string().optional(),
  APP_WEBHOOK_SECRET: z.string().optional(),
});

/** The settings of a newly registered App; its key is PKCS#1, as GitHub hands it out. */
export const githubAppSettings: Record<string, () => string> = {
  APP_ID: () => String(randomInt(1_000_000, 2_000_000)),
  APP_PRIVATE_KEY: () =>
    generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }).privateKey,
  APP_WEBHOOK_SECRET: () => randomBytes(32).toString('hex'),
};

/** The App whose client this is; null for the client of an OAuth App. */
export function appOf({ store, client, secret }: SimulatorContext): App | null {
  if (!client.settings.APP_ID) return null;
  const settings = appSettings.parse(client.settings);
  if (settings.APP_WEBHOOK_SECRET !== undefined) secret(settings.APP_WEBHOOK_SECRET);
  return {
    id: settings.APP_ID,
    slug: settings.APP_SLUG,
    clientId: client.id,
    publicKey:
      settings.APP_PRIVATE_KEY === undefined
        ? null
        : // Environment files hold a PEM in one line.
          createPublicKey(secret(settings.APP_PRIVATE_KEY).replaceAll('\\n', '\n')),
    get events() {
      return store.get<string[]>('settings.appEvents') ?? EVENTS;
    },
  };
}

/** The schema `integration` of the REST description. */
export function appObject(app: App, installationsCount: number) {
  return {
    id: app.id,
    slug: app.slug,
    client_id: app.clientId,
    node_id: btoa(`011:Integration${app.id}`),
    owner: simpleUser(userOf('octocat')),
    name: 'Reeve',
    description: '',
    external_url: 'https://reeve.example',
    html_url: `https://github.com/apps/${app.slug}`,
    created_at: '2026-01-05T09:00:00Z',
    updated_at: '2026-01-05T09:00:00Z',
    permissions: PERMISSIONS,
    events: app.events,
    installations_count: installationsCount,
  };
}
