import { type Figure, figure, seeded } from './figures.ts';
import { ask, owners } from './owners.ts';
import { plant } from './plant.ts';
import { fire, type Stage } from './stage.ts';
import { tokenServer } from './token-server.ts';

/** Each connection is disconnected twice at once, and three in ten revocations fail. */
export async function deletes(stage: Stage, { connections }: { connections: number }): Promise<Figure[]> {
  const server = tokenServer('github');
  const world = await stage.open({ simulators: [server.factory], rateLimits: false });
  const planted = await plant(world, 'github', server.plant(connections), {
    refreshAt: `now() + interval '1 hour'`,
    expiresAt: `now() + interval '2 hours'`,
  });
  const people = await owners(world, planted);
  const random = seeded(7);
  world.gateway.decide(({ method }) =>
    method === 'DELETE' && random() < 0.3 ? { respond: { status: 503, body: '{}' } } : undefined,
  );
  let usable = 0;
  let answers = 0;
  for (let from = 0; from < people.length; from += 10) {
    await Promise.all(
      people.slice(from, from + 10).map(async (owner) => {
        const both = await Promise.all(
          [0, 1].map(() => ask(world, owner, 'DELETE', '/api/connectors/github')),
        );
        const statuses = both.map(({ status }) => status).sort();
        if (statuses[0] === 200 && [200, 404].includes(statuses[1] ?? 0)) answers += 1;
        const after = await ask(world, owner, 'POST', '/api/connectors/github/test');
        if (after.status !== 404) usable += 1;
      }),
    );
  }
  for (let firing = 0; firing < 40; firing += 1) {
    const [row] = await world.sql('select count(*)::integer as left from revocations');
    if (row?.left === 0) break;
    await world.sql(`update revocations set next_attempt_at = now(), under_way_until = null`);
    await fire(world);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
  }
  const [left] = await world.sql('select count(*)::integer as n from revocations');
  const [sealed] = await world.sql(
    'select count(*)::integer as n from connections where credential is not null or refresh_token is not null',
  );
  const [audit] = await world.sql(`select count(*)::integer as n from audit_log where action = 'revoked'`);
  return [
    figure(
      `answers to two DELETEs of each of ${connections}`,
      'as the contract says',
      answers,
      answers === connections,
    ),
    figure('usable at the answer', '0', usable, usable === 0),
    figure(
      'revocations that went through',
      String(connections),
      `${server.revoked}, ${audit?.n} in the audit log`,
      server.revoked === connections && audit?.n === connections,
    ),
    figure(
      'left to do, and envelopes left',
      '0, 0',
      `${left?.n}, ${sealed?.n}`,
      left?.n === 0 && sealed?.n === 0,
    ),
  ];
}
