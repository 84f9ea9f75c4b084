import type { Answer, Config, HttpRequest, Provider } from '../providers/provider.ts';
import { readBounded } from './bounded-read.ts';
import { fitsAll } from './config-fields.ts';
import { parseJsonExactly, textsAt } from './json-text.ts';
import type { Meter } from './meter.ts';

/** Why no answer came: the deadline, the network, a redirect, more bytes than we read, or a host that nobody was asked at. */
export type OutboundFailure = 'timeout' | 'network' | 'redirect' | 'too_large' | 'host';

/** The way to a provider. */
export interface Outlet {
  /** Where its requests may go, as `Provider.hosts` has them. */
  hosts: readonly string[];
  meter: Meter;
}

/** The way to a provider by a connection's config; there is none by one that no person can have given. */
export function outletOf({ hosts, config: fields }: Provider, config: Config, meter: Meter): Outlet {
  return { hosts: fitsAll(fields, config) ? hosts(config) : [], meter };
}

export class OutboundError extends Error {
  readonly failure: OutboundFailure;

  constructor(failure: OutboundFailure) {
    super(failure);
    this.failure = failure;
  }
}

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 512 * 1024;

/**
 * Makes every call to the outside, to the provider's own hosts alone, over TLS: what a request is made of, a row of the
 * database among it, decides nothing about who gets a credential. Redirects are not followed: the runtime would carry
 * custom credential headers to another origin. The answer is read to a bound, and parsed where it is JSON, whatever its
 * content type says. Throws `OutboundError`, which holds nothing of the request or the answer.
 */
export async function send(
  request: HttpRequest,
  { hosts, meter }: Outlet,
  leftMs = DEADLINE_MS,
): Promise<Answer> {
  if (!mayGo(request.url, hosts)) throw new OutboundError('host');
  meter.provider += 1;
  const signal = AbortSignal.timeout(Math.min(leftMs, DEADLINE_MS));
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      redirect: 'manual',
      signal,
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      if (!request.takesRedirect) throw new OutboundError('redirect');
      return { status: response.status, headers: response.headers, json: undefined, texts: () => [] };
    }
    const bytes = await readBounded(response, request.maxBytes ?? MAX_ANSWER_BYTES);
    if (!bytes) throw new OutboundError('too_large');
    const text = new TextDecoder().decode(bytes);
    return {
      status: response.status,
      headers: response.headers,
      json: parseJsonExactly(text),
      texts: (...path) => textsAt(text, ...path),
    };
  } catch (error) {
    if (error instanceof OutboundError) throw error;
    throw new OutboundError(signal.aborted ? 'timeout' : 'network');
  }
}

function mayGo(to: string, hosts: readonly string[]): boolean {
  const url = URL.parse(to);
  if (url?.protocol !== 'https:' || url.port !== '' || url.username !== '' || url.password !== '')
    return false;
  return hosts.some((host) =>
    host.startsWith('*.')
      ? url.hostname.endsWith(host.slice(1)) && /^[a-z0-9-]+$/.test(url.hostname.slice(0, 1 - host.length))
      : url.hostname === host,
  );
}
