// A thread of strangers: what they cost beside their requests is not the world's time.
import { randomBytes, randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import { seeded } from '../figures.ts';
import { steadily } from '../steady.ts';
import type { Asked, Kind, Orders } from './strangers.ts';

const LARGEST = 25 * 1024 * 1024;
/** As many as a machine keeps open; who finds none free waits, and the rate that was reached says so. */
const SOCKETS = 256;
const PATIENCE_MS = 30_000;

const { url, connectionId, addresses, perSecond, seconds, seed } = workerData as Orders;
const random = seeded(seed);
const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
const filler = randomBytes(LARGEST);
const asked: Asked[] = [];
const kinds: readonly Kind[] = ['nobody', 'session', 'unsigned', 'unknown', 'signed'];

/** Bytes of a body: of a thousand nine hundred take up to 4 KB, ninety-five up to 256 KB, and five up to the largest. */
function size(): number {
  const [kind, share] = [random(), random()];
  if (kind < 0.9) return Math.floor(share * 4 * 1024);
  if (kind < 0.995) return Math.floor(share * 256 * 1024);
  return Math.floor(share * LARGEST);
}

interface Errand {
  method: string;
  path: string;
  headers: Record<string, string>;
  mark?: string;
  bytes: number;
}

function errandOf(kind: Kind): Errand {
  if (kind === 'nobody') return { method: 'GET', path: '/api/connectors/list', headers: {}, bytes: 0 };
  if (kind === 'session') {
    const mark = `session-${randomBytes(24).toString('base64url')}`;
    const headers = { authorization: `Bearer ${mark}` };
    const [method, path] = random() < 0.5 ? ['GET', '/api/events'] : ['POST', '/api/connectors/klaviyo/test'];
    return { method, path, headers, mark, bytes: 0 };
  }
  const hook = { method: 'POST', bytes: size() };
  if (kind === 'signed') {
    const headers = {
      'x-shopify-topic': 'orders/create',
      'x-shopify-hmac-sha256': randomBytes(32).toString('base64'),
    };
    return { ...hook, path: `/api/webhooks/shopify/${connectionId}`, headers };
  }
  const mark = randomUUID();
  const headers: Record<string, string> =
    kind === 'unknown'
      ? { 'x-hub-signature-256': `sha256=${randomBytes(32).toString('hex')}`, 'x-github-event': 'push' }
      : {};
  return { ...hook, path: `/api/webhooks/github/${mark}`, headers, mark };
}

function ask(kind: Kind): Promise<void> {
  const { method, path, headers, mark, bytes } = errandOf(kind);
  const address = `203.0.113.${Math.floor(random() * addresses)}`;
  const one: Asked = { kind, address, mark, bytes, sent: Date.now(), answered: 0, status: 0, retryAfter: 0 };
  asked.push(one);
  return new Promise((resolve) => {
    const over = () => {
      one.answered ||= Date.now();
      resolve();
    };
    const sending = request(`${url}${path}`, {
      agent,
      method,
      timeout: PATIENCE_MS,
      headers: {
        ...headers,
        'cf-connecting-ip': address,
        ...(method === 'POST' && { 'content-length': bytes }),
      },
    });
    sending.on('timeout', () => sending.destroy());
    sending.on('error', over);
    sending.on('socket', () => {
      one.sent = Date.now();
    });
    sending.on('response', (response) => {
      one.status = response.statusCode ?? 0;
      one.retryAfter = Number(response.headers['retry-after'] ?? 0);
      one.answered = Date.now();
      response.on('close', over).on('error', over).resume();
    });
    sending.end(filler.subarray(0, bytes));
  });
}

const all = Array.from(
  { length: perSecond * seconds },
  () => kinds[Math.floor(random() * kinds.length)] as Kind,
);
await steadily(all, perSecond, ask);
agent.destroy();
parentPort?.postMessage(asked);
