import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { idsOf, send, something, storedSince, stripeEvent, toldOf } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { openTargets, tellers } from '../../support/targets.ts';

const world = await openWorld();
const targets = await openTargets(world);

describe.each(tellers)('%s:', (provider) => {
  const target = targets[provider];

  test('a delivery that comes again is acknowledged again, stored once and told once', async () => {
    const before = await idsOf(target);
    const delivery = something(target);
    for (let at = 0; at < 3; at += 1) expect((await send(target, delivery)).status).toBe(200);
    const stored = await storedSince(target, before);
    expect(stored).toMatchObject([{ status: 'delivered', data: delivery.body }]);
    // Told already: it comes to nothing more.
    expect((await send(target, delivery)).status).toBe(200);
    expect(await storedSince(target, before)).toEqual(stored);
    expect(toldOf(target).filter(({ id }) => id === stored[0]?.id)).toHaveLength(1);
  });

  test('fifty of the same at once are all acknowledged, stored once and told once', async () => {
    const before = await idsOf(target);
    const delivery = something(target);
    const replies = await Promise.all(Array.from({ length: 50 }, () => send(target, delivery)));
    expect(replies.map(({ status }) => status)).toEqual(Array(50).fill(200));
    const stored = await storedSince(target, before);
    expect(stored).toMatchObject([{ status: 'delivered', data: delivery.body }]);
    expect(toldOf(target).filter(({ id }) => id === stored[0]?.id)).toHaveLength(1);
  });

  test('the same once more under another delivery’s name is stored once', async () => {
    const before = await idsOf(target);
    const delivery = something(target);
    expect((await send(target, delivery)).status).toBe(200);
    for (let at = 0; at < 3; at += 1)
      expect((await send(target, { ...delivery, id: randomUUID() })).status).toBe(200);
    expect(await storedSince(target, before)).toHaveLength(1);
  });

  test('another body under the name of a delivery that was is stored no more', async () => {
    const before = await idsOf(target);
    const delivery = something(target);
    expect((await send(target, delivery)).status).toBe(200);
    const body =
      provider === 'stripe'
        ? String(delivery.body).replace('"data":', '"pending_webhooks":1,"data":')
        : something(target).body;
    expect((await send(target, { ...delivery, body })).status).toBe(200);
    expect(await storedSince(target, before)).toMatchObject([{ data: delivery.body }]);
  });

  test('what nobody is told of is acknowledged and kept, out of the agent’s sight and the feed', async () => {
    const event = { stripe: 'charge.refunded', shopify: 'carts/update', github: 'star' }[provider];
    const more = provider === 'stripe' ? { body: stripeEvent(event) } : {};
    const told = toldOf(target).length;
    const before = await idsOf(target);
    expect((await send(target, something(target, { event, ...more }))).status).toBe(200);
    expect(await storedSince(target, before)).toMatchObject([{ topic: event, type: '', status: 'kept' }]);
    const feed = await target.person.at.get(`/api/events?limit=100&connection_id=${target.id}`);
    expect(feed.text).not.toContain(event);
    expect(toldOf(target)).toHaveLength(told);
  });

  test('what is told is told of the connection’s own owner alone', async () => {
    const before = await idsOf(target);
    expect((await send(target, something(target))).status).toBe(200);
    const [row] = await storedSince(target, before);
    const [told] = toldOf(target).filter(({ id }) => id === row?.id);
    expect(told?.body).toMatchObject({ id: row?.id, user_id: target.person.id, brand_id: null, provider });
    const others = await Promise.all(
      tellers.filter((each) => each !== provider).map((each) => targets[each].person.at.get('/api/events')),
    );
    for (const other of others) expect(other.text).not.toContain(row?.id);
  });
});
