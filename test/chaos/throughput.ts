import { type Figure, figure } from './figures.ts';
import { plant } from './plant.ts';
import { fire, type Stage } from './stage.ts';
import { tokenServer } from './token-server.ts';

const CONNECTIONS_OF_AN_INVOCATION = 6;

/** Everything is due at once, and the provider takes its time. The local queue gives a Worker one consumer. */
export async function throughput(
  stage: Stage,
  { connections, latencyMs }: { connections: number; latencyMs: number },
): Promise<Figure[]> {
  const server = tokenServer('github');
  const world = await stage.open({ simulators: [server.factory], rateLimits: false });
  await plant(world, 'github', server.plant(connections));
  let [first, last, under, most] = [0, 0, 0, 0];
  world.gateway.decide(() => {
    first ||= performance.now();
    last = performance.now();
    under += 1;
    most = Math.max(most, under);
    setTimeout(() => {
      under -= 1;
    }, latencyMs);
    return { takes: latencyMs };
  });
  const before = world.neon.count();
  await fire(world);
  // What a firing had to leave is due at the next, a minute later; that minute counts.
  for (let fired = performance.now(); server.calls < connections; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (performance.now() - Math.max(fired, last) < 60_000) continue;
    fired = performance.now();
    await fire(world);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  const trips = (world.neon.count() - before) / connections;
  const seconds = (last - first + latencyMs) / 1000;
  const consumers = Math.max(1, Math.round(most / CONNECTIONS_OF_AN_INVOCATION));
  const possible = (CONNECTIONS_OF_AN_INVOCATION * consumers * 1000) / latencyMs;
  const share = connections / seconds / possible;
  return [
    figure(
      `${connections} due at once, ${latencyMs} ms latency, ${consumers} consumer(s): share of what six connections allow`,
      'at least 0.85',
      `${share.toFixed(3)} (${(connections / seconds).toFixed(1)}/s of ${possible}/s, ${seconds.toFixed(1)} s)`,
      share >= 0.85,
    ),
    figure('PostgreSQL round trips a token', 'at most 1.2', trips.toFixed(3), trips <= 1.2),
  ];
}
