import { beforeEach, expect, test } from 'vitest';
import { fireCron } from './support/cron.ts';
import { idsOf } from './support/deliveries.ts';
import { done, run } from './support/keyed-world.ts';
import { lanesOf, takenOf } from './support/lanes.ts';
import { openWorld } from './support/open-world.ts';
import { openTarget } from './support/targets.ts';
import { until } from './support/trips.ts';

// Each agent is told in a lane of its own: what one does, others do not feel.

const world = await openWorld();
const { withAgent, redirect, happens, standing } = lanesOf(world);
beforeEach(() => world.reset());

test('one team’s agent that hangs delays everybody: sixteen seconds with 20 events waiting', async () => {
  const [hanging, well] = [await withAgent('hangs'), await withAgent('takes')];
  for (let at = 0; at < 40; at += 1) await happens(hanging);
  const waits: number[] = [];
  for (let at = 0; at < 20; at += 1) {
    const from = performance.now();
    await happens(well);
    await happens(hanging);
    await until(() => takenOf(well.agent) > at || undefined);
    waits.push(performance.now() - from);
  }
  expect(Math.max(...waits)).toBeLessThan(2_000);
  // It has not answered for a second: what comes from then on waits for its turn.
  expect(hanging.agent.mostOpen).toBeLessThan(40);
  const waiting = (await standing(hanging)).filter(({ attempts }) => attempts === 0);
  expect(waiting.length).toBeGreaterThan(10);
}, 60_000);

test('what waits behind an agent that hung is told as soon as it answers, without the cron', async () => {
  const hanging = await withAgent('hangs');
  for (let at = 0; at < 30; at += 1) await happens(hanging);
  await until(() => hanging.agent.mostOpen > 0 || undefined);
  await until(async () => (await world.sql('select 1 from lanes')).length > 0 || undefined);
  await hanging.agent.close();
  const well = await redirect(hanging.tenantId, 'takes');
  const ids = await idsOf(hanging.target);
  await until(() => takenOf(well) >= 20 || undefined, 40_000);
  await world.sql(`update events set next_attempt_at = now() where status = 'pending' and lease_id is null`);
  await fireCron(world, 'events');
  await until(() => new Set(well.requests.map(({ id }) => id)).size >= ids.length || undefined, 20_000);
}, 90_000);

test('410 is not heard: an agent that is gone is asked for three days', async () => {
  const gone = await withAgent('gone');
  const lines = world.logs.length;
  await happens(gone);
  await until(() => world.logs.slice(lines).find((line) => line.includes('agent_gone')));
  for (let at = 0; at < 5; at += 1) await happens(gone);
  const isSettled = { status: 'pending', attempts: 0, last_error: 'no agent', is_waiting: true };
  await expect.poll(() => standing(gone)).toEqual(Array(6).fill({ ...isSettled, seconds: Infinity }));
  expect(await fireCron(world, 'waiting')).toMatchObject({ woken: 0 });
  expect(gone.agent.requests).toHaveLength(1);
  const next = await redirect(gone.tenantId, 'takes');
  await fireCron(world, 'events');
  await until(() => takenOf(next) === 6 || undefined);
}, 60_000);

test('the Worker’s own agent says 410, and is told again at its address once the operator says so', async () => {
  const target = await openTarget(world, 'stripe');
  const isOwn = ({ body }: { body: unknown }) => JSON.stringify(body).includes(target.id);
  await until(() => world.agent.deliveries.find(isOwn));
  world.agent.fail({ status: 410 });
  const lines = world.logs.length;
  await happens({ target });
  await until(() => world.logs.slice(lines).find((line) => line.includes('agent_gone')));
  world.agent.fail(undefined);
  expect(await fireCron(world, 'waiting')).toMatchObject({ woken: 0 });
  const ran = await run(world, ['agent-open']);
  done(ran);
  expect(ran.lines).toEqual([{ event: 'agent_opened' }]);
  expect(await fireCron(world, 'waiting')).toMatchObject({ woken: 1 });
  await until(() =>
    world.agent.deliveries.find(({ body }) => JSON.stringify(body).includes('stripe.invoice')),
  );
}, 60_000);

test('Retry-After is not heard: an agent that asks for two minutes is asked again in ten seconds', async () => {
  const limited = await withAgent({ retryAfter: 120 });
  await happens(limited);
  await until(
    async () =>
      (await world.sql('select closed_until from lanes where closed_until is not null'))[0]?.closed_until ||
      undefined,
  );
  for (let at = 0; at < 3; at += 1) await happens(limited);
  await expect
    .poll(async () => (await standing(limited)).every(({ seconds }) => Number(seconds) > 100))
    .toBe(true);
  expect((await standing(limited)).map(({ attempts }) => attempts)).toEqual([1, 0, 0, 0]);
  await fireCron(world, 'events');
  expect(limited.agent.requests).toHaveLength(1);
}, 60_000);
