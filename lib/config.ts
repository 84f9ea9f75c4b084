import * as z from 'zod';
import type { OAuthClient } from '../providers/provider.ts';
import { unavailable } from './problem.ts';

/** The Worker's settings, checked once an isolate; names and meaning stand in the README. */
export type Config = z.infer<typeof schema>;

/** An origin that browsers may be sent to: https, or http on loopback. */
const publicUrl = z.url().refine((value) => {
  const { protocol, hostname } = new URL(value);
  return (
    protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
  );
}, 'must be https, or http on loopback');

const schema = z.object({
  PUBLIC_URL: publicUrl,
  COCKPIT_URL: publicUrl.optional(),
  OAUTH_BROWSER_BINDING: z.enum(['on', 'off']).default('on'),
  STATE_KEY: z.string().min(32),
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//),
  NEON_FETCH_ENDPOINT: z.url().optional(),
  AWS_REGION: z.string().min(1),
  AWS_ACCESS_KEY_ID: z.string().min(1),
  AWS_SECRET_ACCESS_KEY: z.string().min(1),
  KMS_KEY_ID: z.string().min(1),
  AWS_ENDPOINT_URL_KMS: z.url().optional(),
});

const read = new WeakMap<object, Config>();

/** Reads and checks the bindings. Throws `unavailable`, whose reason names the bad settings and shows no value. */
export function readConfig(env: object): Config {
  const known = read.get(env);
  if (known) return known;
  const result = schema.safeParse(env);
  if (!result.success) {
    const names = result.error.issues.map((issue) => String(issue.path[0]));
    throw unavailable(`settings missing or not valid: ${names.join(', ')}`, 60);
  }
  read.set(env, result.data);
  return result.data;
}

/** A provider's OAuth client: `ID_CLIENT_ID` and `ID_CLIENT_SECRET`. Undefined where either is missing. */
export function oauthClient(env: object, providerId: string): OAuthClient | undefined {
  const prefix = providerId.toUpperCase();
  const settings: Record<string, unknown> = { ...env };
  const id = settings[`${prefix}_CLIENT_ID`];
  const secret = settings[`${prefix}_CLIENT_SECRET`];
  return typeof id === 'string' && id !== '' && typeof secret === 'string' && secret !== ''
    ? { id, secret }
    : undefined;
}

/** The page callbacks land on unless the flow says otherwise. */
export function connectorsPage(config: Config): string {
  return config.COCKPIT_URL ?? new URL('/cockpit', config.PUBLIC_URL).href;
}

/** Where a flow may return to, and who may call with credentials from a browser. */
export function allowedOrigins(config: Config): string[] {
  return [...new Set([new URL(connectorsPage(config)).origin, new URL(config.PUBLIC_URL).origin])];
}

/** Cookies get the `__Host-` prefix and Secure wherever the Worker is reached over https. */
export function isSecure(config: Config): boolean {
  return config.PUBLIC_URL.startsWith('https:');
}
