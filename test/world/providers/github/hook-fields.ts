import { z } from 'zod';
import { REPOSITORY_EVENTS } from './event-names.ts';
import type { Hook, HookConfig, HookFields } from './hooks.ts';

/** Types are all that the first look checks; what the words mean, the second. */
export const configBody = z.strictObject({
  url: z.string().optional(),
  content_type: z.string().optional(),
  secret: z.string().optional(),
  insecure_ssl: z.union([z.string(), z.number()]).optional(),
});

export const hookBody = z.strictObject({
  name: z.string().default('web'),
  active: z.boolean().default(true),
  events: z.array(z.string()).default(['push']),
  config: configBody.default({}),
});

export const hookChange = z.strictObject({
  active: z.boolean().optional(),
  events: z.array(z.string()).optional(),
  add_events: z.array(z.string()).default([]),
  remove_events: z.array(z.string()).default([]),
  config: configBody.optional(),
});

export interface HookError {
  resource: 'Hook';
  code: string;
  field?: string;
  message?: string;
}

const LIMIT = 20;
const EVENTS = new Set<string>(['*', ...REPOSITORY_EVENTS]);

/** A hook is only for the web; other services ended in 2019. */
export function nameErrors(name: string): HookError[] {
  return name === 'web' ? [] : [invalid('name')];
}

/** The whole of a hook's config: nothing that was there before outlives it, a secret neither. */
export function readConfig(config: z.infer<typeof configBody>): HookConfig | HookError[] {
  if (!config.url) return [custom('Config must contain URL for webhooks')];
  const read = readPart(config);
  if (Array.isArray(read)) return read;
  return { content_type: 'form', secret: null, insecure_ssl: '0', url: config.url, ...read };
}

/** What is said of a config. The documentation has no wording for a wrong type or flag: `invalid` is a guess. */
export function readPart({
  url,
  content_type,
  secret,
  insecure_ssl,
}: z.infer<typeof configBody>): Partial<HookConfig> | HookError[] {
  if (url !== undefined && !isWebUrl(url)) return [custom(BAD_URL)];
  const type = z.enum(['json', 'form']).optional().safeParse(content_type);
  const flag = z.enum(['0', '1']).safeParse(String(insecure_ssl ?? '0'));
  if (!type.success || !flag.success) return [invalid('config')];
  return {
    ...(url !== undefined && { url }),
    ...(type.data !== undefined && { content_type: type.data }),
    ...(secret !== undefined && { secret: secret === '' ? null : secret }),
    ...(insecure_ssl !== undefined && { insecure_ssl: flag.data }),
  };
}

const BAD_URL =
  "The URL you've entered is not valid. Please make sure that you encode all special characters first";

/** The real service refuses localhost too, where all of this world is. */
const isWebUrl = (url: string) => URL.canParse(url) && /^https?:\/\/[^\s"]+$/i.test(url);

/**
 * Why a repository cannot have the hook beside its others: each has a config of its own, or events of its own
 * (rest/repos/webhooks); which part of the config counts is not said, here it is the URL. The wording for an event
 * that nobody knows is a guess.
 */
export function eventErrors({ events, config }: HookFields, others: Hook[]): HookError[] {
  if (events.length === 0 || !events.every((event) => EVENTS.has(event))) return [invalid('events')];
  const isAlike = others.some((other) => other.config.url === config.url && overlap(other.events, events));
  if (isAlike) return [custom('Hook already exists on this repository')];
  return events
    .filter((event) => others.filter((other) => other.events.includes(event)).length >= LIMIT)
    .map((event) => custom(`The "${event}" event cannot have more than ${LIMIT} hooks`));
}

function overlap(one: readonly string[], other: readonly string[]): boolean {
  return one.includes('*') || other.includes('*') || one.some((event) => other.includes(event));
}

const custom = (message: string): HookError => ({ resource: 'Hook', code: 'custom', message });
const invalid = (field: string): HookError => ({ resource: 'Hook', field, code: 'invalid' });
