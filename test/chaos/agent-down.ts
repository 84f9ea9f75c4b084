import { ATTEMPTS } from '../../lib/events/schedule.ts';
import { startAgent } from '../world/agent.ts';
import { openClock } from '../world/clock.ts';
import { type Figure, figure } from './figures.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { openShops, orderOf, postAll } from './webhooks/orders.ts';

const MINUTE = 60_000;
const BACK_WITHIN = 10;

/** The agent is away for a while, in simulated minutes, and events come in all the same. */
export async function agentDown(
  stage: Stage,
  { events, minutes }: { events: number; minutes: number },
): Promise<Figure[]> {
  const clock = openClock();
  const secret = `whsec_${Buffer.alloc(24, 'an agent of its own').toString('base64')}`;
  const agent = await startAgent(secret, 0, clock.now);
  try {
    const world = await stage.open({
      now: clock.now,
      hurried: true,
      rateLimits: false,
      env: { AGENT_EVENTS_URL: agent.url, AGENT_EVENTS_SECRET: secret },
    });
    await clock.rule(world);
    const orderAt = await openShops(world, 3);
    const minute = async () => {
      await clock.advance(MINUTE);
      const now = clock.now();
      await fire(world);
      await told(world, now);
    };

    agent.fail('error');
    let sent = 0;
    for (let passed = 0; passed < minutes; passed += 1) {
      const until = Math.ceil((events * (passed + 1)) / minutes);
      const some = Array.from({ length: until - sent }, (_, at) => orderAt(sent + at));
      sent += some.length;
      await postAll(world.url, some);
      await minute();
    }
    const early = agent.deliveries.length;
    const [before] = await world.sql(
      `select count(*) filter (where status = 'dead')::integer as dead, max(attempts) as most,
         extract(epoch from max(next_attempt_at) - now())::float8 as wait from events`,
    );
    agent.fail(undefined);
    let until = 0;
    while (until < BACK_WITHIN && new Set(agent.deliveries.map(orderOf)).size < events) {
      await minute();
      until += 1;
    }
    const [after] = await world.sql(`select max(attempts) as most from events`);
    const got = new Set(agent.deliveries.map(orderOf)).size;
    const most = Math.max(...agent.attempts.values());
    const bound = Math.min(ATTEMPTS, minutes + until + 1);
    return [
      figure(
        `of ${events} events, taken or dead while the agent was away for ${minutes} minutes`,
        '0, 0',
        `${early}, ${before?.dead}`,
        early === 0 && before?.dead === 0,
      ),
      figure(
        `delivered within ${BACK_WITHIN} minutes of its return`,
        String(events),
        `${got}, in ${until} minutes; the longest had ${(Number(before?.wait) / 60).toFixed(1)} minutes to wait`,
        got === events,
      ),
      figure(
        'attempts at one event',
        `at most ${bound}`,
        `${most}, ${after?.most} by its row`,
        most <= bound,
      ),
    ];
  } finally {
    await agent.close();
  }
}

/** Waits until nobody is being told anything, and nothing that was due at a moment is. */
async function told(world: StagedWorld, due: number): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const [row] = await world.sql(
      `select count(*)::integer as busy from events
       where status = 'pending' and (next_attempt_at <= to_timestamp($1) or lease_id is not null)`,
      [due / 1000],
    );
    if (row?.busy === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the queue was not worked off');
}
