import { createHmac } from 'node:crypto';
import { fromBase64 } from '../bytes.ts';
import { type DataKeyColumns, toDataKey } from '../connections/snapshot.ts';
import { openDataKey } from '../data-keys.ts';
import { EnvelopeError, open } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { Problem } from '../problem.ts';
import { retryAfterSeconds } from '../provider-failure.ts';
import type { Services } from '../services.ts';
import { agentBinding } from './agent-binding.ts';
import type { EventBody } from './body.ts';

/** As the contract has it, and Standard Webhooks asks for at least. */
const DEADLINE_MS = 15_000;

/** A tenant's own agent, as its row in `agents` and its data key tell; nulls where it has none. */
export interface AgentColumns extends DataKeyColumns {
  tenant_id: string;
  agent_url: string | null;
  agent_secret: Uint8Array | null;
}

/** Where events go, and what they are signed with. */
export interface AgentTarget {
  url: string;
  secret: string;
  fetcher: Pick<Fetcher, 'fetch'>;
}

/**
 * A tenant's own agent, or the Worker's: a service binding `AGENT` where there is one, else a URL. Undefined where
 * there is none: it polls. Throws `unavailable` where its secret does not open.
 */
export async function findAgent(services: Services, row: AgentColumns): Promise<AgentTarget | undefined> {
  if (row.agent_url !== null && row.agent_secret !== null) {
    const secret = await openAgentSecret(services, row, { url: row.agent_url, sealed: row.agent_secret });
    return { url: row.agent_url, secret, fetcher: globalThis };
  }
  const { AGENT_EVENTS_SECRET: secret } = services.config;
  const url = workersUrl(services);
  if (secret === undefined || url === '') return undefined;
  return { url, secret, fetcher: (services.env as { AGENT?: Fetcher }).AGENT ?? globalThis };
}

/** The address of the Worker's own agent, be it behind a service binding; empty where there is none. */
export function workersUrl({ config, env }: Services): string {
  return config.AGENT_EVENTS_URL ?? ('AGENT' in env ? 'https://agent/events' : '');
}

async function openAgentSecret(
  { kms }: Services,
  row: AgentColumns,
  { url, sealed }: { url: string; sealed: Uint8Array },
): Promise<string> {
  const wrapped = toDataKey(row);
  try {
    if (!wrapped) throw new EnvelopeError('its data key is gone');
    const key = await openDataKey(wrapped, kms, Date.now());
    return await open(sealed, key.key, key.id, agentBinding(row.tenant_id, url));
  } catch (error) {
    if (!(error instanceof EnvelopeError || error instanceof KmsRefusal)) throw error;
    throw new Problem('unavailable', 'The agent’s secret does not open.', {
      reason: `agent: ${error.message}`,
    });
  }
}

/** What an agent has answered; `failure` says why it has not taken the event, `wait` in how many seconds it will at the soonest. */
export type Answered = 'taken' | { failure: string; is: 'slow' | 'gone' | 'other'; wait?: number };

/** How telling goes on, for who waits. */
export interface Progress {
  /** The event has been sent as a whole. */
  onSent: () => void;
}

const DAY = 86_400;

/**
 * Tells an agent of an event, signed (standardwebhooks.com, symmetric v1). Redirects are not followed. Throws where the
 * event cannot be read.
 */
export async function tell(
  { url, secret, fetcher }: AgentTarget,
  event: { id: string; body: EventBody; replays: number },
  now: Date,
  { onSent }: Progress,
): Promise<Answered> {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const signature = await sign(secret, event, timestamp);
  if (signature === undefined) return { failure: 'the secret cannot sign', is: 'other' };
  const sending = outgoing(event.body);
  sending.sent.then(onSent, () => undefined);
  const deadline = AbortSignal.timeout(DEADLINE_MS + sendingMs(event.body));
  const signal = AbortSignal.any([deadline, sending.failed]);
  try {
    const answer = await fetcher.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': event.id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signature,
        ...(event.replays > 0 && { 'reeve-replay': String(event.replays) }),
      },
      body: sending.body,
      redirect: 'manual',
      signal,
    });
    await answer.body?.cancel();
    return answeredBy(answer);
  } catch {
    if (!deadline.aborted && sending.failed.aborted) throw sending.failed.reason;
    return deadline.aborted ? { failure: 'timeout', is: 'slow' } : { failure: 'network', is: 'other' };
  }
}

/** By status: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
function answeredBy({ ok, status, headers }: Response): Answered {
  if (ok) return 'taken';
  const failure = `status ${status}`;
  if (status === 410) return { failure, is: 'gone' };
  const wait = [429, 503].includes(status)
    ? retryAfterSeconds(headers.get('retry-after'), Date.now())
    : undefined;
  return { failure, is: 'other', ...(wait !== undefined && { wait: Math.min(wait, DAY) }) };
}

/** Milliseconds that a large event has besides, to be sent: a megabyte a second. */
export function sendingMs({ length }: { length: number }): number {
  return Math.floor(length / 1_000);
}

/** An event on its way: one piece as it is, several as a stream, of which no more is held than is being sent. */
function outgoing(body: EventBody): { body: BodyInit; sent: Promise<void>; failed: AbortSignal } {
  const failure = new AbortController();
  if (body.whole) return { body: body.whole, sent: Promise.resolve(), failed: failure.signal };
  const { readable, writable } = new FixedLengthStream(body.length);
  const sent = (async () => {
    const writer = writable.getWriter();
    const chunks = body.chunks()[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { value, done } = await chunks.next().catch((error: unknown) => {
          // It cannot be read; what cannot be written is the agent's doing.
          failure.abort(error);
          throw error;
        });
        if (done) break;
        await writer.write(value);
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => undefined);
      throw error;
    }
  })();
  return { body: readable, sent, failed: failure.signal };
}

const SECRET_PREFIX = 'whsec_';

async function sign(
  secret: string,
  { id, body }: { id: string; body: EventBody },
  timestamp: string,
): Promise<string | undefined> {
  const key = keyOf(secret);
  if (!key) return undefined;
  // Web Crypto signs nothing piece by piece.
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`);
  for await (const chunk of body.chunks()) mac.update(chunk);
  return `v1,${mac.digest('base64')}`;
}

function keyOf(secret: string): Uint8Array | undefined {
  try {
    const key = fromBase64(secret.replace(SECRET_PREFIX, ''));
    return key.length > 0 ? key : undefined;
  } catch {
    return undefined;
  }
}
