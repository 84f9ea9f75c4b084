import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { send, settledOf, something } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson, newTeam } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { serve } from '../../world/http-server.ts';
import { ownAccount } from './looked-after.ts';

interface Told {
  id: string;
  replay: string | null;
  body: string;
}

let isDown = false;
const told: Told[] = [];
/** An agent that keeps what it is told as it came. */
const agent = await serve(async (request) => {
  if (isDown) return new Response(null, { status: 500 });
  const body = await request.text();
  const { headers } = request;
  told.push({ id: headers.get('webhook-id') ?? '', replay: headers.get('reeve-replay'), body });
  return new Response(null, { status: 204 });
});
afterAll(() => agent.close());

const world = await openWorld({ env: { AGENT_EVENTS_URL: agent.url } });
beforeEach(() => {
  world.reset();
  isDown = false;
});

const redeliver = ({ person }: Target, id: string, headers: Record<string, string> = {}) =>
  person.at.post(`/api/events/${id}/redeliver`, { headers });

/** What the agent was told of an event, once it was so often. */
const times = (id: string, count: number) =>
  until(() => {
    const found = told.filter((each) => each.id === id);
    return found.length >= count ? found : undefined;
  });

/** Somebody whose agent was told of one event. */
async function withEvent(): Promise<{ target: Target; id: string }> {
  const target = await openTarget(world, 'stripe', { key: ownAccount() });
  expect((await send(target, something(target))).status).toBe(200);
  const [event] = await settledOf(target);
  return { target, id: event?.id ?? '' };
}

const statusOf = async (id: string) =>
  (await sql(world, 'select status, attempts, replays, last_error from events where id = $1', [id]))[0];

async function connectedEvent({ id }: Target): Promise<string> {
  const oldest = `select id from events where connection_id = $1 and type = 'connection.connected'`;
  return String((await sql(world, oldest, [id]))[0]?.id);
}

describe('a redelivery', () => {
  test('tells the agent again under the same id, and says how often it was asked for', async () => {
    const { target, id } = await withEvent();
    const [first] = await times(id, 1);
    expect(first?.replay).toBeNull();
    for (const replay of ['1', '2']) {
      const reply = await redeliver(target, id);
      expect([reply.status, reply.text]).toEqual([202, '']);
      const all = await times(id, Number(replay) + 1);
      expect(all.at(-1)).toEqual({ id, replay, body: first?.body });
    }
    await settledOf(target);
    expect(await statusOf(id)).toMatchObject({ status: 'delivered', replays: 2, last_error: null });
    expect(told.filter((each) => each.id === id)).toHaveLength(3);
  });

  test('brings back what was given up', async () => {
    const { target, id } = await withEvent();
    await sql(
      world,
      `update events set status = 'dead', attempts = 29, last_error = 'status 500' where id = $1`,
      [id],
    );
    expect((await redeliver(target, id.toUpperCase())).status).toBe(202);
    expect((await times(id, 2)).at(-1)?.replay).toBe('1');
    await settledOf(target);
    expect(await statusOf(id)).toMatchObject({ status: 'delivered', attempts: 1, last_error: null });
  });

  test('that the agent does not take is tried again, as any other', async () => {
    const { target, id } = await withEvent();
    isDown = true;
    await redeliver(target, id);
    await until(async () => ((await statusOf(id))?.last_error === 'status 500' ? true : undefined));
    isDown = false;
    expect(await statusOf(id)).toMatchObject({ status: 'pending' });
    await world.sql('update events set next_attempt_at = now() where id = $1', [id]);
    await fireCron(world);
    expect((await times(id, 2)).at(-1)?.replay).toBe('1');
  });

  test('of a connection’s own event works alike', async () => {
    const { target } = await withEvent();
    const id = await connectedEvent(target);
    expect((await redeliver(target, id)).status).toBe(202);
    expect(JSON.parse((await times(id, 1))[0]?.body ?? '')).toMatchObject({
      id,
      type: 'connection.connected',
    });
  });
});

describe('404, alike for each, is said of', () => {
  test('an event of another user, of another scope, of nobody, and of what is no event of the agent’s', async () => {
    const { target, id } = await withEvent();
    const { target: other } = await withEvent();
    const [unknown] = [
      something(target, {
        body: something(target).body.toString().replace('invoice.created', 'plan.created'),
      }),
    ];
    expect((await send(target, unknown)).status).toBe(200);
    const kept = (await settledOf(target)).find(({ status }) => status === 'kept');
    const team = await newTeam(world);
    const member = await newPerson(world, { teams: [team.id] });
    const before = told.length;
    const replies = [
      await redeliver(other, id),
      await member.at.post(`/api/events/${id}/redeliver`, { brand: team.brand }),
      await redeliver(target, randomUUID()),
      await redeliver(target, kept?.id ?? ''),
      await redeliver(target, 'not-an-id'),
      await redeliver(target, '%00'),
    ];
    const said = replies.map(({ status, body: { request_id: _, ...body } }) => ({ status, body }));
    for (const each of said) expect(each).toEqual(said[0]);
    expect(said[0]).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await statusOf(id)).toMatchObject({ status: 'delivered', replays: 0 });
    expect(told.length).toBe(before);
  });

  test('one’s own event in a brand, asked for without it', async () => {
    const team = await newTeam(world);
    const { target } = await withEvent();
    await sql(world, 'insert into team_members (team_id, user_id) values ($1, $2)', [
      team.id,
      target.person.id,
    ]);
    const id = await connectedEvent(target);
    expect((await redeliver(target, id, { 'x-brand-id': team.brand })).status).toBe(404);
    expect((await redeliver(target, id)).status).toBe(202);
  });
});
