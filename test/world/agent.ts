import { Webhook } from 'standardwebhooks';
import { type HttpServer, type Served, serve } from './http-server.ts';

export interface Delivery {
  id: string;
  body: unknown;
}

/** How an agent fails: it answers 500, or something else, never answers, or ends the connection. */
export type AgentFailure = 'error' | 'hang' | 'closed' | { status: number };

export interface Agent extends HttpServer {
  /** What arrived rightly signed and was taken, in order; GET shows it, too. */
  deliveries: Delivery[];
  refused: number;
  /** How often each event arrived rightly signed, taken or not, by its webhook-id. */
  attempts: Map<string, number>;
  /** From now on takes none of the events of `which` (all, without it); undefined takes them again, and those that hang end. */
  fail(how: AgentFailure | undefined, which?: (delivery: Delivery) => boolean): void;
}

/**
 * The agent's sink: takes events whose Standard Webhooks signature holds, refuses the rest. `now` is its clock, in
 * milliseconds since 1970.
 */
export async function startAgent(secret: string, port = 0, now: () => number = Date.now): Promise<Agent> {
  const verifier = new Webhook(secret);
  const deliveries: Delivery[] = [];
  const attempts = new Map<string, number>();
  const counts = { refused: 0 };
  let failure: { how: AgentFailure; which: (delivery: Delivery) => boolean } | undefined;
  let ended = new AbortController();

  const server = await serve(async (request, gone) => {
    if (request.method === 'GET') return Response.json(deliveries);
    const body = await request.text();
    if (!isSigned(verifier, body, request.headers, now() - Date.now())) {
      counts.refused += 1;
      return new Response('signature does not match', { status: 401 });
    }
    const delivery: Delivery = { id: request.headers.get('webhook-id') ?? '', body: JSON.parse(body) };
    attempts.set(delivery.id, (attempts.get(delivery.id) ?? 0) + 1);
    if (failure?.which(delivery)) return failed(failure.how, AbortSignal.any([gone, ended.signal]));
    deliveries.push(delivery);
    return new Response(null, { status: 204 });
  }, port);

  return {
    ...server,
    deliveries,
    attempts,
    get refused() {
      return counts.refused;
    },
    fail(how, which = () => true) {
      failure = how && { how, which };
      ended.abort();
      ended = new AbortController();
    },
  };
}

async function failed(how: AgentFailure, ended: AbortSignal): Promise<Served> {
  if (typeof how === 'object') return new Response(null, how);
  if (how === 'error') return new Response('the agent is not well', { status: 500 });
  if (how === 'hang' && !ended.aborted) {
    await new Promise((resolve) => ended.addEventListener('abort', resolve, { once: true }));
  }
  return 'drop';
}

/** The verifier lives by the real clock, which the agent's is `ahead` of: a time is signed again as the real one. */
function isSigned(verifier: Webhook, body: string, headers: Headers, ahead: number): boolean {
  const given = Object.fromEntries(headers);
  try {
    if (ahead === 0) {
      verifier.verify(body, given);
      return true;
    }
    const id = given['webhook-id'] ?? '';
    const told = new Date(Number(given['webhook-timestamp']) * 1000);
    if (verifier.sign(id, told, body) !== given['webhook-signature']) return false;
    const real = new Date(told.getTime() - ahead);
    verifier.verify(body, {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(real.getTime() / 1000)),
      'webhook-signature': verifier.sign(id, real, body),
    });
    return true;
  } catch {
    return false;
  }
}
