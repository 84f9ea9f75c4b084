import { dueRevocations } from '../../lib/connections/revoke.ts';
import { logJob } from '../../lib/job-log.ts';
import { sweepStates } from '../../lib/oauth/sweep.ts';
import { sendRevocations } from '../../lib/queue.ts';
import { openServices } from '../../lib/services.ts';

/** Revocations handed to the queue at one firing; the rest is due at the next. */
const REVOCATIONS_PER_FIRING = 100;

/** Every minute: forgets spent states, and sends due revocations to their queue. Firing it twice is harmless. */
export async function onCron(_controller: ScheduledController, env: Env): Promise<void> {
  const services = openServices(env);
  await logJob('cron', services.meter, async () => {
    const states = await sweepStates(services);
    const due = await dueRevocations(services, REVOCATIONS_PER_FIRING);
    if (due.length > 0) await sendRevocations(services, due);
    return { states_forgotten: states, revocations_queued: due.length };
  });
}
