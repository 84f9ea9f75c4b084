import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { serve } from '../../world/http-server.ts';

/** What an agent does with events: takes them, after so long, never answers, says 410, or says 429 with so many seconds. */
export type Behaviour = 'takes' | 'hangs' | 'gone' | { retryAfter: number } | { takesMs: number };

/** One request that was rightly signed; times by `performance.now()`. */
export interface Received {
  id: string;
  /** Of the order that it tells of. */
  number: number;
  at: number;
  /** When it was answered, or given up by who asked; undefined while it is open. */
  over: number | undefined;
  isTaken: boolean;
}

/** A tenant's own agent. */
export interface TenantAgent {
  url: string;
  secret: string;
  requests: Received[];
  /** Requests that were not signed with its secret. */
  strange: number;
  /** The most requests that were open at once. */
  mostOpen: number;
  close(): Promise<void>;
}

export async function startTenantAgent(behaviour: Behaviour): Promise<TenantAgent> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const verifier = new Webhook(secret);
  let open = 0;
  const server = await serve(async (request, gone, arrived) => {
    const body = await request.text();
    try {
      verifier.verify(body, Object.fromEntries(request.headers));
    } catch {
      agent.strange += 1;
      return new Response(null, { status: 401 });
    }
    const { data } = JSON.parse(body) as { data: { id: number } };
    const received: Received = {
      id: request.headers.get('webhook-id') ?? '',
      number: data.id,
      at: arrived,
      over: undefined,
      isTaken: behaviour === 'takes' || (typeof behaviour === 'object' && 'takesMs' in behaviour),
    };
    agent.requests.push(received);
    open += 1;
    agent.mostOpen = Math.max(agent.mostOpen, open);
    if (behaviour === 'hangs' && !gone.aborted)
      await new Promise((resolve) => gone.addEventListener('abort', resolve, { once: true }));
    if (typeof behaviour === 'object' && 'takesMs' in behaviour)
      await new Promise((resolve) => setTimeout(resolve, behaviour.takesMs));
    open -= 1;
    received.over = performance.now();
    return answerOf(behaviour);
  });
  const agent: TenantAgent = { ...server, secret, requests: [], strange: 0, mostOpen: 0 };
  return agent;
}

function answerOf(behaviour: Behaviour): Response | 'drop' {
  if (behaviour === 'hangs') return 'drop';
  if (behaviour === 'takes' || (typeof behaviour === 'object' && 'takesMs' in behaviour))
    return new Response(null, { status: 204 });
  if (behaviour === 'gone') return new Response(null, { status: 410 });
  return new Response(null, { status: 429, headers: { 'retry-after': String(behaviour.retryAfter) } });
}
