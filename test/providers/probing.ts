import type { Config, Finding, Provider } from '../../providers/provider.ts';
import type { IssuedKey, Simulator, SimulatorFactory } from '../world/simulator.ts';
import { openStores, type Store } from '../world/store.ts';

/** A provider's file and its simulator, face to face: the probe's request is sent, and its answer read. */
export interface Probing {
  store: Store;
  simulator: Simulator;
  issue(options?: Record<string, string>): IssuedKey;
  probe(key: { api_key: string; config: Config }): Promise<Finding | undefined>;
}

export function probing(provider: Provider, factory: SimulatorFactory): Probing {
  const store = openStores(':memory:').of(provider.id);
  const client = { id: '', secret: '', redirectUris: [], settings: {} };
  const simulator = factory({ store, client, now: Date.now, secret: (value) => value });
  return {
    store,
    simulator,
    issue: (options) => {
      const issued = simulator.issueKey?.(options);
      if (!issued) throw new Error('no key');
      return issued;
    },
    probe: async ({ api_key, config }) => {
      const access = { credential: api_key, config };
      const { url, method, headers, body = null } = provider.probe.request(access);
      if (!simulator.host(new URL(url).hostname)) throw new Error(`nobody answers at ${url}`);
      const {
        status,
        headers: answered,
        text,
      } = await told(await simulator.fetch(new Request(url, { method, headers, body })));
      return provider.probe.read({ status, headers: answered, json: parsed(text) }, access);
    },
  };
}

/** The sentence of a finding that has one. */
export function detailOf(finding: Finding | undefined): string | undefined {
  return finding && 'detail' in finding ? finding.detail : undefined;
}

async function told(response: Response) {
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
