import { check } from '../../lib/connections/check.ts';
import { PostgresUnavailable } from '../../lib/database.ts';
import { deliver } from '../../lib/events/deliver.ts';
import { endTokens } from '../../lib/grants/end.ts';
import { onJoined } from '../../lib/grants/joined.ts';
import { writeObtained } from '../../lib/grants/obtained.ts';
import { claimRevocation } from '../../lib/grants/revocation.ts';
import { logJob } from '../../lib/job-log.ts';
import { events, message, type Message as QueueMessage } from '../../lib/queue.ts';
import { refreshBatch } from '../../lib/refresh/batch.ts';
import type { Renewed } from '../../lib/refresh/renewed.ts';
import { keepInKv, writeSpilled } from '../../lib/refresh/spill.ts';
import { openServices, type Services } from '../../lib/services.ts';
import { lookAfter } from '../../lib/webhooks/registration.ts';

/**
 * Refreshes what is due, ends the grants that a disconnect left pending, and writes what PostgreSQL did not take at
 * first. A message only points at rows that know when they are due, or can be written twice: one that comes twice
 * or late does no harm. Each is acknowledged on its own, so that a bad one does not hold up its neighbours.
 */
export async function onQueue(batch: MessageBatch, env: Env, context: ExecutionContext): Promise<void> {
  if (batch.queue === EVENTS || batch.queue === LARGE_EVENTS) await tellEvents(batch, env, context);
  else for (const delivery of urgentFirst(batch.messages)) await handle(delivery, env);
}

/** What a refresh has brought is waited for by whoever would ask with the token before it. */
function urgentFirst(messages: readonly Message[]): Message[] {
  const isUrgent = ({ body }: Message) => (body as { kind?: unknown } | null)?.kind === 'renewed';
  return [...messages.filter(isUrgent), ...messages.filter((each) => !isUrgent(each))];
}

const EVENTS = 'reeve-events';
const LARGE_EVENTS = 'reeve-large-events';

/**
 * Tells agents of events: all of a batch together. Those whose agents are slow to answer go on behind it, and hold up
 * no other batch (https://developers.cloudflare.com/workers/configuration/compatibility-flags/, queue consumers and
 * waitUntil).
 */
async function tellEvents(batch: MessageBatch, env: Env, context: ExecutionContext): Promise<void> {
  const services = openServices(env);
  try {
    const ids = batch.messages.flatMap(({ body }) => events.parse(body).ids);
    const isLarge = batch.queue === LARGE_EVENTS;
    await logJob('event', services.meter, async () => {
      const { counts, late } = await deliver(services, [...new Set(ids)], { isLarge });
      if (late) context.waitUntil(logJob('late_event', services.meter, () => late).catch(() => undefined));
      return counts;
    });
    batch.ackAll();
  } catch {
    batch.retryAll();
  }
}

async function handle(delivery: Message, env: Env): Promise<void> {
  const services = openServices(env);
  try {
    const task = message.parse(delivery.body);
    await logJob(task.kind, services.meter, () => work(services, task));
    delivery.ack();
  } catch {
    delivery.retry();
  }
}

async function work(services: Services, task: QueueMessage): Promise<Record<string, string | number>> {
  switch (task.kind) {
    case 'refresh':
      return refreshBatch(services, task.ids);
    case 'webhook':
      return { outcome: (await lookAfter(services, task.id))?.status ?? 'not_due', connection_id: task.id };
    case 'renewed':
      return {
        outcome: await writeOrKeep(services, task),
        provider_id: task.provider,
        connection_id: task.connection_id,
      };
    case 'obtained':
      await writeObtained(services, task, 0);
      return { outcome: 'written', provider_id: task.provider, connection_id: task.connection_id };
    case 'check':
      return check(services, task.ids);
    case 'joined':
      return { ...(await onJoined(services, task)), provider_id: task.provider };
    case 'revocation': {
      const row = await claimRevocation(services, task.id);
      if (!row) return { outcome: 'not_due' };
      return {
        outcome: await endTokens(services, row),
        provider_id: row.provider,
        connection_id: row.connection_id,
      };
    }
  }
}

/** In KV it is looked for each minute; the queue would wait longer each time. */
async function writeOrKeep(services: Services, task: Renewed): Promise<string> {
  try {
    return await writeSpilled(services, task);
  } catch (error) {
    if (!(error instanceof PostgresUnavailable && error.isPassing)) throw error;
    await keepInKv(services, task);
    return 'kept';
  }
}
