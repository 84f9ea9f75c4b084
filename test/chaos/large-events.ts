import { openClock } from '../world/clock.ts';
import { type Figure, figure } from './figures.ts';
import { type AppDelivery, githubAppEnv, plantListeners, pushOf, tellApp } from './github-app.ts';
import { measureWaits } from './large-events/probes.ts';
import { startReader } from './large-events/reader.ts';
import { openSink } from './large-events/sink.ts';
import { LARGE, sizesOf } from './large-events/sizes.ts';
import { owners } from './owners.ts';
import { eachOf } from './people.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { wait } from './webhooks/faults.ts';

const MINUTE = 60_000;
const MB = 1024 * 1024;
/** Tenants beside the others, none of whose events is large. */
const SMALL_TENANTS = 5;
/** Deliveries that are sent at once, and how often each is, until it is acknowledged. */
const SENDERS = 4;
const TRIES = 100;
const TRIES_AFTER_MS = 500;
/** Simulated minutes in which all is told once the agent is back: the longest wait of the schedule within an hour is five. */
const TOLD_WITHIN = 15;
/** In which a reader comes to the end of what there is. */
const READ_WITHIN = 2 * MINUTE;

/**
 * Events from nothing to 25 MB come in while the agent is away for some simulated minutes, half of them refusing to be
 * connected to, half of them with 503; then it is back, and small events of others come in while large ones are due.
 */
export async function largeEvents(
  stage: Stage,
  {
    events,
    bytes,
    tenants,
    minutes,
    seed,
  }: { events: number; bytes: number; tenants: number; minutes: number; seed: number },
): Promise<Figure[]> {
  const clock = openClock();
  const sink = await openSink();
  const world = await stage.open({
    now: clock.now,
    rateLimits: false,
    env: { ...githubAppEnv(), AGENT_EVENTS_URL: sink.url, AGENT_EVENTS_SECRET: sink.secret },
  });
  await clock.rule(world);
  const all = tenants + SMALL_TENANTS;
  const people = await owners(
    world,
    await plantListeners(world, all, { tenants: all, repositoryOf: (at) => at }),
  );
  const reader = startReader(world, people);
  try {
    const sizes = sizesOf(events, bytes, seed);
    const large = sizes.flatMap((size, number) => (size > LARGE ? [`delivery-${number}`] : []));
    const tally = { acknowledged: new Set<number>(), again: 0 };
    const send = async (delivery: AppDelivery, number: number) => {
      for (let tried = 0; tried < TRIES; tried += 1) {
        if ((await tellApp(world.url, delivery)).status === 200) return void tally.acknowledged.add(number);
        tally.again += 1;
        await wait(TRIES_AFTER_MS);
      }
    };
    const minute = async () => {
      await clock.advance(MINUTE);
      await fire(world);
      await worked(world, clock.now());
    };

    let next = 0;
    for (let passed = 0; passed < minutes; passed += 1) {
      await sink.be(passed < minutes / 2 ? 'refusing' : 'unavailable');
      const until = Math.ceil((events * (passed + 1)) / minutes);
      const some = Array.from({ length: until - next }, (_, at) => next + at);
      next = until;
      await eachOf(some, SENDERS, (number) =>
        send(pushOf(world, { number, repository: number % tenants, bytes: sizes[number] ?? 0 }), number),
      );
      await minute();
    }
    const early = sink.taken.size;

    await sink.be('here');
    const probes = measureWaits(world, sink, {
      large,
      first: events,
      repositoryOf: (number) => tenants + (number % SMALL_TENANTS),
    });
    const isTold = () => [...tally.acknowledged].every((number) => sink.taken.has(number));
    let until = 0;
    for (; until < TOLD_WITHIN && !isTold(); until += 1) await minute();
    const { waits, sent } = await probes.stop();
    const expected = new Set([...tally.acknowledged, ...sent]);
    const unseen = () => [...expected].filter((number) => !reader.seen.has(number)).length;
    for (const end = Date.now() + READ_WITHIN; unseen() > 0 && Date.now() < end; ) await wait(100);
    await reader.stop();

    const [row] = await world.sql(`select count(*)::integer as dead from events where status = 'dead'`);
    const lost = [...expected].filter((number) => !sink.taken.has(number)).length;
    const doubled = [...sink.taken.values()].filter(({ ids }) => ids.size > 1).length;
    const longest = Math.max(...waits);
    const others = [...reader.others].map(([status, count]) => `${count} with ${status}`);
    const volume = sizes.reduce((sum, size) => sum + size, 0) / MB;
    return [
      figure(
        `acknowledged of ${events} events, ${volume.toFixed(0)} MB, ${large.length} large; refused at first and sent again ${tally.again} times`,
        'all',
        tally.acknowledged.size,
        tally.acknowledged.size === events,
      ),
      figure(
        `taken, or dead, while the agent was away for ${minutes} minutes; not told ${until} minutes after; under two ids`,
        '0, 0; 0; 0',
        `${early}, ${row?.dead}; ${lost}; ${doubled}`,
        early === 0 && row?.dead === 0 && lost === 0 && doubled === 0 && sink.strange === 0,
      ),
      figure(
        `the longest that one of ${waits.length} small events waited while others’ large ones were due`,
        'less than 10 s',
        `${(longest / 1000).toFixed(2)} s`,
        waits.length > 0 && longest < 10_000,
      ),
      figure(
        `of ${reader.pages} pages of the feed, not answered with 200; events that its reader has not seen`,
        '0; 0',
        `${others.join(', ') || 0}; ${unseen()}`,
        reader.others.size === 0 && unseen() === 0,
      ),
      figure(
        'the most memory that the isolate held, and how often it was killed for it',
        'less than 100 MB, 0',
        `${(world.memory.peak / MB).toFixed(0)} MB, ${world.memory.exceeded}`,
        world.memory.peak > 0 && world.memory.peak < 100 * MB && world.memory.exceeded === 0,
      ),
    ];
  } finally {
    await reader.stop();
    await sink.close();
  }
}

/** Waits until nothing that was due at a moment is, or a minute has passed: then the next one has come. */
async function worked(world: StagedWorld, due: number): Promise<void> {
  for (const end = Date.now() + MINUTE; Date.now() < end; ) {
    const [row] = await world.sql(
      `select count(*)::integer as busy from events
       where status = 'pending' and (next_attempt_at <= to_timestamp($1) or lease_id is not null)`,
      [due / 1000],
    );
    if (row?.busy === 0) return;
    await wait(50);
  }
}
