import { queueChecks } from '../../lib/connections/check.ts';
import { endLost } from '../../lib/connections/lost.ts';
import { PostgresUnavailable } from '../../lib/database.ts';
import { dueEvents } from '../../lib/events/due.ts';
import { sendLeft } from '../../lib/events/left.ts';
import { wakeWaiting } from '../../lib/events/waiting.ts';
import { dueRevocations } from '../../lib/grants/revocation.ts';
import { logJob } from '../../lib/job-log.ts';
import { rotateDue } from '../../lib/keys/rotate-due.ts';
import { sendRevocations, sendWebhooks } from '../../lib/queue.ts';
import { queueDue } from '../../lib/refresh/due.ts';
import { tellEndings } from '../../lib/refresh/ending.ts';
import { unspill } from '../../lib/refresh/spill.ts';
import { openServices, type Services } from '../../lib/services.ts';
import { sweep } from '../../lib/sweep.ts';
import { dueWebhooks, noticeAbsence } from '../../lib/webhooks/due.ts';
import { recoverMissedByApps } from '../../lib/webhooks/missed.ts';
import { unspillDeliveries } from '../../lib/webhooks/spill.ts';
import { routeUnrouted } from '../../lib/webhooks/unrouted.ts';

/** Revocations handed to the queue at one firing; the rest is due at the next. */
const REVOCATIONS_PER_FIRING = 1_000;
const WEBHOOKS_PER_FIRING = 500;
/** As many as are told in a minute, and more. */
const EVENTS_PER_FIRING = 5_000;
/** Of those that have waited for an agent: the rest of a firing is for what is due besides. */
const WOKEN_PER_FIRING = 2_000;

/** What a job leaves to those after it. */
interface Firing {
  /** There are refreshes that are not written yet. */
  isBehind: boolean;
}

const jobs: Record<string, (services: Services, firing: Firing) => Promise<Record<string, number>>> = {
  // First what was got and is not written yet: who is due must not be asked about that twice.
  unspill: async (services, firing) => {
    try {
      const { written, hasMore } = await unspill(services);
      firing.isBehind = hasMore;
      return { written };
    } catch (error) {
      firing.isBehind = error instanceof PostgresUnavailable;
      throw error;
    }
  },
  refresh: async (services, { isBehind }) => ({ queued: isBehind ? 0 : await queueDue(services) }),
  revocation: async (services) => {
    const due = await dueRevocations(services, REVOCATIONS_PER_FIRING);
    if (due.length > 0) await sendRevocations(services, due);
    return { queued: due.length };
  },
  deliveries: unspillDeliveries,
  unrouted: routeUnrouted,
  waiting: async (services) => ({ woken: await wakeWaiting(services, WOKEN_PER_FIRING) }),
  events: async (services) => {
    const due = await dueEvents(services, EVENTS_PER_FIRING);
    await sendLeft(services, due);
    return { queued: due.length };
  },
  webhooks: async (services) => {
    await noticeAbsence(services);
    const due = await dueWebhooks(services, WEBHOOKS_PER_FIRING);
    if (due.length > 0) await sendWebhooks(services, due);
    return { queued: due.length };
  },
  missed: async (services) => ({ asked: await recoverMissedByApps(services) }),
  check: async (services) => ({ queued: await queueChecks(services) }),
  ending: async (services) => ({ told: await tellEndings(services) }),
  sweep,
  lost: endLost,
  // Last, since it may take minutes.
  keys: rotateDue,
};

/**
 * Every minute: hands what is due to the queues, tells of what is ending, and sweeps. Each job stands alone, so that
 * one that fails leaves the others to theirs. Firing it twice is harmless.
 */
export async function onCron(_controller: ScheduledController, env: Env): Promise<void> {
  let failure: unknown;
  const firing: Firing = { isBehind: false };
  for (const [name, run] of Object.entries(jobs)) {
    const services = openServices(env);
    try {
      await logJob(name, services.meter, () => run(services, firing));
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}
