import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { fireCron } from '../support/cron.ts';
import { done, notDone, run } from '../support/keyed-world.ts';
import { connect, issueKey } from '../support/keys.ts';
import { openWorld, type TestWorld, teams, users } from '../support/open-world.ts';
import { until } from '../support/trips.ts';
import { type Agent, type Delivery, startAgent } from '../world/agent.ts';

const typeOf = ({ body }: Delivery) => (body as { type: string }).type;
const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/** An event of Ada's connection that nobody has been told yet. */
async function untold(world: TestWorld): Promise<void> {
  await world.queuesDown(true);
  const reply = await connect(world.ada, 'stripe', issueKey(world, 'stripe'));
  expect(reply.status, reply.text).toBe(201);
  await world.queuesDown(false);
}

/** As it is left where there is no agent. */
const LEFT = `update events set last_error = 'no agent', next_attempt_at = 'infinity'`;

test('a team’s events go to its own agent, signed with its own secret, until that is taken back', async () => {
  const world = await openWorld();
  const secrets = [newSecret(), newSecret()] as const;
  const [first, second] = [await startAgent(secrets[0]), await startAgent(secrets[1])];
  const told = async (agent: Agent, type: string) => {
    await fireCron(world, 'events');
    const { body } = await until(() => agent.deliveries.find((each) => typeOf(each) === type));
    return body;
  };
  try {
    done(await run(world, ['agent-set', teams.ours, first.url], { AGENT_SECRET: secrets[0] }));
    await connect(world.ada, 'stripe', issueKey(world, 'stripe'));
    await connect(world.mallory, 'stripe', issueKey(world, 'stripe'));
    expect(await told(first, 'connection.connected')).toMatchObject({ user_id: users.ada });
    expect(await told(world.agent, 'connection.connected')).toMatchObject({ user_id: users.mallory });

    done(await run(world, ['agent-set', teams.ours, second.url], { AGENT_SECRET: secrets[1] }));
    done(await run(world, ['rotate', teams.ours]));
    await world.ada.delete('/api/connectors/stripe');
    expect(await told(second, 'connection.disconnected')).toMatchObject({ user_id: users.ada });

    done(await run(world, ['agent-unset', teams.ours]));
    await connect(world.ada, 'stripe', issueKey(world, 'stripe'));
    await until(async () => {
      await fireCron(world, 'events');
      return world.agent.deliveries.length > 1 ? true : undefined;
    });
    expect([first, second].map((agent) => [agent.deliveries.length, agent.refused])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    notDone(await run(world, ['agent-unset', teams.ours]), /has no agent of its own/);
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
}, 60_000);

test('what has waited for an agent is told as soon as there is one', async () => {
  const world = await openWorld();
  const secret = newSecret();
  const own = await startAgent(secret);
  try {
    await untold(world);
    await world.sql(LEFT);
    const ran = await run(world, ['agent-set', teams.ours, own.url], { AGENT_SECRET: secret });
    expect(ran.lines).toEqual([{ event: 'agent_set', tenant_id: teams.ours, waiting: 1 }]);
    await fireCron(world, 'events');
    expect((await until(() => own.deliveries[0])).body).toMatchObject({ type: 'connection.connected' });
  } finally {
    await own.close();
  }
}, 30_000);

test('more than is told in a minute is due minute by minute, so that others are told meanwhile', async () => {
  const world = await openWorld();
  const secret = newSecret();
  const own = await startAgent(secret);
  try {
    await untold(world);
    await world.sql(
      `insert into events (id, type, provider, connection_id, tenant_id, user_id, account_id, occurred_at, last_error, next_attempt_at)
       select gen_random_uuid(), type, provider, connection_id, tenant_id, user_id, account_id, occurred_at, 'no agent', 'infinity'
       from (select * from events where tenant_id = $1 limit 1) e, generate_series(1, 4100)`,
      [teams.ours],
    );
    const ran = await run(world, ['agent-set', teams.ours, own.url], { AGENT_SECRET: secret });
    expect(ran.lines).toEqual([{ event: 'agent_set', tenant_id: teams.ours, waiting: 4_100 }]);
    const due = await world.sql(
      `select count(*)::integer as events from events where tenant_id = $1
       group by ceil(greatest(0, extract(epoch from next_attempt_at - now())) / 60)
       order by min(next_attempt_at)`,
      [teams.ours],
    );
    expect(due.map(({ events }) => events)).toEqual([2_001, 2_000, 100]);
  } finally {
    await own.close();
  }
}, 30_000);

test('what has waited is told by the Worker’s own agent, too, once there is one', async () => {
  const world = await openWorld();
  await untold(world);
  await world.sql(LEFT);
  expect(await fireCron(world, 'waiting')).toMatchObject({ woken: 1 });
  expect((await until(() => world.agent.deliveries[0])).body).toMatchObject({ type: 'connection.connected' });
  expect(await fireCron(world, 'waiting')).toMatchObject({ woken: 0 });
}, 30_000);

describe('changes nothing where it is given', () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await openWorld();
  });
  test.each([
    ['an address without TLS', teams.ours, 'http://agent.example.com/', newSecret(), /https/],
    ['an address with a password', teams.ours, 'https://a:b@agent.example.com/', newSecret(), /https/],
    ['no address', teams.ours, 'agent', newSecret(), /https/],
    ['no secret', teams.ours, 'https://agent.example.com/', '', /AGENT_SECRET/],
    ['a short secret', teams.ours, 'https://agent.example.com/', 'whsec_c2hvcnQ=', /24 to 64 bytes/],
    ['nobody', crypto.randomUUID(), 'https://agent.example.com/', newSecret(), /There is no team/],
  ])('%s', async (_, tenant, url, secret, why) => {
    notDone(await run(world, ['agent-set', tenant, url], { AGENT_SECRET: secret }), why);
    expect(await world.sql('select from agents')).toEqual([]);
  });
});
