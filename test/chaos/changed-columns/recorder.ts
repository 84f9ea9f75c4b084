import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { REQUEST_ID } from '../../world/gateway.ts';
import { simulators } from '../../world/providers/index.ts';
import type { SimulatorContext, SimulatorFactory } from '../../world/simulator.ts';
import { openStores } from '../../world/store.ts';
import type { World } from '../../world/world.ts';

/** One request of the Worker's to a host outside. */
export interface Sent {
  host: string;
  /** All of it: method, path, headers and body. */
  bytes: string;
}

/** Stands before the world's gateway, and keeps every byte that leaves the Worker for any host that is not this machine. */
export interface Recorder {
  url: string;
  sent: Sent[];
  /** Where what comes through goes on to. */
  leadTo(world: World): void;
  close(): Promise<void>;
}

export async function openRecorder(): Promise<Recorder> {
  const agent = new Agent({ keepAlive: true });
  const sent: Sent[] = [];
  let target = '';

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    // People's browsers come through here, too.
    if (incoming.headers[REQUEST_ID] !== undefined) {
      const [, host = ''] = (incoming.url ?? '').split('/');
      const words = [incoming.method, incoming.url, ...incoming.rawHeaders, body.toString('latin1')];
      sent.push({ host, bytes: words.join('\n') });
    }
    const asked = request(`${target}${incoming.url}`, {
      agent,
      method: incoming.method ?? 'GET',
      headers: incoming.headers,
    });
    asked.on('error', () => incoming.socket.destroy());
    asked.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    asked.end(body);
  }

  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    sent,
    leadTo: (world) => {
      target = world.gateway.url;
    },
    close: async () => {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The secrets that simulators know, and whose they are. */
export type Canaries = Map<string, string>;

const NOBODY = { id: '', secret: '', redirectUris: [], settings: {} };

/** The usual simulators, which tell each secret of theirs: those that they hand out, and their client's. */
export function tellingSimulators(canaries: Canaries): SimulatorFactory[] {
  return simulators.map((make): SimulatorFactory => {
    const none: SimulatorContext = {
      store: openStores(':memory:').of('none'),
      client: NOBODY,
      now: Date.now,
      secret: (value) => value,
    };
    const { provider, settings = {} } = make(none);
    return (context) => {
      const { client } = context;
      canaries.set(client.secret, provider);
      for (const name of Object.keys(settings)) canaries.set(client.settings[name] ?? '', provider);
      return make({
        ...context,
        secret(value) {
          canaries.set(value, provider);
          return context.secret(value);
        },
      });
    };
  });
}
