import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callbackUrl, duringTokenRequest, outcome, tokenRequests } from '../../support/callbacks.ts';
import { present } from '../../support/flows.ts';
import { newcomer } from '../../support/newcomer.ts';
import { openWorld } from '../../support/open-world.ts';

const world = await openWorld();

afterEach(() => world.kvDown(false));
beforeEach(() => world.reset());

describe('KMS down at the callback', () => {
  test('is told before the code is used: no token request, no connection', async () => {
    const { client, connections } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.kms.faults.down(true);
    const reply = await present(client, url);
    expect([reply.status, reply.body.code], reply.text).toEqual([503, 'unavailable']);
    expect(tokenRequests(world)).toBe(0);
    expect(await connections()).toEqual([]);
  });

  test('is told on the way back to the Cockpit', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.kms.faults.down(true);
    const reply = await present(client, url, { json: false });
    expect(outcome(reply)).toEqual({ provider: 'github', status: 'error', error: 'unavailable' });
    expect(tokenRequests(world)).toBe(0);
  });

  test('is no trouble to whose data key is known', async () => {
    const { client } = await newcomer(world);
    expect((await present(client, await callbackUrl(client, 'github'))).status).toBe(200);
    const url = await callbackUrl(client, 'github');
    world.kms.faults.down(true);
    expect((await present(client, url)).status).toBe(200);
  });

  test('for a moment is waited out', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.kms.faults.throttle(1);
    expect((await present(client, url)).status).toBe(200);
    expect(tokenRequests(world)).toBe(1);
  });
});

describe('PostgreSQL down at the callback', () => {
  test('does not use up the state: the same browser tries again and is connected', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.neon.faults.down(true);
    const reply = await present(client, url);
    expect([reply.status, reply.body.code], reply.text).toEqual([503, 'unavailable']);
    expect(tokenRequests(world)).toBe(0);
    expect(reply.headers.getSetCookie(), 'the flow’s cookie is still needed').toEqual([]);

    world.neon.faults.down(false);
    const again = await present(client, url);
    expect(again.status, again.text).toBe(200);
    expect(tokenRequests(world)).toBe(1);
  });

  test('is a page to a browser, and no redirect', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.neon.faults.down(true);
    const reply = await present(client, url, { json: false });
    expect(reply.status).toBe(503);
    expect(reply.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(reply.headers.get('content-type')).toMatch(/^text\/html/);
  });

  test('only after the claim: nothing is kept', async () => {
    const { client, connections } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const reply = await duringTokenRequest(
      world,
      () => present(client, url),
      async () => world.neon.faults.down(true),
    );
    expect([reply.status, reply.body.code], reply.text).toEqual([503, 'unavailable']);
    world.neon.faults.down(false);
    expect(await connections()).toEqual([]);
  });

  test.each([
    ['claim', /consumed_states/],
    ['write', /insert into connections/],
  ])('for a moment at the %s is waited out', async (_, match) => {
    const { client, connections } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.neon.faults.failNext(2, { after: false, match });
    const reply = await present(client, url);
    expect(reply.status, reply.text).toBe(200);
    expect(tokenRequests(world)).toBe(1);
    expect(await connections()).toHaveLength(1);
  });
});

describe('an acknowledgement that is lost', () => {
  test.each([
    ['claim', /consumed_states/],
    ['write', /insert into connections/],
  ])('of the %s is no failure: one connection, one token request', async (_, match) => {
    const { client, connections } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.neon.faults.failNext(1, { after: true, match });
    const reply = await present(client, url);
    expect(reply.status, reply.text).toBe(200);
    expect(tokenRequests(world)).toBe(1);
    expect(await connections()).toMatchObject([{ status: 'connected', version: 1 }]);
    expect((await client.post('/api/connectors/github/test')).body.status).toBe('connected');
  });

  test('of the write of a second credential is none, either', async () => {
    const { client, connections } = await newcomer(world);
    await present(client, await callbackUrl(client, 'github'));
    const url = await callbackUrl(client, 'github');
    world.neon.faults.failNext(1, { after: true, match: /insert into connections/ });
    const reply = await present(client, url);
    expect(reply.status, reply.text).toBe(200);
    expect(await connections()).toMatchObject([{ status: 'connected', version: 2 }]);
    expect((await client.post('/api/connectors/github/test')).body.status).toBe('connected');
  });

  test('of the claim lets nobody else in', async () => {
    const { client, connections } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    const jar = new Map(client.cookies);
    world.neon.faults.failNext(1, { after: true, match: /consumed_states/ });
    await present(client, url);
    for (const [name, value] of jar) client.cookies.set(name, value);
    expect((await present(client, url)).body.code).toBe('invalid_state');
    expect(tokenRequests(world)).toBe(1);
    expect(await connections()).toHaveLength(1);
  });

  test('of the write, at every try, leaves no connection whose credential is dead', async () => {
    const { client, connections } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    world.neon.faults.failNext(3, { after: true, match: /insert into connections/ });
    const reply = await present(client, url);
    world.neon.faults.reset();
    const rows = (await connections()).filter((row) => row.status === 'connected');
    expect(reply.status === 200 || reply.status === 503, reply.text).toBe(true);
    if (rows.length === 0) return;
    expect((await client.post('/api/connectors/github/test')).body.status).toBe('connected');
  });
});

describe('KV down at the callback', () => {
  test('does not use up the state', async () => {
    const { client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    await world.kvDown(true);
    const reply = await present(client, url);
    expect([reply.status, reply.body.code], reply.text).toEqual([503, 'unavailable']);
    expect(tokenRequests(world)).toBe(0);

    await world.kvDown(false);
    expect((await present(client, url)).status).toBe(200);
  });
});

test('slow but sound neighbours are waited for', async () => {
  const { client } = await newcomer(world);
  const url = await callbackUrl(client, 'github');
  world.neon.faults.delay(300);
  world.kms.faults.delay(300);
  expect((await present(client, url)).status).toBe(200);
});
