import { pushOf, tellApp } from '../github-app.ts';
import type { StagedWorld } from '../stage.ts';
import { wait } from '../webhooks/faults.ts';
import type { Sink } from './sink.ts';

const EVERY_MS = 200;
const SMALL = 1_000;
/** Whoever waits longer than this has waited too long, whatever comes of it. */
const PATIENCE_MS = 30_000;

export interface Probes {
  /** Gives what those sent while large events were due have waited, in milliseconds, and the numbers of all. */
  stop(): Promise<{ waits: number[]; sent: number[] }>;
}

/** Sends small events of tenants that have no large ones while the deliveries `large` are due; numbered from `first` on. */
export function measureWaits(
  world: StagedWorld,
  sink: Sink,
  {
    large,
    first,
    repositoryOf,
  }: { large: readonly string[]; first: number; repositoryOf: (number: number) => number },
): Probes {
  const acknowledged = new Map<number, number>();
  let isOver = false;
  const areDue = async () => {
    const [row] = await world.sql(
      `select exists (
         select from events where delivery_id = any ($1::text[]) and status = 'pending'
           and (next_attempt_at <= now() or lease_id is not null)
       ) as due`,
      [large],
    );
    return row?.due === true;
  };
  const sending = (async () => {
    for (let number = first; !isOver; number += 1) {
      if (await areDue()) {
        const push = pushOf(world, { number, repository: repositoryOf(number), bytes: SMALL });
        if ((await tellApp(world.url, push)).status === 200) acknowledged.set(number, performance.now());
      }
      await wait(EVERY_MS);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await sending;
      const isWaiting = () => [...acknowledged.keys()].some((number) => !sink.taken.has(number));
      for (const end = Date.now() + PATIENCE_MS; isWaiting() && Date.now() < end; ) await wait(20);
      return {
        waits: [...acknowledged].map(([number, from]) =>
          Math.max(0, (sink.taken.get(number)?.first ?? Infinity) - from),
        ),
        sent: [...acknowledged.keys()],
      };
    },
  };
}
