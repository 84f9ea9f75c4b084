import { type Figure, figure } from './figures.ts';
import { plant } from './plant.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { tokenServer } from './token-server.ts';

/** Our own client's secret is wrong for a while, with many connections due; each sweep is a minute after the last. */
export async function clientSecret(
  stage: Stage,
  { connections, sweeps }: { connections: number; sweeps: number },
): Promise<Figure[]> {
  const server = tokenServer('github');
  const world = await stage.open({ simulators: [server.factory], rateLimits: false });
  await plant(world, 'github', server.plant(connections), { expiresAt: `now() + interval '1 hour'` });
  server.knowsSecret = false;
  for (let sweep = 0; sweep < sweeps; sweep += 1) await aMinuteLater(world);
  const [row] = await world.sql(
    `select count(*) filter (where status <> 'connected')::integer as dead from connections`,
  );
  const dead = Number(row?.dead);
  const asked = server.refusals;
  const health = (await (await fetch(`${world.url}/health`)).json()) as {
    providers?: Record<string, string>;
  };
  const loud = world.logs.filter((line) => line.includes('provider_client_refused')).length;
  server.knowsSecret = true;
  await aMinuteLater(world);
  const [after] = await world.sql(
    `select count(*)::integer as left from connections where last_refreshed_at is null or last_error_code is not null`,
  );
  const left = Number(after?.left);
  return [
    figure(`marked dead of ${connections} with a wrong client secret`, '0', dead, dead === 0),
    figure(
      'calls meanwhile',
      `at most 12 a sweep (${sweeps * 12})`,
      asked,
      asked > 0 && asked <= sweeps * 12,
    ),
    figure(
      '/health says',
      'client_refused',
      String(health.providers?.github),
      health.providers?.github === 'client_refused',
    ),
    figure('loud log lines', '1', loud, loud === 1),
    figure('not recovered one sweep after it is right', '0', left, left === 0),
  ];
}

/** A minute passes, as the rows see it, and the cron fires; waits until nothing more comes of it. */
async function aMinuteLater(world: StagedWorld): Promise<void> {
  await world.sql(`update provider_states set paused_until = paused_until - interval '1 minute'`);
  await world.sql(
    `update connections set refresh_at = refresh_at - interval '1 minute', lease_until = lease_until - interval '1 minute'`,
  );
  await fire(world);
  let before = -1;
  for (let quiet = 0; quiet < 8; ) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const now = world.neon.count();
    quiet = now === before ? quiet + 1 : 0;
    before = now;
  }
}
