/** A request on its way to a provider. */
export interface Sent {
  method: string;
  url: URL;
  headers: Headers;
  body: string;
}

export type Verdict = 'fits' | 'not described' | { violations: string[] };

/** One machine-readable description of a provider's API. */
export interface Description {
  /** Whether the address is of the API that is described, be its path one of those that are kept or not. */
  covers(url: URL): boolean;
  check(sent: Sent): Verdict;
}

/** What makes a request unfit, in words that quote nothing of its values. */
export class Unfit extends Error {}

export function mediaType(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

export function readJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Unfit('body: is not JSON');
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
