import { type Figure, figure } from './figures.ts';
import { ask, owners } from './owners.ts';
import { heldTokens, plant } from './plant.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';
import { type TokenServer, tokenServer } from './token-server.ts';

const FOREVER = 600_000;
/** By the cron, whose consumer has six connections; the rest on demand. */
const BY_CRON = 6;

/** The awaits of a refresh, and whether a token that works once may be lost there. */
const points = [
  { name: 'claimed, the answer under way', mayLose: false },
  { name: 'the provider not reached yet', mayLose: false },
  { name: 'the provider has answered', mayLose: true },
  { name: 'the commit not reached yet', mayLose: true },
  { name: 'committed, the answer under way', mayLose: false },
] as const;

type Point = (typeof points)[number]['name'];

/** Kills a Worker while many refreshes stand at the same await, and lets another one take over. */
export async function kills(
  stage: Stage,
  {
    each,
    atOnce,
    kinds = ['github', 'shopify'],
  }: { each: number; atOnce: number; kinds?: readonly ('github' | 'shopify')[] },
): Promise<Figure[]> {
  const servers = { github: tokenServer('github'), shopify: tokenServer('shopify') };
  const survivor = await stage.open({
    simulators: [servers.github.factory, servers.shopify.factory],
    rateLimits: false,
  });
  const figures: Figure[] = [];
  for (const provider of kinds) {
    for (const point of points) {
      let [lost, silent, killed] = [0, 0, 0];
      while (killed < each) {
        const outcome = await killOnce(stage, survivor, servers[provider], {
          provider,
          point: point.name,
          atOnce,
        });
        killed += outcome.stood;
        lost += outcome.lost;
        silent += outcome.silent;
      }
      const mayLose = point.mayLose && provider === 'github';
      const title = `${provider === 'github' ? 'each token works once' : 'an unheard answer is forgiven'}; killed ${killed} times at: ${point.name}`;
      figures.push(
        figure(
          title,
          mayLose ? 'at most those lost, each told' : '0 lost',
          `${lost} lost, ${silent} of them untold`,
          silent === 0 && (mayLose ? lost <= killed : lost === 0),
        ),
      );
    }
  }
  return figures;
}

async function killOnce(
  stage: Stage,
  survivor: StagedWorld,
  server: TokenServer,
  { provider, point, atOnce }: { provider: 'github' | 'shopify'; point: Point; atOnce: number },
): Promise<{ stood: number; lost: number; silent: number }> {
  const victim = await stage.beside(survivor);
  const byCron = await plant(survivor, provider, server.plant(Math.min(BY_CRON, atOnce)));
  const onDemand = await plant(survivor, provider, server.plant(atOnce - byCron.length), {
    refreshAt: `now() + interval '1 hour'`,
    expiresAt: 'now()',
  });
  const ids = new Set([...byCron, ...onDemand].map(({ id }) => id));
  const people = await owners(survivor, onDemand);

  let standing = 0;
  const stand = () => {
    standing += 1;
  };
  const isToken = (path: string) => path.endsWith('/access_token');
  if (point === 'the provider not reached yet') {
    survivor.gateway.decide(({ path }) => {
      if (!isToken(path)) return undefined;
      stand();
      return { delay: FOREVER, drop: 'before' };
    });
  }
  if (point === 'the provider has answered') {
    survivor.gateway.decide(({ path }) => {
      if (!isToken(path)) return undefined;
      stand();
      return { hold: FOREVER };
    });
  }
  victim.neon.faults.decide((sql) => {
    const isClaim = sql.includes('candidate as');
    const isCommit = sql.includes('healthy as');
    const stands =
      (isClaim && point === 'claimed, the answer under way') ||
      (isCommit && (point === 'the commit not reached yet' || point === 'committed, the answer under way'));
    if (!stands) return undefined;
    stand();
    return { after: point !== 'the commit not reached yet', holdMs: FOREVER };
  });

  void fire(victim).catch(() => undefined);
  const asked = people.map((owner) =>
    ask(victim, owner, 'POST', `/api/connectors/${provider}/test`).catch(() => undefined),
  );
  // One claim takes all that the cron has sent.
  const awaited = point === 'claimed, the answer under way' ? onDemand.length + 1 : atOnce;
  for (const end = Date.now() + 15_000; standing < awaited && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // What is held after its work has done it by now.
  await new Promise((resolve) => setTimeout(resolve, 100));
  await victim.kill();
  await Promise.all(asked);
  survivor.gateway.decide(() => undefined);
  victim.neon.faults.decide(() => undefined);

  // Minutes pass: leases run out, and what a vanished holder may have left is waited for.
  for (let minutes = 0; minutes < 6; minutes += 2) {
    await survivor.sql(
      `update connections set lease_until = lease_until - interval '130 seconds', expires_at = expires_at - interval '130 seconds',
         refresh_at = case when lease_until is null and last_refreshed_at is not null then refresh_at else least(refresh_at, now()) end
       where id = any ($1::uuid[])`,
      [[...ids]],
    );
    await fire(survivor);
    await quiet(survivor);
  }
  const held = (await heldTokens(survivor)).filter(({ id }) => ids.has(id));
  const broken = held.filter(({ refresh }) => !server.isGood(refresh));
  const silent = broken.filter(({ status }) => status === 'connected').length;
  await survivor.sql('delete from connections where id = any ($1::uuid[])', [[...ids]]);
  return {
    stood: point === 'claimed, the answer under way' ? atOnce : standing,
    lost: broken.length,
    silent,
  };
}

/** Waits until PostgreSQL has been left alone for a while. */
async function quiet(world: StagedWorld): Promise<void> {
  let before = -1;
  for (let calm = 0; calm < 3; ) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const now = world.neon.count();
    calm = now === before ? calm + 1 : 0;
    before = now;
  }
}
