import { claimRevocation, revokeGrant } from '../../lib/connections/revoke.ts';
import { settle } from '../../lib/connections/unsettled.ts';
import { logJob } from '../../lib/job-log.ts';
import { message, type Message as QueueMessage } from '../../lib/queue.ts';
import { openServices, type Services } from '../../lib/services.ts';

/**
 * Ends the grants that a disconnect left pending, and settles tokens whose row may not stand. A message only points
 * at a row that knows when it is due, or can be settled twice: one that comes twice or late does no harm. Each is
 * acknowledged on its own, so that a bad one does not hold up its neighbours.
 */
export async function onQueue(batch: MessageBatch, env: Env): Promise<void> {
  for (const delivery of batch.messages) {
    const services = openServices(env);
    try {
      await logJob('revocations', services.meter, () => work(services, message.parse(delivery.body)));
      delivery.ack();
    } catch {
      delivery.retry();
    }
  }
}

async function work(services: Services, task: QueueMessage): Promise<Record<string, string>> {
  if (task.kind === 'unsettled') {
    return {
      outcome: await settle(services, task),
      provider_id: task.provider,
      connection_id: task.connection_id,
    };
  }
  const row = await claimRevocation(services, task.id);
  if (!row) return { outcome: 'not_due' };
  return {
    outcome: await revokeGrant(services, row),
    provider_id: row.provider,
    connection_id: row.connection_id,
  };
}
