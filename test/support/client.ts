import { expect } from 'vitest';
import { endpoints } from '../../functions/endpoints.ts';
import { problemBody } from '../../lib/http/bodies.ts';
import { ANYWHERE, type Contract } from '../../lib/http/endpoint.ts';
import { PROBLEMS, type ProblemCode } from '../../lib/problem.ts';
import type { World } from '../world/world.ts';

export interface Reply {
  status: number;
  headers: Headers;
  /** The parsed JSON body, or the text where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies that their contract has checked
  body: any;
  text: string;
}

export interface Ask {
  brand?: string;
  body?: unknown;
  /** Instead of `body`: the bytes as they are. */
  raw?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
}

/** A browser with a session and a cookie jar. Every answer it sees is held to its endpoint's contract. */
export class Client {
  readonly cookies = new Map<string, string>();
  readonly #world: World;
  readonly #token: string | undefined;

  constructor(world: World, token: string | undefined) {
    this.#world = world;
    this.#token = token;
  }

  get = (path: string, ask: Ask = {}) => this.send('GET', path, ask);
  post = (path: string, ask: Ask = {}) => this.send('POST', path, ask);
  put = (path: string, ask: Ask = {}) => this.send('PUT', path, ask);
  delete = (path: string, ask: Ask = {}) => this.send('DELETE', path, ask);

  /** Sends to the Worker; redirects are shown, not followed. */
  async send(method: string, path: string, ask: Ask = {}): Promise<Reply> {
    const headers = new Headers(ask.headers);
    const isApi = path.startsWith('/api/') && !path.includes('/callback');
    if (isApi && this.#token !== undefined && !headers.has('authorization')) {
      headers.set('authorization', `Bearer ${this.#token}`);
    }
    if (ask.brand !== undefined) headers.set('x-brand-id', ask.brand);
    if (ask.body !== undefined && !headers.has('content-type'))
      headers.set('content-type', 'application/json');
    if (this.cookies.size > 0)
      headers.set('cookie', [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    const response = await fetch(`${this.#world.url}${path}`, {
      method,
      headers,
      redirect: 'manual',
      body: ask.raw ?? (ask.body === undefined ? null : JSON.stringify(ask.body)),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=');
      if (/max-age=0/i.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const text = await response.text();
    const reply = { status: response.status, headers: response.headers, text, body: parsed(text) };
    holdToContract(method, path, reply);
    return reply;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Every answer has a declared status, a body of its schema, and the headers that the contract promises. */
function holdToContract(method: string, path: string, reply: Reply): void {
  const pathname = path.split('?')[0] ?? '';
  const at = (contract: Contract) =>
    new RegExp(`^${contract.path.replace(/:\w+/g, '[^/]+')}$`).test(pathname);
  const contract = endpoints.find(
    ({ contract: each }) => each.method.toUpperCase() === method && at(each),
  )?.contract;
  if (pathname.startsWith('/api')) {
    expect(reply.headers.get('cache-control'), path).toBe('no-store');
    expect(reply.headers.get('x-content-type-options'), path).toBe('nosniff');
    expect(reply.headers.get('x-request-id'), path).toMatch(/^[0-9a-f-]{36}$/);
  }
  if (reply.headers.get('content-type') === 'application/problem+json') {
    const problem = problemBody.parse(reply.body);
    const code = problem.code as ProblemCode;
    expect(PROBLEMS[code]?.status, `${method} ${path} ${problem.code}`).toBe(reply.status);
    expect(problem.request_id).toBe(reply.headers.get('x-request-id'));
    if (contract)
      expect([...contract.problems, ...ANYWHERE] as string[], `${method} ${path}`).toContain(code);
    if (reply.status === 401) expect(reply.headers.get('www-authenticate')).toBe('Bearer');
    if (reply.status === 429 || reply.status === 503)
      expect(reply.headers.get('retry-after')).toMatch(/^\d+$/);
    return;
  }
  if (!contract || reply.headers.get('content-type')?.startsWith('text/html')) return;
  const promised = contract.responses[reply.status];
  expect(promised, `${method} ${path} answered ${reply.status}`).toBeDefined();
  promised?.schema?.parse(reply.body);
}
