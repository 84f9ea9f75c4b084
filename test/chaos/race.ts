import { type Figure, figure } from './figures.ts';
import { ask, owners } from './owners.ts';
import { plant } from './plant.ts';
import { fire, type Stage } from './stage.ts';
import { tokenServer } from './token-server.ts';

/** Two crons and many on-demand calls, on two Workers and one database, on one token that works once. */
export async function race(
  stage: Stage,
  { rounds, racers }: { rounds: number; racers: number },
): Promise<Figure[]> {
  const server = tokenServer('github');
  const one = await stage.open({ simulators: [server.factory], rateLimits: false });
  const other = await stage.beside(one);
  const planted = await plant(one, 'github', server.plant(1), { refreshAt: `now() + interval '1 hour'` });
  const [owner] = await owners(one, planted);
  if (!owner) throw new Error('no owner');
  const workers = [one, other];
  /** What those who were not served were told, and how many. */
  const refusals = new Map<string, number>();
  for (let round = 0; round < rounds; round += 1) {
    await one.sql(`update connections set refresh_at = now(), expires_at = now()`);
    const calls = Array.from({ length: racers - 2 }, async (_, at) => {
      const reply = await ask(workers[at % 2] ?? one, owner, 'POST', '/api/connectors/github/test');
      const text = await reply.text();
      if (reply.status === 200) return;
      const told = `${reply.status} ${text}`.replace(/,?"request_id":"[^"]*"/, '');
      refusals.set(told, (refusals.get(told) ?? 0) + 1);
    });
    await Promise.all([...calls, ...workers.map(fire)]);
  }
  return [
    figure(
      `token calls in ${rounds} rounds of ${racers} racers`,
      String(rounds),
      server.calls,
      server.calls === rounds,
    ),
    figure('reuse errors', '0', server.reuses, server.reuses === 0),
    figure(
      'racers that were not served',
      '0',
      [...refusals].map(([told, count]) => `${count} of ${told}`).join('; ') || 0,
      refusals.size === 0,
    ),
  ];
}
