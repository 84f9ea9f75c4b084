import { runKeys } from '../support/keys-command.ts';
import { type Figure, figure, seeded } from './figures.ts';
import { ask, type Owner, owners } from './owners.ts';
import { heldTokens, plant } from './plant.ts';
import { fire, type Stage, type StagedWorld, settled } from './stage.ts';
import { tokenServer } from './token-server.ts';

const READERS = 4;
const TENANTS = 4;
const DUE_AT_ONCE = 20;
const SWEEP_MS = 250;
const TRIES = 5;

/** Counts of what went well and what did not. */
class Count {
  good = 0;
  readonly bad: string[] = [];

  get text(): string {
    return `${this.bad.length} of ${this.good + this.bad.length}${this.bad.length > 0 ? ` (${this.bad[0]})` : ''}`;
  }
}

/**
 * Every tenant's data key is rotated while people test their connections, connect others, and refreshes go on; some
 * disconnects wait for their provider meanwhile. The command is killed again and again, and begun again.
 */
export async function keyRotation(
  stage: Stage,
  { rows, kills }: { rows: number; kills: number },
): Promise<Figure[]> {
  const server = tokenServer('github');
  const world = await stage.open({ simulators: [server.factory], rateLimits: false });
  const planted = await plant(world, 'github', server.plant(rows), {
    refreshAt: `now() + interval '1 day'`,
    expiresAt: `now() + interval '2 days'`,
    tenants: TENANTS,
  });
  const people = await owners(world, planted);
  // Members of their tenant's team, so that what they connect is sealed with the same keys.
  await world.sql(`insert into teams (id, name) select distinct tenant_id, 'Planted' from connections`);
  await world.sql('insert into team_members (team_id, user_id) select tenant_id, user_id from connections');
  const leaving = people.splice(0, Math.max(3, Math.floor(rows / 100)));
  await disconnectPending(world, leaving);

  const [reads, connects] = [new Count(), new Count()];
  let isOver = false;
  const random = seeded(9);
  const anybody = () => people[Math.floor(random() * people.length)] as Owner;
  const repeated = async (work: () => Promise<void>) => {
    while (!isOver) await work();
  };
  const connected = new Set<Owner>();
  const traffic = [
    ...Array.from({ length: READERS }, () => repeated(() => read(world, anybody(), 'github', reads))),
    repeated(async () => {
      const owner = anybody();
      connected.add(owner);
      await connect(world, owner, connects);
    }),
    repeated(() => makeSomeDue(world)),
  ];

  let killed = 0;
  for (let at = 0; at < kills; at += 1) {
    const { code } = await runKeys(world, ['rotate'], { killAt: killer(at, kills, rows) });
    if (code === null) killed += 1;
  }
  const last = await runKeys(world, ['rotate']);
  const [left] = await world.sql(`
    select count(*)::integer as n
    from (select data_key_id from connections union all select data_key_id from revocations) t
    join data_keys k on k.id = t.data_key_id
    where exists (select from data_keys newer where newer.tenant_id = k.tenant_id and newer.generation > k.generation)`);
  isOver = true;
  await Promise.all(traffic);
  await settled(world);

  const generations = await world.sql(`
    select max(generation)::integer as newest, count(*)::integer as keys from data_keys
    where tenant_id in (select tenant_id from connections) group by tenant_id`);
  const once = generations.filter(({ newest, keys }) => newest === 2 && keys === 2).length;
  const held = await heldTokens(world);
  const lost = rows - leaving.length - held.filter(({ refresh }) => server.isGood(refresh)).length;
  for (const owner of connected) await read(world, owner, 'stripe', connects);
  const revoked = await endPending(world, () => server.revoked, leaving.length);
  const isDone = last.code === 0;
  return [
    figure(`kills while ${rows} rows were sealed again`, String(kills), killed, killed === kills),
    figure('the last run', 'done', isDone ? 'done' : last.error.trim(), isDone),
    figure('rows left under an older key', '0', String(left?.n), left?.n === 0),
    figure('reads that failed', '0', reads.text, reads.bad.length === 0 && reads.good > 0),
    figure('connects that failed', '0', connects.text, connects.bad.length === 0 && connects.good > 0),
    figure(
      'connections lost under refreshes',
      '0',
      `${lost}, ${server.calls} refreshes`,
      lost === 0 && server.calls > 0,
    ),
    figure('reuse errors', '0', server.reuses, server.reuses === 0),
    figure('tenants with one new generation', String(TENANTS), once, once === TENANTS),
    figure(
      'pending revocations that went through',
      String(leaving.length),
      revoked,
      revoked === leaving.length,
    ),
  ];
}

/** Where a run is killed: at the beginning, once the keys are made, then after a share of the rows. */
function killer(at: number, kills: number, rows: number): (line: Record<string, unknown>) => boolean {
  const early = kills > 2 ? ['rotation_begun', 'data_keys_made'] : [];
  const event = early[at];
  if (event !== undefined) return (line) => line.event === event;
  const share = rows / (kills - early.length + 1);
  return (line) => line.event === 'resealing' && Number(line.resealed) >= share;
}

/** Disconnects while the provider does not answer: the envelopes wait in `revocations`. */
async function disconnectPending(world: StagedWorld, leaving: readonly Owner[]): Promise<void> {
  world.gateway.decide(({ method }) =>
    method === 'DELETE' ? { respond: { status: 503, body: '{}' } } : undefined,
  );
  for (const owner of leaving) await ask(world, owner, 'DELETE', '/api/connectors/github');
  await world.sql(`update revocations set next_attempt_at = now() + interval '1 day'`);
  world.gateway.decide(() => undefined);
}

/** Lets the pending revocations be tried again; how many went through. */
async function endPending(world: StagedWorld, revoked: () => number, many: number): Promise<number> {
  await world.sql('update revocations set next_attempt_at = now()');
  for (const end = Date.now() + 60_000; Date.now() < end && revoked() < many; ) {
    await fire(world);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return revoked();
}

/** Tests a connection; who is told that it was changed meanwhile asks again, as the answer says. */
async function read(world: StagedWorld, owner: Owner, provider: string, count: Count): Promise<void> {
  let told = '';
  for (let tries = 0; tries < TRIES; tries += 1) {
    const reply = await ask(world, owner, 'POST', `/api/connectors/${provider}/test`);
    const body = (await reply.json()) as { status?: unknown; code?: string };
    told = `${provider} ${reply.status} ${body.code ?? body.status}`;
    if (reply.status === 200 && body.status === 'connected') {
      count.good += 1;
      return;
    }
    if (body.code !== 'in_progress') break;
  }
  count.bad.push(told);
}

async function connect(world: StagedWorld, owner: Owner, count: Count): Promise<void> {
  const key = world.gateway.simulator('stripe').issueKey?.().api_key;
  const reply = await fetch(`${world.url}/api/connectors/connect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${owner.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ provider: 'stripe', api_key: key, replace: true }),
  });
  await reply.body?.cancel();
  if (reply.ok) count.good += 1;
  else count.bad.push(`connect ${reply.status}`);
}

/** Some connections become due, and the cron fires. */
async function makeSomeDue(world: StagedWorld): Promise<void> {
  await world.sql(
    `update connections set refresh_at = now() - interval '1 second' where id in (
       select id from connections
       where status = 'connected' and refresh_token is not null and lease_until is null order by random() limit $1
     )`,
    [DUE_AT_ONCE],
  );
  await fire(world);
  await new Promise((resolve) => setTimeout(resolve, SWEEP_MS));
}
