import * as z from 'zod';
import { claimRevocation, revokeGrant } from '../../lib/connections/revoke.ts';
import { logJob } from '../../lib/job-log.ts';
import { openServices } from '../../lib/services.ts';

const message = z.object({ id: z.guid() });

/**
 * Ends the grants that a disconnect left pending. A message only points at a row: the row knows when it is due
 * and what has been tried, so a message that comes twice or late does no harm, and one that is lost is sent
 * again by the next cron.
 */
export async function onQueue(batch: MessageBatch, env: Env): Promise<void> {
  for (const { body, ...delivery } of batch.messages.map((each) => ({
    body: each.body,
    ack: () => each.ack(),
  }))) {
    const services = openServices(env);
    await logJob('revocation', services.meter, async () => {
      const parsed = message.safeParse(body);
      const row = parsed.success ? await claimRevocation(services, parsed.data.id) : undefined;
      const outcome = row ? await revokeGrant(services, row) : 'not_due';
      delivery.ack();
      return { outcome, ...(row && { provider_id: row.provider, connection_id: row.connection_id }) };
    });
  }
}
