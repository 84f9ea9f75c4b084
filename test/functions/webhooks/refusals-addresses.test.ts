import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Client } from '../../support/client.ts';
import { pathOf, send, something, storedOf } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { openTarget, openTargets, tellers } from '../../support/targets.ts';
import { loggedTrips, tripsOf } from '../../support/trips.ts';

const world = await openWorld();
const targets = await openTargets(world);
const nobody = new Client(world, undefined);

/** Stored by nobody's connection. */
/** Without pings: GitHub's simulator sends them to new hooks when it comes to it. */
const storedAnywhere = async () =>
  Number((await world.sql(`select count(*) from events where topic <> 'ping'`))[0]?.count);

describe.each(tellers)('%s:', (provider) => {
  const target = targets[provider];

  test('a connection that nobody has, or cannot have, is not found', async () => {
    const before = await storedAnywhere();
    for (const id of [
      randomUUID(),
      '00000000-0000-0000-0000-000000000000',
      'x',
      '1',
      target.id.slice(0, -1),
      `${target.id}0`,
      `${target.id}%00`,
      `${target.id}%27--`,
      '%F0%9F%92%A5',
      `{${target.id}}`,
      target.id.replaceAll('-', ''),
    ]) {
      const reply = await send(target, something(target), pathOf({ provider, id }));
      expect(reply.status, `${id} ${reply.text}`).toBe(404);
      expect(reply.body.code).toBe('not_found');
    }
    expect(await storedAnywhere()).toBe(before);
  });

  test('a connection to another provider is not found', async () => {
    const before = await storedAnywhere();
    for (const other of tellers.filter((each) => each !== provider)) {
      const reply = await send(target, something(target), pathOf({ provider, id: targets[other].id }));
      expect(reply.status, other).toBe(404);
    }
    expect(await storedAnywhere()).toBe(before);
  });

  test('the address in capitals is the same', async () => {
    const path = pathOf({ provider, id: target.id.toUpperCase() });
    expect((await send(target, something(target), path)).status).toBe(200);
  });

  test('no method but POST is taken', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const reply = await nobody.send(method, pathOf(target));
      expect(reply.status, method).toBe(405);
      expect(reply.headers.get('allow')).toBe('POST');
    }
    const head = await fetch(`${world.url}${pathOf(target)}`, { method: 'HEAD' });
    expect(head.status).toBe(405);
  });

  test('no other site’s page may use it', async () => {
    const headers = { origin: world.url, 'access-control-request-method': 'POST' };
    const asked = await fetch(`${world.url}${pathOf(target)}`, { method: 'OPTIONS', headers });
    expect(asked.headers.get('access-control-allow-origin')).toBeNull();
    const reply = await send(target, something(target, { headers: { origin: world.url } }));
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('a connection that has ended is not found, though its secret was known a moment ago', async () => {
    const ended = await openTarget(world, provider);
    expect((await send(ended, something(ended))).status).toBe(200);
    expect((await ended.person.at.delete(`/api/connectors/${provider}`)).status).toBe(200);
    const before = await storedOf(ended);
    for (let at = 0; at < 2; at += 1) expect((await send(ended, something(ended))).status).toBe(404);
    expect(await storedOf(ended)).toHaveLength(before.length);
  });

  test('what is rightly signed costs one round trip to PostgreSQL once its secret is known', async () => {
    const delivery = something(target);
    expect((await send(target, delivery)).status).toBe(200);
    // What is new goes to the queue, whose work would be counted along.
    await expect
      .poll(async () => (await storedOf(target)).every(({ status }) => status !== 'pending'))
      .toBe(true);
    world.reset();
    const { reply, trips } = await tripsOf(world, () => send(target, delivery));
    expect(reply.status).toBe(200);
    expect(trips).toEqual({ postgres: 1, kms: 0, kv: 0, provider: 0 });
    const fresh = await send(target, something(target));
    expect(await loggedTrips(world, fresh)).toEqual({ postgres: 1, kms: 0, kv: 0, provider: 0 });
  });

  test('what another has signed costs one at most, and no key', async () => {
    expect((await send(target, something(target))).status).toBe(200);
    const reply = await send(target, something(target, { secret: 'another' }));
    expect(reply.status).toBe(401);
    const expected = { postgres: provider === 'shopify' ? 0 : 1, kms: 0, kv: 0, provider: 0 };
    expect(await loggedTrips(world, reply)).toEqual(expected);
  });
});

test('the first delivery of all costs no more than one round trip more, and one key', async () => {
  const again = await world.reopen();
  for (const provider of tellers) {
    const target = { ...targets[provider], world: again };
    const reply = await send(target, something(target));
    expect(reply.status).toBe(200);
    const { postgres, kms, kv } = await loggedTrips(again, reply);
    expect([postgres, kms, kv], provider).toEqual([2, 1, 0]);
  }
});
