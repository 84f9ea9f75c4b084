import type { RegisteredClient, SimulatorContext } from '../world/simulator.ts';
import { openStores } from '../world/store.ts';

export interface TestContext extends SimulatorContext {
  /** What `now` answers; tests move it. */
  clock: number;
  /** All that has passed through `secret`. */
  secrets: Set<string>;
}

/** Of providers that have no OAuth. */
export const NOBODY: RegisteredClient = { id: '', secret: '', redirectUris: [], settings: {} };

/** What a simulator has around it in a test of its own: an empty store, a clock that stands, and an ear for secrets. */
export function openContext(part: string, client = NOBODY): TestContext {
  const secrets = new Set<string>();
  const context: TestContext = {
    store: openStores(':memory:').of(part),
    client,
    clock: Date.UTC(2026, 10, 24),
    secrets,
    now: () => context.clock,
    secret: (value) => {
      secrets.add(value);
      return value;
    },
  };
  return context;
}
