import { type Figure, figure, seeded } from './figures.ts';
import { heldTokens, plant } from './plant.ts';
import { fire, type Stage, settled } from './stage.ts';
import { tokenServer } from './token-server.ts';

const FAULTY = 0.2;
const UNWRITTEN = 0.05;

/**
 * Rotating connections through many sweeps by two crons at once, with faults of the provider and commits that
 * PostgreSQL refuses until all tries are spent. Of a provider that forgives no lost answer, only faults before its
 * work are tried: what it has answered and nobody heard is lost by its own rule.
 */
export async function sweeps(
  stage: Stage,
  { connections, rounds }: { connections: number; rounds: number },
): Promise<Figure[]> {
  const strict = tokenServer('github');
  const forgiving = tokenServer('shopify');
  const one = await stage.open({ simulators: [strict.factory, forgiving.factory], rateLimits: false });
  const other = await stage.beside(one);
  const half = Math.floor(connections / 2);
  await plant(one, 'github', strict.plant(half));
  await plant(one, 'shopify', forgiving.plant(connections - half));

  const random = seeded(4);
  let faults = 0;
  one.gateway.decide(({ provider, path }) => {
    if (!path.endsWith('/access_token') || random() >= FAULTY) return undefined;
    faults += 1;
    const kind = Math.floor(random() * (provider === 'shopify' ? 5 : 4));
    if (kind === 0) return { respond: { status: 503, body: 'Service Unavailable' } };
    if (kind === 1) return { respond: { status: 200, body: '<html></html>' } };
    if (kind === 2) return { drop: 'before' };
    if (kind === 3) return { respond: { status: 429, headers: { 'retry-after': '1' }, body: '{}' } };
    return { drop: 'after' };
  });
  let unwritten = 0;
  const tries = new Map<string, number>();
  const bend = (sql: string, parameters: readonly unknown[]) => {
    if (!sql.includes('healthy as')) return undefined;
    const commit = parameters.map(String).join(' ').slice(0, 400);
    const tried = tries.get(commit) ?? (random() < UNWRITTEN ? 1 : Infinity);
    tries.set(commit, tried + 1);
    if (tried === 1) unwritten += 1;
    return tried <= 3 ? { after: tried % 2 === 0 } : undefined;
  };
  one.neon.faults.decide(bend);
  other.neon.faults.decide(bend);

  for (let round = 0; round < rounds; round += 1) {
    await one.sql(`update provider_states set paused_until = null`);
    await one.sql(
      `update connections set refresh_at = now() - interval '1 second'
       where status = 'connected' and (lease_until is null or lease_until <= now())`,
    );
    await Promise.all([fire(one), fire(other)]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await settledEnough();
  }
  one.gateway.decide(() => undefined);
  one.neon.faults.decide(() => undefined);
  other.neon.faults.decide(() => undefined);
  await settled(one, 300_000);

  const held = await heldTokens(one);
  const lost = held.filter(({ refresh }) => !strict.isGood(refresh) && !forgiving.isGood(refresh)).length;
  const dead = held.filter(({ status }) => status !== 'connected').length + (connections - held.length);
  return [
    figure(`connections lost of ${connections} in ${rounds} sweeps`, '0', lost, lost === 0),
    figure('connections marked dead wrongly', '0', dead, dead === 0),
    figure('reuse errors', '0', strict.reuses + forgiving.reuses, strict.reuses + forgiving.reuses === 0),
    figure(
      'faults of the providers, commits that failed',
      'some',
      `${faults}, ${unwritten}`,
      faults > 0 && unwritten > 0,
    ),
  ];

  /** Nobody is under way but those whose commit waits outside of PostgreSQL. */
  async function settledEnough(): Promise<void> {
    for (const end = Date.now() + 20_000; Date.now() < end; ) {
      const [row] = await one.sql(
        `select count(*)::integer as due from connections where refresh_at <= now() and status = 'connected'`,
      );
      const [leased] = await one.sql(
        `select count(*)::integer as busy from connections where lease_until > now() and lease_id is not null`,
      );
      if (row?.due === 0 && Number(leased?.busy) <= connections * 0.1) return;
      await one.sql(`update provider_states set paused_until = null`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (Number(row?.due) > 0) await fire(one);
    }
  }
}
