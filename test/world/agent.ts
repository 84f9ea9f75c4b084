import { Webhook } from 'standardwebhooks';
import { type HttpServer, serve } from './http-server.ts';

export interface Delivery {
  id: string;
  body: unknown;
}

export interface Agent extends HttpServer {
  /** What arrived rightly signed, in order; GET shows it, too. */
  deliveries: Delivery[];
  refused: number;
}

/** The agent's sink: takes events whose Standard Webhooks signature holds, refuses the rest. */
export async function startAgent(secret: string, port = 0): Promise<Agent> {
  const verifier = new Webhook(secret);
  const deliveries: Delivery[] = [];
  const counts = { refused: 0 };
  const server = await serve(async (request) => {
    if (request.method === 'GET') return Response.json(deliveries);
    const body = await request.text();
    try {
      verifier.verify(body, Object.fromEntries(request.headers));
    } catch {
      counts.refused += 1;
      return new Response('signature does not match', { status: 401 });
    }
    deliveries.push({ id: request.headers.get('webhook-id') ?? '', body: JSON.parse(body) });
    return new Response(null, { status: 204 });
  }, port);
  return {
    ...server,
    deliveries,
    get refused() {
      return counts.refused;
    },
  };
}
