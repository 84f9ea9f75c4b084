import { expect } from 'vitest';
import type { Ask, Client, Reply } from './client.ts';

export interface FlowOptions extends Ask {
  /** More for the authorize query. */
  query?: Record<string, string>;
  account?: string;
  /** What the person leaves checked; all without it. */
  scopes?: string[];
  decision?: 'approve' | 'deny';
  json?: boolean;
}

/** Begins a flow; gives the authorization URL. */
export async function authorize(client: Client, provider: string, options: FlowOptions = {}): Promise<URL> {
  const query = new URLSearchParams(options.query);
  const reply = await client.get(`/api/oauth/${provider}/authorize?${query}`, options);
  expect(reply.status, reply.text).toBe(200);
  return new URL(reply.body.authorization_url);
}

/** Goes through the provider's consent screen as a person would; gives the URL it sends the browser to. */
export async function consent(url: URL, options: FlowOptions = {}): Promise<URL> {
  const page = await fetch(url, { redirect: 'manual' });
  const html = await page.text();
  expect(page.status, html).toBe(200);
  const values = (name: string) =>
    [...html.matchAll(new RegExp(`<input[^>]*name="${name}"[^>]*value="([^"]*)"`, 'g'))].map(
      (match) => match[1] ?? '',
    );
  const accounts = [...html.matchAll(/<option>([^<]*)<\/option>/g)].map((match) => match[1] ?? '');
  const form = new URLSearchParams({
    decision: options.decision ?? 'approve',
    account: options.account ?? accounts[0] ?? '',
  });
  for (const scope of options.scopes ?? values('scopes')) form.append('scopes', scope);
  const answer = await fetch(url, { method: 'POST', body: form, redirect: 'manual' });
  const location = answer.headers.get('location');
  expect(location, await answer.text()).not.toBeNull();
  return new URL(location ?? '');
}

/** Presents a callback URL in the client's browser. */
export function present(client: Client, url: URL, options: FlowOptions = {}): Promise<Reply> {
  return client.get(`${url.pathname}${url.search}`, {
    headers: { accept: options.json === false ? 'text/html' : 'application/json', ...options.headers },
  });
}

/** A whole flow, from authorize to the callback's answer. */
export async function connectByOAuth(
  client: Client,
  provider: string,
  options: FlowOptions = {},
): Promise<Reply> {
  const query = { ...(provider === 'shopify' && { shop: 'north-store.myshopify.com' }), ...options.query };
  const url = await authorize(client, provider, { ...options, query });
  return present(client, await consent(url, options), options);
}
