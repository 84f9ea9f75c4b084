import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../support/client.ts';
import { send, stripeEvent } from '../../support/deliveries.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { openWorld } from '../../support/open-world.ts';
import { sayInstead } from '../../support/payloads.ts';
import { newPerson, newTeam } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { ownAccount } from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

interface Event {
  id: string;
  type: string;
  connection_id: string;
}

const TYPES = ['payment_intent.succeeded', 'customer.subscription.updated', 'invoice.created'];

/** Somebody who was told of `count` things, one kind after the other. */
async function withEvents(count: number): Promise<Target> {
  const target = await openTarget(world, 'stripe', { key: ownAccount() });
  for (let at = 0; at < count; at += 1) {
    const body = stripeEvent(TYPES[at % TYPES.length] ?? '');
    expect((await send(target, { body, event: '', id: '' })).status).toBe(200);
  }
  return target;
}

interface Page {
  events: Event[];
  next: string;
  has_more: boolean;
}

const read = async (at: Client, query = ''): Promise<Page> => {
  const reply = await at.get(`/api/events${query}`);
  expect(reply.status, reply.text).toBe(200);
  return reply.body;
};

/** The feed once it has so many events: what is younger than anything under way is not in it yet. */
const whole = ({ person }: Target, count: number) =>
  until(async () => {
    const { events } = await read(person.at, '?limit=100');
    return events.length >= count ? events : undefined;
  });

