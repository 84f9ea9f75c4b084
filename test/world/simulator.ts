import type { Store } from './store.ts';

/** An OAuth client as the developer registered it in the provider's console. */
export interface RegisteredClient {
  id: string;
  secret: string;
  redirectUris: string[];
  /** What else the console gave (a developer token, an App's id and key), by its name behind the provider's prefix. */
  settings: Record<string, string>;
}

export interface SimulatorContext {
  /** Outlives a restart of the local stack. */
  store: Store;
  /** The registered OAuth client, for providers that have one. */
  client: RegisteredClient;
  /** Milliseconds since 1970; tests move it. */
  now(): number;
  /** Every secret a simulator hands out passes through here, so that the leak test can look for it. */
  secret(value: string): string;
}

/** A key as a person would make it in the provider's settings. */
export interface IssuedKey {
  api_key: string;
  /** The rest of what POST /api/connectors/connect wants in `config`. */
  config: Record<string, string>;
  account: { id: string; name: string | null };
}

/** Something that happens at a provider and is told by webhook; what else it takes, each simulator says. */
export interface Happening {
  /** The event or topic, by the provider's own name. */
  event: string;
  /** Whose it is: a shop, an account, a login; the simulator's first one without it. */
  account?: string;
  /** The body to be sent byte for byte, in place of one that the simulator makes. */
  payload?: string;
  [option: string]: string | undefined;
}

/** A webhook that a simulator has sent. */
export interface Delivered {
  url: string;
  /** As the provider names the delivery. */
  id: string;
  status: number | 'no answer';
}

/**
 * A provider, written from its documentation: strict about what it accepts. It sees requests with the
 * real URL (`https://api.github.com/user`), whatever address the gateway was reached at.
 */
export interface Simulator {
  /** Provider id, as in the catalogue. */
  provider: string;
  /** Whether the provider answers at this host name. */
  host(hostname: string): boolean;
  /** Where two providers answer at one host: whether this request is for this one. */
  claims?(request: Request): boolean | Promise<boolean>;
  /** Makes the client's `settings` that the local stack has by default. */
  settings?: Record<string, () => string>;
  fetch(request: Request): Response | Promise<Response>;
  /** Makes a key in the provider's settings; `options` bend it (permissions, account), each simulator says how. */
  issueKey?(options?: Record<string, string>): IssuedKey;
  /** Lets something happen, and sends the webhooks that are registered for it. */
  happen?(happening: Happening): Promise<Delivered[]>;
}

export type SimulatorFactory = (context: SimulatorContext) => Simulator;
