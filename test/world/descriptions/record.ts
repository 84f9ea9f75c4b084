import type { Descriptions } from '../descriptions.ts';

export interface Violation {
  provider: string;
  method: string;
  path: string;
  violations: string[];
}

export interface Undescribed {
  provider: string;
  method: string;
  host: string;
  path: string;
  /** Whether the address is of the API that is described: then its path is one that was cut, or a wrong one. */
  isOfTheApi: boolean;
}

/** What the descriptions say of the requests that a gateway has had; a reset doesn't forget it. */
export interface Described {
  counts: { checked: number; fits: number; notDescribed: number };
  /** How many of each provider's fit: a provider that isn't here was asked for nothing that is described. */
  fitting: Record<string, number>;
  violations: Violation[];
  notDescribed: Undescribed[];
  /** Checks one more request; resolves without a word about the outcome. */
  note(provider: string, request: Request): Promise<void>;
}

/** Without descriptions, and for a provider that has none, nothing is noted. */
export function startRecord(descriptions: Descriptions | undefined): Described {
  const counts = { checked: 0, fits: 0, notDescribed: 0 };
  const fitting: Record<string, number> = {};
  const violations: Violation[] = [];
  const notDescribed: Undescribed[] = [];
  return {
    counts,
    fitting,
    violations,
    notDescribed,
    async note(provider, request) {
      if (!descriptions?.has(provider)) return;
      const body = await request.clone().text();
      // A check that can't be made must not look like a provider that is down.
      const verdict = await descriptions
        .check(provider, request, body)
        .catch((error: unknown) => ({ violations: [`there was no check: ${error}`] }));
      const { method, url } = request;
      const { host, pathname: path } = new URL(url);
      counts.checked += 1;
      if (verdict === 'fits') {
        counts.fits += 1;
        fitting[provider] = (fitting[provider] ?? 0) + 1;
      } else if (verdict !== 'not described') violations.push({ provider, method, path, ...verdict });
      else {
        counts.notDescribed += 1;
        const isOfTheApi = await descriptions.covers(provider, new URL(url));
        notDescribed.push({ provider, method, host, path, isOfTheApi });
      }
    },
  };
}
