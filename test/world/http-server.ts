import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface HttpServer {
  url: string;
  close(): Promise<void>;
}

/** What a handler may answer: a response, or the end of the connection without one. */
export type Served = Response | 'drop';

/** `arrived` by performance.now(). */
type Handler = (request: Request, signal: AbortSignal, arrived: number) => Served | Promise<Served>;

/** Serves a fetch handler on loopback; 0 takes a free port. */
export async function serve(handler: Handler, port = 0): Promise<HttpServer> {
  const server = createServer((incoming, outgoing) => void answer(handler, incoming, outgoing));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(handler: Handler, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const arrived = performance.now();
  const gone = new AbortController();
  outgoing.on('close', () => gone.abort());
  try {
    const served = await handler(await toRequest(incoming), gone.signal, arrived);
    if (served === 'drop') {
      incoming.socket.destroy();
      return;
    }
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of served.headers) {
      if (name !== 'set-cookie') headers[name] = value;
    }
    const cookies = served.headers.getSetCookie();
    if (cookies.length > 0) headers['set-cookie'] = cookies;
    outgoing.writeHead(served.status, headers);
    outgoing.end(Buffer.from(await served.arrayBuffer()));
  } catch (error) {
    console.error(error);
    incoming.socket.destroy();
  }
}

async function toRequest(incoming: IncomingMessage): Promise<Request> {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '');
  }
  const method = incoming.method ?? 'GET';
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(`http://${incoming.headers.host ?? 'localhost'}${incoming.url ?? '/'}`, {
    method,
    headers,
    ...(hasBody && { body: await buffer(incoming) }),
  });
}
