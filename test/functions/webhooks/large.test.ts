import { beforeEach, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { send, stripeEvent } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { sayInstead } from '../../support/payloads.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { ownAccount } from './looked-after.ts';

// Payloads that are large together, within what PostgreSQL's answers and an isolate hold.

const world = await openWorld();
beforeEach(() => world.reset());

/** Has a connection told of something, which nobody passes on yet; its payload is made so large. Gives the event's id. */
async function waiting(target: Target, bytes?: number): Promise<string> {
  await world.queuesDeaf(true);
  expect((await send(target, { body: stripeEvent('invoice.created'), event: '', id: '' })).status).toBe(200);
  const [event] = await world.sql(
    `select id from events where connection_id = $1 and topic is not null order by id desc limit 1`,
    [target.id],
  );
  if (bytes !== undefined) await sayInstead(world, String(event?.id), `{"x":"${'x'.repeat(bytes - 8)}"}`);
  await world.queuesDeaf(false);
  return String(event?.id);
}

const statusOf = async (id: string) =>
  (await world.sql('select status from events where id = $1', [id]))[0]?.status;

test('events of 20 MB due at once are never told, never dead, and take another’s small one along', async () => {
  const [large, small] = [
    await openTarget(world, 'stripe', { key: ownAccount() }),
    await openTarget(world, 'stripe', { key: ownAccount() }),
  ];
  const ids: string[] = [];
  for (let at = 0; at < 4; at += 1) ids.push(await waiting(large, 20_000_000));
  const other = await waiting(small);
  const begun = Date.now();
  await fireCron(world, 'events');
  await until(async () => (await statusOf(other)) === 'delivered' || undefined);
  expect(Date.now() - begun).toBeLessThan(10_000);
  for (const id of ids) {
    await expect.poll(() => statusOf(id), { timeout: 60_000 }).toBe('delivered');
    expect(world.agent.deliveries.filter((each) => each.id === id)).toHaveLength(1);
  }
}, 120_000);

test('what its tellers vanish with is tried each half a minute, and dead within twenty', async () => {
  const target = await openTarget(world, 'stripe', { key: ownAccount() });
  const id = await waiting(target);
  await world.sql('update events set attempts = 10 where id = $1', [id]);
  world.agent.fail('hang', (delivery) => delivery.id === id);
  await fireCron(world, 'events');
  await until(() => (world.agent.attempts.get(id) ?? 0) > 0 || undefined);
  const [row] = await world.sql(
    'select extract(epoch from next_attempt_at - now()) as seconds, attempts from events where id = $1',
    [id],
  );
  // Whoever tells it may not come back.
  expect(Number(row?.seconds)).toBeGreaterThan(280);
  expect(row?.attempts).toBe(11);
  world.agent.fail(undefined);
});

test('what each of its tellers has vanished with is tried for ever', async () => {
  const target = await openTarget(world, 'stripe', { key: ownAccount() });
  const id = await waiting(target);
  await world.sql('update events set attempts = 41, lease_id = gen_random_uuid() where id = $1', [id]);
  const lines = world.logs.length;
  await fireCron(world, 'events');
  await expect.poll(() => statusOf(id), { timeout: 10_000 }).toBe('dead');
  expect(world.agent.deliveries.filter((each) => each.id === id)).toEqual([]);
  await expect
    .poll(() => world.logs.slice(lines).filter((line) => line.includes('event_dead') && line.includes(id)))
    .toHaveLength(1);
  // Whoever asks for it has it told.
  expect((await target.person.at.post(`/api/events/${id}/redeliver`)).status).toBe(202);
  await expect.poll(() => statusOf(id), { timeout: 10_000 }).toBe('delivered');
});
