import { expect, vi } from 'vitest';
import type { Fault } from '../world/gateway.ts';
import { signQuery } from '../world/providers/shopify/signature.ts';
import type { Client, Reply } from './client.ts';
import { authorize, consent, type FlowOptions } from './flows.ts';
import { sha256 } from './newcomer.ts';
import type { TestWorld } from './open-world.ts';

/** A flow up to the address that the provider sends the browser to. */
export async function callbackUrl(client: Client, provider: string, options: FlowOptions = {}): Promise<URL> {
  const query = { ...(provider === 'shopify' && { shop: 'north-store.myshopify.com' }), ...options.query };
  return consent(await authorize(client, provider, { ...options, query }), options);
}

/** The same address with other parameters; `undefined` takes one out. */
export function altered(url: URL, parameters: Record<string, string | undefined>): URL {
  const other = new URL(url);
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) other.searchParams.delete(name);
    else other.searchParams.set(name, value);
  }
  return other;
}

/** The same address with one more parameter, whether or not it stands there already. */
export function appended(url: URL, name: string, value: string): URL {
  const other = new URL(url);
  other.searchParams.append(name, value);
  return other;
}

/** A Shopify callback signed anew, as only Shopify or somebody with our secret can. */
export function signedAgain(world: TestWorld, url: URL): URL {
  const secret = world.store('world').get<string>('shopify/client-secret') ?? '';
  return altered(url, { hmac: signQuery(url.searchParams, secret) });
}

/** The record of a flow as it stands in KV, which outlives its state there. */
export async function keptFlow(world: TestWorld, state: string) {
  const kv = await world.miniflare.getKVNamespace('STATES');
  const key = `state:${sha256(state)}`;
  return {
    read: async (): Promise<string> => String(await kv.get(key)),
    write: (text: string) => kv.put(key, text),
  };
}

/** Calls to the token endpoints of all providers since the last reset. */
export function tokenRequests(world: TestWorld): number {
  return world.gateway.calls.filter((call) => call.method === 'POST' && /access_token$/.test(call.path))
    .length;
}

/** Bends the next token request at a provider. */
export function bendTokenRequest(
  world: TestWorld,
  fault: Pick<Fault, 'delay' | 'respond' | 'drop'>,
  provider = 'github',
): void {
  world.gateway.misbehave({ provider, match: 'oauth/access_token', times: 1, ...fault });
}

/** Runs `meanwhile` while a token request, held up for a moment, is under way. */
export async function duringTokenRequest(
  world: TestWorld,
  start: () => Promise<Reply>,
  meanwhile: () => Promise<unknown>,
): Promise<Reply> {
  bendTokenRequest(world, { delay: 400 });
  const answer = start();
  await vi.waitFor(() => expect(tokenRequests(world)).toBe(1), { interval: 5 });
  await meanwhile();
  return answer;
}

/** What a problem says, apart from the request it was said to. */
export function told({ body }: Reply): unknown {
  const { request_id: _, ...rest } = body;
  return rest;
}

/** What a redirect back to the Cockpit says of the flow. */
export function outcome(reply: Reply): Record<string, string> {
  expect(reply.status, reply.text).toBe(302);
  return Object.fromEntries(new URL(reply.headers.get('location') ?? '').searchParams);
}
