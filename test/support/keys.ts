import { expect } from 'vitest';
import type { IssuedKey, Simulator } from '../world/simulator.ts';
import type { World } from '../world/world.ts';
import type { Ask, Client, Reply } from './client.ts';

/** A key as a person makes it in the provider's settings. */
export function issueKey(world: World, provider: string, options: Record<string, string> = {}): IssuedKey {
  return keyOf(world.gateway.simulator(provider), options);
}

/** The same, of a simulator that stands in no world. */
export function keyOf(simulator: Simulator, options?: Record<string, string>): IssuedKey {
  const key = simulator.issueKey?.(options);
  if (!key) throw new Error(`${simulator.provider} has no keys`);
  return key;
}

/** Posts to connect; `more` joins or overrides the members of the body. */
export function connect(
  client: Client,
  provider: string,
  key: Pick<IssuedKey, 'api_key' | 'config'>,
  { brand, ...more }: Pick<Ask, 'brand'> & Record<string, unknown> = {},
): Promise<Reply> {
  const body = { provider, api_key: key.api_key, config: key.config, ...more };
  return client.post('/api/connectors/connect', { ...(brand !== undefined && { brand }), body });
}

/** Connects with a new key, and gives both. */
export async function connectWithNewKey(
  world: World,
  client: Client,
  provider: 'stripe' | 'zendesk',
  options: { brand?: string; key?: Record<string, string> } = {},
): Promise<{ key: IssuedKey; reply: Reply }> {
  const key = issueKey(world, provider, options.key);
  const reply = await connect(
    client,
    provider,
    key,
    options.brand === undefined ? {} : { brand: options.brand },
  );
  expect(reply.status, reply.text).toBe(201);
  return { key, reply };
}
