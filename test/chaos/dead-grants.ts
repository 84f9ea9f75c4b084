import { type Figure, figure } from './figures.ts';
import { plant } from './plant.ts';
import { fire, type Stage, settled } from './stage.ts';
import { tokenServer } from './token-server.ts';

/** People have taken access away; the sweeps go on. */
export async function deadGrants(
  stage: Stage,
  { connections, sweeps }: { connections: number; sweeps: number },
): Promise<Figure[]> {
  const server = tokenServer('github');
  const world = await stage.open({ simulators: [server.factory], rateLimits: false });
  const other = await stage.beside(world);
  const pairs = server.plant(connections);
  await plant(world, 'github', pairs);
  for (const { refresh } of pairs) server.kill(refresh);
  await Promise.all([fire(world), fire(other)]);
  await settled(world);
  const first = server.calls;
  for (let sweep = 1; sweep < sweeps; sweep += 1) {
    await Promise.all([fire(world), fire(other)]);
    await settled(world);
  }
  const events = await world.sql(
    `select count(*)::integer as all, count(distinct connection_id)::integer as each from events
     where type = 'connection.reauthorization_required'`,
  );
  const told = await world.sql(
    `select count(*)::integer as n from connections where status = 'reauthorization_required' and refresh_at is null`,
  );
  return [
    figure(`calls for ${connections} dead grants`, String(connections), first, first === connections),
    figure('calls after', '0', server.calls - first, server.calls === first),
    figure(
      'events',
      `${connections}, one each`,
      `${events[0]?.all}, of ${events[0]?.each}`,
      events[0]?.all === connections && events[0]?.each === connections,
    ),
    figure('connections that say so', String(connections), String(told[0]?.n), told[0]?.n === connections),
  ];
}
