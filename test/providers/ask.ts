import { expect } from 'vitest';
import { fits, readConfigFields } from '../../lib/config-fields.ts';
import type { Finding, Provider } from '../../providers/provider.ts';
import type { IssuedKey, Simulator, SimulatorContext, SimulatorFactory } from '../world/simulator.ts';
import { openStores } from '../world/store.ts';

export type Key = Pick<IssuedKey, 'api_key' | 'config'>;

/** A provider's simulator with a clock and a store of its own. */
export function simulate(factory: SimulatorFactory) {
  const { store, now }: Pick<SimulatorContext, 'store' | 'now'> = {
    store: openStores(':memory:').of('provider'),
    now: () => Date.UTC(2026, 10, 24),
  };
  const client = { id: '', secret: '', redirectUris: [], settings: {} };
  const simulator = factory({ store, now, client, secret: (value) => value });
  const issue = (options?: Record<string, string>): IssuedKey => {
    const key = simulator.issueKey?.(options);
    if (!key) throw new Error('no key');
    return key;
  };
  return { store, simulator, issue };
}

/** Sends the provider's probe for a key that its grammar lets through, and gives what the answer means. */
export async function ask(provider: Provider, simulator: Simulator, key: Key) {
  if (provider.auth.type !== 'api_key') throw new Error('no key to ask with');
  expect(fits(provider.auth.key, key.api_key)).toBe(true);
  const access = { credential: key.api_key, config: readConfigFields(provider, key.config) };
  const { url, method, headers, body } = provider.probe.request(access);
  expect(simulator.host(new URL(url).hostname)).toBe(true);
  const response = await simulator.fetch(new Request(url, { method, headers, body: body ?? null }));
  const finding = read(provider, key, response.status, await response.text());
  return { status: response.status, finding };
}

/** What an answer means that no simulator gives. */
export function read(provider: Provider, key: Key, status: number, text: string): Finding | undefined {
  const access = { credential: key.api_key, config: readConfigFields(provider, key.config) };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return provider.probe.read({ status, headers: new Headers(), json }, access);
}
