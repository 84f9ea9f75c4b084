import type { SimulatorFactory } from '../world/simulator.ts';

const isToken = /(\/access_token|\/oauth\/tokens|\/token|oauth\.v2\.access)$/;

/** A simulator whose answers with tokens are changed before they leave; what it did stays done. */
export function retold(
  make: SimulatorFactory,
  change: (body: Record<string, unknown>) => Record<string, unknown>,
): SimulatorFactory {
  return (context) => {
    const simulator = make(context);
    return {
      ...simulator,
      async fetch(request) {
        const { pathname } = new URL(request.url);
        const response = await simulator.fetch(request);
        if (!isToken.test(pathname) || !response.ok) return response;
        const text = await response.text();
        const headers = new Headers(response.headers);
        headers.delete('content-length');
        return new Response(changed(text, change), { status: response.status, headers });
      },
    };
  };
}

function changed(text: string, change: (body: Record<string, unknown>) => Record<string, unknown>): string {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    return 'access_token' in body ? JSON.stringify(change(body)) : text;
  } catch {
    return text;
  }
}
