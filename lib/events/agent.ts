import { Webhook } from 'standardwebhooks';
import { type DataKeyColumns, toDataKey } from '../connections/snapshot.ts';
import { openDataKey } from '../data-keys.ts';
import { EnvelopeError, open } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { agentBinding } from './agent-binding.ts';

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
  const { AGENT_EVENTS_URL: url, AGENT_EVENTS_SECRET: secret } = services.config;
  const bound = (services.env as { AGENT?: Fetcher }).AGENT;
  if (secret === undefined) return undefined;
  if (bound) return { url: url ?? 'https://agent/events', secret, fetcher: bound };
  return url === undefined ? undefined : { url, secret, fetcher: globalThis };
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

/**
 * Tells an agent of an event, signed (standardwebhooks.com, symmetric v1). Undefined once it has taken it, else why
 * it has not. Redirects are not followed.
 */
export async function tell(
  { url, secret, fetcher }: AgentTarget,
  event: { id: string; body: string; replays: number },
  now: Date,
): Promise<string | undefined> {
  const signature = sign(secret, event, now);
  if (signature === undefined) return 'the secret cannot sign';
  const signal = AbortSignal.timeout(DEADLINE_MS);
  try {
    const answer = await fetcher.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': event.id,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
        'webhook-signature': signature,
        ...(event.replays > 0 && { 'reeve-replay': String(event.replays) }),
      },
      body: event.body,
      redirect: 'manual',
      signal,
    });
    await answer.body?.cancel();
    return answer.ok ? undefined : `status ${answer.status}`;
  } catch {
    return signal.aborted ? 'timeout' : 'network';
  }
}

function sign(secret: string, { id, body }: { id: string; body: string }, now: Date): string | undefined {
  try {
    return new Webhook(secret).sign(id, now, body);
  } catch {
    return undefined;
  }
}