describe('the feed', () => {
  test('walked by two tells every event once, in one order, and ends', async () => {
    const target = await withEvents(6);
    const all = await whole(target, 7);
    expect(all[0]?.type).toBe('connection.connected');
    const walked: Event[] = [];
    const sizes: number[] = [];
    let page: Page | undefined;
    while (page?.has_more !== false) {
      const after: string = page ? `&after=${encodeURIComponent(page.next)}` : '';
      page = await read(target.person.at, `?limit=2${after}`);
      walked.push(...page.events);
      sizes.push(page.events.length);
    }
    expect(sizes).toEqual([2, 2, 2, 1]);
    expect(walked).toEqual(all);
    expect(new Set(walked.map(({ id }) => id)).size).toBe(7);
    const last = await read(target.person.at, '?limit=7');
    expect([last.events.length, last.has_more]).toEqual([7, false]);
  });

  test('has no cursor at its end for who polls', async () => {
    const target = await withEvents(1);
    await whole(target, 2);
    const { next, has_more } = await read(target.person.at);
    expect(has_more).toBe(false);
    const behind = (cursor: string) => read(target.person.at, `?after=${encodeURIComponent(cursor)}`);
    const empty = await behind(next);
    expect(empty).toEqual({ events: [], next, has_more: false });
    const body = stripeEvent('invoice.created');
    expect((await send(target, { body, event: '', id: '' })).status).toBe(200);
    const [event] = await until(async () => {
      const { events } = await behind(empty.next);
      return events.length > 0 ? events : undefined;
    });
    expect(event?.type).toBe('stripe.invoice.created');
    // Nor has who begins before there is anything.
    const nobody = await newPerson(world);
    const first = await read(nobody.at);
    expect(first).toMatchObject({ events: [], has_more: false });
    expect((await read(nobody.at, `?after=${encodeURIComponent(first.next)}`)).events).toEqual([]);
  });

  test('cannot be asked for what is dead', async () => {
    const target = await withEvents(3);
    const all = await whole(target, 4);
    // Nobody is at them any more.
    await until(
      async () =>
        (
          await sql(world, `select from events where connection_id = $1 and status <> 'delivered'`, [
            target.id,
          ])
        ).length === 0 || undefined,
    );
    await sql(world, `update events set status = 'dead' where id = $1`, [all[1]?.id]);
    await sql(world, `update events set status = 'pending', next_attempt_at = 'infinity' where id = $1`, [
      all[2]?.id,
    ]);
    const ids = async (status: string) =>
      (await read(target.person.at, `?status=${status}`)).events.map(({ id }) => id);
    expect(await ids('dead')).toEqual([all[1]?.id]);
    expect(await ids('pending')).toEqual([all[2]?.id]);
  });

  test('answers 503 for good where its events are larger together than PostgreSQL’s answers', async () => {
    const target = await withEvents(9);
    const all = await whole(target, 10);
    const grow = (id: string | undefined, bytes: number) =>
      sayInstead(world, String(id), `{"x":"${'x'.repeat(bytes - 8)}"}`);
    await grow(all[1]?.id, 1_500_000);
    await grow(all[2]?.id, 1_500_000);
    await grow(all[3]?.id, 1_500_000);
    for (const { id } of all.slice(4)) await grow(id, 20_000_000);
    const sizes: number[] = [];
    const walked: string[] = [];
    let page: Page | undefined;
    while (page?.has_more !== false) {
      const after: string = page ? `?after=${encodeURIComponent(page.next)}` : '';
      page = await read(target.person.at, after);
      sizes.push(page.events.length);
      walked.push(...page.events.map(({ id }) => id));
    }
    expect(walked).toEqual(all.map(({ id }) => id));
    // What is larger than a page is one.
    expect(sizes).toEqual([3, 1, 1, 1, 1, 1, 1, 1]);
  }, 60_000);

  test('misses nothing that comes while it is walked', async () => {
    const target = await withEvents(3);
    await whole(target, 4);
    const first = await read(target.person.at, '?limit=2');
    await Promise.all(
      Array.from({ length: 8 }, () =>
        send(target, { body: stripeEvent('invoice.created'), event: '', id: '' }),
      ),
    );
    const all = await whole(target, 12);
    const rest = await read(target.person.at, `?limit=100&after=${encodeURIComponent(first.next)}`);
    expect([...first.events, ...rest.events]).toEqual(all);
  });

  test('shows one type, one connection, or both', async () => {
    const target = await withEvents(6);
    await whole(target, 7);
    const { body } = await connectByOAuth(target.person.at, 'github');
    const of = async (query: string) => (await read(target.person.at, query)).events.map(({ type }) => type);
    await until(async () => ((await of('?type=connection.connected')).length === 2 ? true : undefined));
    expect(await of('?type=stripe.invoice.created')).toEqual([
      'stripe.invoice.created',
      'stripe.invoice.created',
    ]);
    expect(await of(`?connection_id=${body.id}`)).toEqual(['connection.connected']);
    expect(await of(`?connection_id=${target.id}`)).toHaveLength(7);
    expect(await of(`?connection_id=${target.id}&type=connection.connected`)).toHaveLength(1);
    expect(await of(`?connection_id=${randomUUID()}`)).toEqual([]);
    expect(await of('?type=stripe.')).toEqual([]);
    const page = await read(target.person.at, '?type=stripe.invoice.created&limit=1');
    const rest = await read(
      target.person.at,
      `?type=stripe.invoice.created&after=${encodeURIComponent(page.next)}`,
    );
    expect([rest.events.length, rest.has_more]).toEqual([1, false]);
  });

  test('gives the provider’s payload byte for byte', async () => {
    const target = await withEvents(0);
    const odd =
      '"amount" : 9007199254740993,\r\n\t"rate":1.10, "tiny": 1e-400, "huge":1E+400, "a":1,"a":2, "__proto__":{"x":1},' +
      '"text":"\\u00e9 é \\ud83d\\ude00 \u2028 \\/ </script>"';
    const body = stripeEvent('invoice.created').replace('"object":{}', `"object" :{ ${odd} }`);
    expect((await send(target, { body, event: '', id: '' })).status).toBe(200);
    await whole(target, 2);
    const { text } = await target.person.at.get('/api/events?type=stripe.invoice.created');
    expect(text).toContain(`"data":${body}}`);
  });

  test('is the user’s own, in the scope that is asked for', async () => {
    const [target, other] = [await withEvents(2), await withEvents(1)];
    const team = await newTeam(world);
    await sql(world, 'insert into team_members (team_id, user_id) select $1, unnest($2::uuid[])', [
      team.id,
      [target.person.id, other.person.id],
    ]);
    const { body } = await connectByOAuth(target.person.at, 'github', { brand: team.brand });
    const inBrand = async (at: Client) => (await at.get('/api/events', { brand: team.brand })).body.events;
    await until(async () => ((await inBrand(target.person.at)).length > 0 ? true : undefined));
    expect(await inBrand(target.person.at)).toMatchObject([{ connection_id: body.id, brand_id: team.brand }]);
    expect(await inBrand(other.person.at)).toEqual([]);
    const own = await whole(target, 3);
    expect(new Set(own.map((each) => each.connection_id))).toEqual(new Set([target.id]));
    expect((await read(other.person.at, `?connection_id=${target.id}`)).events).toEqual([]);
  });
});

describe('400 invalid_request is said of', () => {
  const coded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
  const id = '01890000-0000-7000-8000-000000000000';
  test.each([
    ['after', ''],
    ['after', 'x'],
    ['after', '!!!'],
    ['after', Buffer.from('no json').toString('base64')],
    ['after', coded(null)],
    ['after', coded([])],
    ['after', coded(['1'])],
    ['after', coded([1, id])],
    ['after', coded(['-1', id])],
    ['after', coded(['1', 'no id'])],
    ['after', coded(['1', id, 'more'])],
    ['after', coded(['99999999999999999999', id])],
    ['after', coded(['184467440737095516160', id])],
    ['after', 'A'.repeat(201)],
    ['limit', '0'],
    ['limit', '101'],
    ['limit', '-1'],
    ['limit', '1.5'],
    ['limit', 'x'],
    ['connection_id', 'x'],
    ['type', '\u0000'],
    ['status', 'kept'],
    ['status', ''],
    ['type', 'x'.repeat(101)],
  ])('%s=%j', async (name, value) => {
    const reply = await world.ada.get(`/api/events?${new URLSearchParams({ [name]: value })}`);
    expect(reply, reply.text).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(reply.body.errors).toMatchObject([{ path: name }]);
  });
});
