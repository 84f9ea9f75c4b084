import { type Described, startRecord } from './descriptions/record.ts';
import type { Descriptions } from './descriptions.ts';
import { type HttpServer, type Served, serve } from './http-server.ts';
import type { Simulator } from './simulator.ts';

/** Names a request from the Worker, that the runtime may send twice. */
export const REQUEST_ID = 'x-world-request';

/** One request that reached a provider. */
export interface Call {
  provider: string;
  method: string;
  host: string;
  path: string;
  status: number | 'dropped';
}

/** How a provider misbehaves: for calls whose `METHOD host/path` matches, `times` of them (without end). */
export interface Fault {
  provider: string;
  match?: string;
  times?: number;
  /** Milliseconds before anything else happens. */
  delay?: number;
  /** Milliseconds that the provider takes in all, from the request to its answer. */
  takes?: number;
  /** Milliseconds between the provider's work and its answer. */
  hold?: number;
  /** Answers this instead of asking the provider. */
  respond?: { status: number; headers?: Record<string, string>; body?: string };
  /** Ends the connection; `after` lets the provider do its work first, as when only the answer is lost. */
  drop?: 'before' | 'after';
}

export interface Gateway extends HttpServer {
  calls: Call[];
  /** How the calls so far fit the providers' descriptions, where there are any. */
  described: Described;
  /** How many calls a provider has had, of those whose `METHOD host/path` matches. */
  count(provider: string, match?: RegExp): number;
  misbehave(fault: Fault): void;
  /** Decides about each call that no fault is for; a reset forgets it. */
  decide(bend: (call: Call) => Omit<Fault, 'provider'> | undefined): void;
  /** Ends all misbehaviour and forgets the calls. */
  reset(): void;
  simulator(provider: string): Simulator;
}

/**
 * Where the providers are reached: `/HOST/PATH` is `https://HOST/PATH`. Under `/_world` a person bends the
 * world: `GET /_world/calls`, `POST /_world/faults` (a Fault), `DELETE /_world/faults`, and
 * `POST /_world/PROVIDER/keys` to make a key as in the provider's settings, and `POST /_world/PROVIDER/happen?event=…`
 * to let something happen there that is told by webhook (options in the query; a body is sent as it is).
 */
export async function startGateway(
  simulators: readonly Simulator[],
  descriptions?: Descriptions,
  port = 0,
): Promise<Gateway> {
  const calls: Call[] = [];
  const described = startRecord(descriptions);
  /** The runtime sends a request without a body again when its connection has ended: it gets no other answer. */
  const dropped = new Set<string>();
  let faults: Fault[] = [];
  let decided: Parameters<Gateway['decide']>[0] = () => undefined;

  const simulator = (provider: string) => {
    const found = simulators.find((each) => each.provider === provider);
    if (!found) throw new Error(`no simulator for ${provider}`);
    return found;
  };

  async function answer(request: Request, signal: AbortSignal, arrived: number): Promise<Served> {
    const [, host = '', ...rest] = new URL(request.url).pathname.split('/');
    if (host === '_world') return bend(rest, request);
    if (host === 'favicon.ico') return new Response(null, { status: 204 });
    const id = request.headers.get(REQUEST_ID);
    request.headers.delete(REQUEST_ID);
    if (id && dropped.has(id)) return 'drop';
    const served = await asked(request, signal, arrived);
    if (served === 'drop' && id) dropped.add(id);
    return served;
  }

  async function asked(request: Request, signal: AbortSignal, arrived: number): Promise<Served> {
    const { pathname, search } = new URL(request.url);
    const [, host = '', ...rest] = pathname.split('/');
    const path = `/${rest.join('/')}`;
    const real = new Request(`https://${host}${path}${search}`, {
      method: request.method,
      headers: request.headers,
      ...(request.method !== 'GET' && request.method !== 'HEAD' && { body: await request.arrayBuffer() }),
    });
    const found = await simulatorOf(host, real);
    if (!found) return new Response(`nobody answers at ${host}`, { status: 502 });

    const call: Call = { provider: found.provider, method: request.method, host, path, status: 'dropped' };
    calls.push(call);
    const fault = take(call) ?? decided(call);
    await described.note(found.provider, real);
    if (fault?.delay !== undefined) await wait(fault.delay, signal);
    if (fault?.respond) {
      call.status = fault.respond.status;
      return new Response(fault.respond.body ?? null, {
        status: fault.respond.status,
        headers: fault.respond.headers ?? {},
      });
    }
    if (fault?.drop === 'before') return 'drop';
    const response = await found.fetch(real);
    if (fault?.hold !== undefined) await wait(fault.hold, signal);
    if (fault?.takes !== undefined) await wait(fault.takes - (performance.now() - arrived), signal);
    if (fault?.drop === 'after') return 'drop';
    call.status = response.status;
    return response;
  }

  async function simulatorOf(host: string, request: Request): Promise<Simulator | undefined> {
    const here = simulators.filter((each) => each.host(host));
    for (const each of here) if (await each.claims?.(request.clone())) return each;
    return here.find((each) => !each.claims);
  }

  function take(call: Call): Fault | undefined {
    const text = `${call.method} ${call.host}${call.path}`;
    const fault = faults.find(
      (each) =>
        each.provider === call.provider &&
        (each.times ?? 1) > 0 &&
        (each.match === undefined || new RegExp(each.match).test(text)),
    );
    if (fault?.times !== undefined) fault.times -= 1;
    return fault;
  }

  async function bend([what = '', more]: string[], request: Request): Promise<Response> {
    if (what === 'calls') return Response.json(calls);
    if (what === 'faults' && request.method === 'POST') {
      faults.push((await request.json()) as Fault);
      return Response.json(faults);
    }
    if (what === 'faults' && request.method === 'DELETE') {
      faults = [];
      return Response.json(faults);
    }
    const happen = more === 'happen' && simulators.find((each) => each.provider === what)?.happen;
    if (happen && request.method === 'POST') {
      const query = Object.fromEntries(new URL(request.url).searchParams);
      const payload = await request.text();
      return Response.json(await happen({ event: '', ...query, ...(payload !== '' && { payload }) }));
    }
    const issueKey = more === 'keys' && simulators.find((each) => each.provider === what)?.issueKey;
    if (!issueKey) return new Response('no such thing in this world', { status: 404 });
    return Response.json(issueKey(Object.fromEntries(new URL(request.url).searchParams)));
  }

  const server = await serve(answer, port);
  return {
    ...server,
    calls,
    described,
    simulator,
    count: (provider, match = /./) =>
      calls.filter(
        (call) => call.provider === provider && match.test(`${call.method} ${call.host}${call.path}`),
      ).length,
    misbehave: (fault) => void faults.push({ ...fault }),
    decide: (bending) => {
      decided = bending;
    },
    reset: () => {
      calls.length = 0;
      faults = [];
      decided = () => undefined;
    },
  };
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
