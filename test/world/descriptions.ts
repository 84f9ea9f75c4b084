import type { Description, Sent, Verdict } from './descriptions/description.ts';
import { sources } from './descriptions/sources.ts';

export type { Verdict };

/** The providers' own machine-readable descriptions of what may be sent to them. */
export interface Descriptions {
  has(provider: string): boolean;
  /** Whether an address is of an API that is described, also where its path isn't. */
  covers(provider: string, url: URL): Promise<boolean>;
  check(provider: string, request: Request, body: string): Promise<Verdict>;
  /** What didn't fit an old description, though a newer one found no fault. */
  doubts: string[];
}

/** The providers that have a description. */
export const DESCRIBED: readonly string[] = Object.keys(sources);

const opened = new Map<string, Descriptions>();

/** The descriptions in a directory, each read at its first use and once a process; undefined without one. */
export function openDescriptions(directory: string | undefined): Descriptions | undefined {
  if (directory === undefined) return undefined;
  const made = opened.get(directory) ?? open(directory);
  opened.set(directory, made);
  return made;
}

function open(directory: string): Descriptions {
  const reading = new Map<string, Promise<{ description: Description; isOld: boolean }[]>>();
  const doubts: string[] = [];

  const read = (provider: string) => {
    const descriptions =
      reading.get(provider) ??
      Promise.all(
        (sources[provider] ?? []).map(async ({ open, isOld = false }) => ({
          description: await open(directory),
          isOld,
        })),
      );
    reading.set(provider, descriptions);
    return descriptions;
  };

  return {
    doubts,
    has: (provider) => Object.hasOwn(sources, provider),
    covers: async (provider, url) =>
      (await read(provider)).some(({ description }) => description.covers(url)),
    async check(provider, { method, url, headers }, body) {
      const sent: Sent = { method, url: new URL(url), headers, body };
      let verdict: Verdict = 'not described';
      for (const { description, isOld } of await read(provider)) {
        if (verdict !== 'not described' && !isOld) continue;
        const said = description.check(sent);
        if (isOld && typeof said === 'object') {
          doubts.push(`${provider} ${method} ${sent.url.pathname}: ${said.violations.join('; ')}`);
        } else if (verdict === 'not described') verdict = said;
      }
      return verdict;
    },
  };
}
