import { beforeEach, expect, test } from 'vitest';
import { dueEvents } from '../lib/events/due.ts';
import { openServices } from '../lib/services.ts';
import { fireCron } from './support/cron.ts';
import { storedOf } from './support/deliveries.ts';
import { lanesOf, takenOf } from './support/lanes.ts';
import { openWorld } from './support/open-world.ts';
import { openTarget } from './support/targets.ts';
import { until } from './support/trips.ts';

// Lanes with many events behind each other.

const world = await openWorld();
const { withAgent, happens } = lanesOf(world);
beforeEach(() => world.reset());

test('an agent that takes 600 ms has others wait for half a minute, and is told five at once at most', async () => {
  const [slow, well] = [await withAgent({ takesMs: 600 }), await withAgent('takes')];
  await world.queuesDeaf(true);
  for (let at = 0; at < 120; at += 1) await happens(slow);
  await world.queuesDeaf(false);
  const began = performance.now();
  await fireCron(world, 'events');
  const waits: number[] = [];
  for (let at = 0; at < 10; at += 1) {
    const from = performance.now();
    await happens(well);
    await until(() => takenOf(well.agent) > at || undefined);
    waits.push(performance.now() - from);
  }
  expect(Math.max(...waits)).toBeLessThan(2_000);
  await until(() => new Set(slow.agent.requests.map(({ id }) => id)).size === 120 || undefined, 40_000);
  // One after the other it would take 72 seconds, and five at once fourteen.
  expect(performance.now() - began).toBeLessThan(14_000);
  await until(
    async () => (await storedOf(slow.target)).every(({ status }) => status === 'delivered') || undefined,
  );
  expect(slow.agent.requests).toHaveLength(120);
}, 90_000);

test('what was claimed with an event that was answered 429 is told all the same', async () => {
  const limited = await withAgent({ retryAfter: 300 });
  await world.queuesDeaf(true);
  for (let at = 0; at < 60; at += 1) await happens(limited);
  await world.queuesDeaf(false);
  await fireCron(world, 'events');
  await until(() => limited.agent.requests.length > 0 || undefined);
  await expect
    .poll(async () => {
      const due = `select count(*)::integer as due from events where connection_id = $1 and topic is not null
        and next_attempt_at < now() + interval '4 minutes' and status = 'pending'`;
      return (await world.sql(due, [limited.target.id]))[0]?.due;
    })
    .toBe(0);
  // Those that were under way.
  expect(limited.agent.requests.length).toBeLessThanOrEqual(5);
}, 60_000);

test('an event that is nobody’s makes the claims of others fail while the Worker’s agent is gone', async () => {
  const [gone, own] = [await openTarget(world, 'stripe'), await withAgent('takes')];
  await until(() => world.agent.deliveries.find(({ body }) => JSON.stringify(body).includes(gone.id)));
  await world.queuesDeaf(true);
  await happens({ target: gone });
  await happens(own);
  await world.sql('insert into lanes (id, url, gone_at) values ($1, $2, now())', [
    '00000000-0000-0000-0000-000000000000',
    world.bindings.AGENT_EVENTS_URL,
  ]);
  await world.sql('delete from team_members where user_id = $1', [gone.person.id]);
  await world.sql('delete from users where id = $1', [gone.person.id]);
  await world.queuesDeaf(false);
  await fireCron(world, 'events');
  await until(() => takenOf(own.agent) > 0 || undefined);
  await world.sql('delete from lanes');
}, 60_000);

test('what its teller vanished with waits behind all that another’s lane holds', async () => {
  const [held, vanished] = [await withAgent('takes'), await withAgent('takes')];
  await world.queuesDeaf(true);
  for (let at = 0; at < 30; at += 1) await happens(held);
  await happens(vanished);
  await world.queuesDeaf(false);
  await world.sql(`insert into lanes (id, url, share) values ($1, 'x', 2)`, [held.tenantId]);
  await world.sql(
    `update events set lane = $2, next_attempt_at = now() - interval '1 hour' where connection_id = $1`,
    [held.target.id, held.tenantId],
  );
  await world.sql(
    `update events set lane = $2, lease_id = gen_random_uuid(), next_attempt_at = now() - interval '1 second'
     where connection_id = $1 and topic is not null`,
    [vanished.target.id, vanished.tenantId],
  );
  const services = openServices(world.bindings as unknown as Env);
  const due = (await dueEvents(services, 5)).map(({ id }) => id);
  const [{ id } = { id: '' }] = await storedOf(vanished.target);
  expect(due).toContain(id);
  // Some of those that are held are named as well, should nobody be at them any more.
  expect(due).toHaveLength(11);
}, 60_000);
