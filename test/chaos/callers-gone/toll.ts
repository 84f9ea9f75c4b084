import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { World, WorldOptions } from '../../world/world.ts';

const PLACES = ['kv', 'postgres', 'kms', 'provider'] as const;
type Place = (typeof PLACES)[number];

/** One call of the Worker's to the outside. */
export interface Crossing {
  place: Place;
  what: string;
}

/** Held before the call reaches whom it is for, or after its work is done and before the answer comes back. */
export const SIDES = ['not reached yet', 'the answer under way'] as const;
export type Side = (typeof SIDES)[number];

export interface Held {
  /** Whether a call stands there now; false where none came. */
  stands(milliseconds: number): Promise<boolean>;
  /** Whether the Worker has given the held call up, as it does when its own work has been ended. */
  isGivenUp(milliseconds: number): Promise<boolean>;
  release(): void;
}

/** Stands between a Worker and all that it talks to, and can hold any one call. */
export interface Toll {
  /** What a world is to be opened with. */
  options: Partial<WorldOptions>;
  /** Where what comes through goes on to; before the Worker's first call. */
  leadTo(world: World): void;
  /** Counts from the next call on, and holds the one at `at`; what was held before goes on. */
  arm(at?: number, side?: Side): Held;
  /** What has come through since `arm`, in order. */
  crossings: Crossing[];
  /** Calls that are under way. */
  under: number;
  close(): Promise<void>;
}

export async function openToll(): Promise<Toll> {
  const targets: Partial<Record<Place, string>> = {};
  const agent = new Agent({ keepAlive: true });
  let armed: { at: number; side: Side; hold(outgoing: ServerResponse): Promise<void> } | undefined;
  let release = () => {};

  const toll: Omit<Toll, 'options' | 'close'> = {
    crossings: [],
    under: 0,
    leadTo(world) {
      targets.postgres = world.neon.url;
      targets.kms = world.kms.url;
      targets.provider = world.gateway.url;
    },
    arm(at = -1, side = SIDES[0]) {
      release();
      toll.crossings = [];
      const standing = signal();
      const free = signal();
      const gone = signal();
      release = free.give;
      armed = {
        at,
        side,
        hold(outgoing) {
          if (outgoing.destroyed) gone.give();
          outgoing.once('close', gone.give);
          standing.give();
          return free.given;
        },
      };
      return {
        stands: (milliseconds) => within(standing.given, milliseconds),
        isGivenUp: (milliseconds) => within(gone.given, milliseconds),
        release: free.give,
      };
    },
  };

  async function cross(place: Place, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    const mine = armed;
    const at = toll.crossings.push({ place, what: described(place, incoming, body) }) - 1;
    const holds = async (side: Side) => {
      if (mine?.at === at && mine.side === side) await mine.hold(outgoing);
    };
    toll.under += 1;
    try {
      await holds('not reached yet');
      // Whoever has given it up does not reach anybody.
      if (outgoing.destroyed) return;
      const target = targets[place];
      const answer = target === undefined ? EMPTY : await passOn(agent, target, incoming, body);
      await holds('the answer under way');
      if (outgoing.destroyed) return;
      outgoing.writeHead(answer.status, answer.headers);
      outgoing.end(answer.body);
    } catch {
      incoming.socket.destroy();
    } finally {
      toll.under -= 1;
    }
  }

  const servers: Server[] = [];
  const urls = {} as Record<Place, string>;
  for (const place of PLACES) {
    const server = createServer((incoming, outgoing) => void cross(place, incoming, outgoing));
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    urls[place] = `http://127.0.0.1:${address.port}`;
    servers.push(server);
  }

  return Object.assign(toll, {
    options: {
      env: {
        KV_TOLL: urls.kv,
        NEON_FETCH_ENDPOINT: `${urls.postgres}/sql`,
        AWS_ENDPOINT_URL_KMS: urls.kms,
      },
      providerGateway: urls.provider,
    },
    close: async () => {
      release();
      agent.destroy();
      await Promise.all(
        servers.map((server) => {
          server.closeAllConnections();
          return new Promise((resolve) => server.close(resolve));
        }),
      );
    },
  });
}

interface Passed {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: Buffer;
}

const EMPTY: Passed = { status: 204, headers: {}, body: Buffer.alloc(0) };

/** The same request at `target`, its Host as it was: a signature may cover it. */
function passOn(agent: Agent, target: string, incoming: IncomingMessage, body: Buffer): Promise<Passed> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(incoming.url ?? '/', target).href, {
      agent,
      method: incoming.method ?? 'GET',
      headers: incoming.headers,
    });
    asked.on('error', reject);
    asked.on('response', async (response) => {
      try {
        const read = await buffer(response);
        const { 'transfer-encoding': _, connection: __, ...headers } = response.headers;
        resolve({ status: response.statusCode ?? 502, headers, body: read });
      } catch (error) {
        reject(error);
      }
    });
    asked.end(body);
  });
}

/** What a call is about, as far as it can be told from outside. */
function described(place: Place, incoming: IncomingMessage, body: Buffer): string {
  if (place === 'kv') return incoming.url?.slice(1) ?? '';
  if (place === 'kms') return String(incoming.headers['x-amz-target'] ?? '').replace(/^.*\./, '');
  if (place === 'provider') return `${incoming.method} ${incoming.url?.replace(/\?.*$/, '')}`;
  const [, change = 'select'] =
    /\b(?<!for )((?:insert into|delete from|update) \w+)(?: set| where| as| \(|\s)/.exec(body.toString()) ??
    [];
  return change;
}

function signal(): { given: Promise<void>; give: () => void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/** Whether it comes in time. */
async function within(promise: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  const came = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return came;
}
