import type { AgentFailure } from '../../world/agent.ts';
import type { PostgresServer } from '../../world/postgres.ts';
import { seeded } from '../figures.ts';
import type { StagedWorld } from '../stage.ts';

/** What goes wrong in the course of a scenario. */
export const kinds = ['postgres', 'worker', 'queues', 'agent'] as const;
type Kind = (typeof kinds)[number];

const agentFailures: readonly AgentFailure[] = ['hang', 'error', 'closed'];

/** A world whose Worker may be killed and started again. */
export interface Standing {
  world: StagedWorld;
  postgres: PostgresServer;
  restart(): Promise<void>;
}

interface Span {
  from: number;
  to: number;
}

export interface Faults {
  count: number;
  /** Whether nothing was wrong in a span of `performance.now()`, nor for a while before it. */
  isWell(span: Span): boolean;
  /** Resolves once all of them have been, and are over. */
  over: Promise<void>;
}

/** What has just come back may still be starting. */
const AFTER = 2_000;
/** The faults begin when this share of the work is done at the earliest, and the last of them at the latest. */
const [FIRST, LAST] = [0.2, 0.8];

/** Lets each kind of fault happen `each` times at random points of the work, of one kind never two at once. */
export function startFaults(
  standing: Standing,
  {
    each,
    lasting: [least, most],
    progress,
    seed,
    signal,
  }: {
    each: number;
    lasting: readonly [least: number, most: number];
    progress: () => number;
    seed: number;
    /** No more of them begin. */
    signal: AbortSignal;
  },
): Faults {
  const spans: Span[] = [];
  const suffer = async (kind: Kind, at: number) => {
    const random = seeded(seed + at);
    for (let nth = 0; nth < each; nth += 1) {
      const begin = FIRST + ((LAST - FIRST) * (nth + random())) / each;
      const lasts = least + (most - least) * random();
      while (progress() < begin && !signal.aborted) await wait(10);
      if (signal.aborted) return;
      const span: Span = { from: performance.now(), to: Infinity };
      spans.push(span);
      await happen(standing, kind, nth, lasts);
      span.to = performance.now();
    }
  };
  const over = Promise.all(kinds.map(suffer)).then(() => undefined);
  // Whoever waits for it is told, later.
  over.catch(() => undefined);
  return {
    get count() {
      return spans.length;
    },
    isWell: ({ from, to }) => !spans.some((span) => span.from <= to && span.to + AFTER >= from),
    over,
  };
}

async function happen(standing: Standing, kind: Kind, nth: number, lasts: number): Promise<void> {
  const { postgres, world } = standing;
  switch (kind) {
    case 'postgres':
      await postgres.kill();
      await wait(lasts);
      return postgres.restart();
    case 'worker':
      return standing.restart();
    case 'queues':
      // A Worker that is down takes nothing either.
      await standing.world.queuesDown(true).catch(() => undefined);
      await wait(lasts);
      return standing.world.queuesDown(false).catch(() => undefined);
    case 'agent':
      world.agent.fail(agentFailures[nth % agentFailures.length]);
      await wait(lasts);
      return world.agent.fail(undefined);
  }
}

export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
