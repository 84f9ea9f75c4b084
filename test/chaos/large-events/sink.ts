import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { freePort } from '../../world/postgres.ts';

/** What an agent has got of an event: its ids, and when it first took it, by `performance.now()`. */
export interface Taken {
  ids: Set<string>;
  first: number;
}

/** How an agent is: it takes events, answers 503, or nothing listens at its port. */
export type Presence = 'here' | 'unavailable' | 'refusing';

/** An agent that keeps nothing of the bodies that it is sent. */
export interface Sink {
  url: string;
  secret: string;
  /** By the number that stands first in a payload. */
  taken: Map<number, Taken>;
  /** Requests that came while it was away and something listened. */
  refused: number;
  /** Requests that were not rightly signed, or of no such payload. */
  strange: number;
  be(how: Presence): Promise<void>;
  close(): Promise<void>;
}

const NUMBER = /"data":\{"number":(\d+)[,}]/;
const HEAD_BYTES = 4_096;

export async function openSink(): Promise<Sink> {
  const key = randomBytes(32);
  const port = await freePort();
  let presence: Presence = 'refusing';

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = String(request.headers['webhook-id']);
    const mac = createHmac('sha256', key).update(`${id}.${request.headers['webhook-timestamp']}.`);
    let head = '';
    for await (const chunk of request as AsyncIterable<Buffer>) {
      mac.update(chunk);
      if (head.length < HEAD_BYTES) head += chunk.subarray(0, HEAD_BYTES).toString('latin1');
    }
    const number = NUMBER.exec(head)?.[1];
    if (number === undefined || request.headers['webhook-signature'] !== `v1,${mac.digest('base64')}`) {
      sink.strange += 1;
      response.writeHead(401).end();
      return;
    }
    if (presence !== 'here') {
      sink.refused += 1;
      response.writeHead(503).end();
      return;
    }
    const taken = sink.taken.get(Number(number)) ?? { ids: new Set<string>(), first: performance.now() };
    sink.taken.set(Number(number), taken);
    taken.ids.add(id);
    response.writeHead(204).end();
  }

  // Who sends may go before the end of what it sends.
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const stop = async () => {
    const isListening = server.listening;
    server.closeAllConnections();
    if (isListening) await new Promise((resolve) => server.close(resolve));
  };
  const sink: Sink = {
    url: `http://127.0.0.1:${port}/events`,
    secret: `whsec_${key.toString('base64')}`,
    taken: new Map(),
    refused: 0,
    strange: 0,
    async be(how) {
      presence = how;
      if (how === 'refusing') return stop();
      if (!server.listening)
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen(port, '127.0.0.1', resolve);
        });
    },
    close: stop,
  };
  return sink;
}
