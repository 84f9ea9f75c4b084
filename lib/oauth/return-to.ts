import { allowedOrigins, type Config, connectorsPage } from '../config.ts';
import { invalidInput } from '../problem.ts';

const MAX_LENGTH = 2_048;

/** The page a flow returns to: on an allowed origin, or the connectors page. Throws `invalid_request`. */
export function returnTo(config: Config, value: string | undefined): string {
  if (value === undefined) return connectorsPage(config);
  // What a URL parser would drop or turn into a slash is refused before it parses.
  const plain = value.length <= MAX_LENGTH && /^https?:\/\/[\u0021-\u005b\u005d-\u007e]+$/.test(value);
  const url = plain ? URL.parse(value) : null;
  if (url && url.username === '' && url.password === '' && allowedOrigins(config).includes(url.origin)) {
    return url.href;
  }
  throw invalidInput('return_to', 'return_to must be an absolute URL on the Cockpit’s origin.');
}

/**
 * `return_to` with the flow's outcome; whatever it says of code, state or outcome itself is dropped. A browser carries
 * the fragment of a provider's redirect on to the page unless ours has one of its own (RFC 9700 section 4.1.3).
 */
export function outcomeUrl(
  page: string,
  outcome: { provider: string; status: 'connected' | 'error'; error?: string },
): string {
  const url = new URL(page);
  for (const name of ['code', 'state', 'provider', 'status', 'error']) url.searchParams.delete(name);
  for (const [name, value] of Object.entries(outcome)) url.searchParams.set(name, value);
  if (url.hash === '') url.hash = '#_';
  return url.href;
}
