import * as z from 'zod';
import { unavailable } from './problem.ts';

/** The Worker's settings, checked once an isolate; names and meaning stand in the README. */
export type Config = z.infer<typeof schema>;

/** Whether what is nobody else's may be sent there: https, or http on loopback, with no password in the address. */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  const isLocal = url?.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  return (url?.protocol === 'https:' || isLocal) && url?.username === '' && url.password === '';
}

const publicUrl = z.url().refine(isSafeUrl, 'must be https, or http on loopback, with no password in it');

const databaseSettings = z.object({
  DATABASE_URL: z
    .string()
    .trim()
    .regex(/^postgres(ql)?:\/\//),
  NEON_FETCH_ENDPOINT: z.url().optional(),
});

const kmsSettings = z.object({
  AWS_REGION: z.string().trim().min(1),
  AWS_ACCESS_KEY_ID: z.string().trim().min(1),
  AWS_SECRET_ACCESS_KEY: z.string().trim().min(1),
  KMS_KEY_ID: z.string().trim().min(1),
  AWS_ENDPOINT_URL_KMS: z.url().optional(),
});

const schema = z.object({
  PUBLIC_URL: publicUrl,
  COCKPIT_URL: publicUrl.optional(),
  OAUTH_BROWSER_BINDING: z.enum(['on', 'off']).default('on'),
  STATE_KEY: z.string().min(32),
  GRANT_KEY: z.string().min(32),
  AGENT_EVENTS_URL: publicUrl.optional(),
  AGENT_EVENTS_SECRET: z.string().trim().startsWith('whsec_').optional(),
  ...databaseSettings.shape,
  ...kmsSettings.shape,
});

/** What PostgreSQL alone needs. */
export type DatabaseConfig = z.infer<typeof databaseSettings>;
/** What KMS alone needs. */
export type KmsConfig = z.infer<typeof kmsSettings>;

const read = new WeakMap<object, Config>();

/** Reads and checks the bindings. Throws `unavailable`, whose reason names the bad settings and shows no value. */
export function readConfig(env: object): Config {
  const known = read.get(env);
  if (known) return known;
  const config = checked(schema, env);
  read.set(env, config);
  return config;
}

/** The same for who works with PostgreSQL alone. */
export function readDatabaseConfig(env: object): DatabaseConfig {
  return checked(databaseSettings, env);
}

/** The same for who works with KMS alone. */
export function readKmsConfig(env: object): KmsConfig {
  return checked(kmsSettings, env);
}

function checked<Settings>(settings: z.ZodType<Settings>, env: object): Settings {
  const result = settings.safeParse(env);
  if (result.success) return result.data;
  const names = result.error.issues.map((issue) => String(issue.path[0]));
  throw unavailable(`settings missing or not valid: ${names.join(', ')}`, 60);
}

const settingsRead = new WeakMap<object, Map<string, Readonly<Record<string, string>>>>();

/** What is set with a provider's prefix, by the names behind it: `CLIENT_ID` of `GITHUB_CLIENT_ID`. */
export function providerSettings(env: object, providerId: string): Readonly<Record<string, string>> {
  const known = settingsRead.get(env) ?? new Map<string, Readonly<Record<string, string>>>();
  settingsRead.set(env, known);
  const settings = known.get(providerId) ?? readProviderSettings(env, providerId);
  known.set(providerId, settings);
  return settings;
}

function readProviderSettings(env: object, providerId: string): Readonly<Record<string, string>> {
  const prefix = `${providerId.toUpperCase()}_`;
  const own = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[0].startsWith(prefix) && typeof entry[1] === 'string' && entry[1].trim() !== '',
  );
  // What was piped into a secret store ends with a newline.
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value.trim()]));
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
