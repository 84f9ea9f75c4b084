import { beforeEach, describe, expect, test, vi } from 'vitest';
import { callbackUrl, duringTokenRequest, outcome, tokenRequests } from '../../support/callbacks.ts';
import type { Client } from '../../support/client.ts';
import { connectByOAuth, present } from '../../support/flows.ts';
import { newcomer } from '../../support/newcomer.ts';
import { brands, openWorld, teams } from '../../support/open-world.ts';
import { quiet } from '../../support/trips.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';

const world = await openWorld();
const octocat = { id: '583231', name: 'octocat' };
const hubot = { id: '480938', name: 'hubot' };

const tokens = () => githubTokens(world.store('github'));
const alive = (login: string) => tokens().filter((token) => token.login === login && token.alive).length;
const works = async (client: Client, provider = 'github', brand?: string) =>
  (await client.post(`/api/connectors/${provider}/test`, brand === undefined ? {} : { brand })).body;

async function fireCron() {
  const answer = await fetch(
    `${world.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`,
  );
  expect(answer.status, await answer.text()).toBe(200);
}

// Nobody stands on the same grant any more from the test before.
beforeEach(async () => {
  world.reset();
  await world.sql('with gone as (delete from revocations) delete from connections');
  for (const { token } of tokens()) world.store('github').delete(`token/${token}`);
});

describe('connecting again with another account', () => {
  test('is refused; the old credential stays and works, and the new token ends', async () => {
    const { client, connections } = await newcomer(world);
    const before = await connectByOAuth(client, 'github', { account: 'octocat' });
    const [row] = await connections();

    const reply = await connectByOAuth(client, 'github', { account: 'hubot' });
    expect([reply.status, reply.body.code], reply.text).toEqual([409, 'account_mismatch']);
    expect(await connections()).toEqual([row]);
    expect(await works(client)).toMatchObject({ id: before.body.id, status: 'connected', account: octocat });
    expect([alive('octocat'), alive('hubot')]).toEqual([1, 0]);
  });

  test('is told on the way back to the Cockpit', async () => {
    const { client } = await newcomer(world);
    await connectByOAuth(client, 'github', { account: 'octocat' });
    const reply = await connectByOAuth(client, 'github', { account: 'hubot', json: false });
    expect(outcome(reply)).toEqual({ provider: 'github', status: 'error', error: 'account_mismatch' });
  });

  test('leaves the other tokens of that account’s grant alone', async () => {
    const [first, second] = [await newcomer(world), await newcomer(world)];
    await connectByOAuth(second.client, 'github', { account: 'hubot' });
    await connectByOAuth(first.client, 'github', { account: 'octocat' });
    expect((await connectByOAuth(first.client, 'github', { account: 'hubot' })).status).toBe(409);
    expect(await works(second.client)).toMatchObject({ status: 'connected', account: hubot });
  });

  test('is taken with replace=true, and the old grant is ended by the next cron', async () => {
    const { client } = await newcomer(world);
    const before = await connectByOAuth(client, 'github', { account: 'octocat' });
    const reply = await connectByOAuth(client, 'github', { account: 'hubot', query: { replace: 'true' } });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({ id: before.body.id, status: 'connected', account: hubot });

    await fireCron();
    await vi.waitFor(() => expect(alive('octocat')).toBe(0), { timeout: 8_000, interval: 100 });
    expect(await works(client)).toMatchObject({ status: 'connected', account: hubot });
  });

  test('with replace=true and the write’s acknowledgement lost, ends the old grant and not the new', async () => {
    const { client, connections } = await newcomer(world);
    await connectByOAuth(client, 'github', { account: 'octocat' });
    const url = await callbackUrl(client, 'github', { account: 'hubot', query: { replace: 'true' } });
    world.neon.faults.failNext(1, { after: true, match: /insert into connections/ });
    const reply = await present(client, url);
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({ status: 'connected', account: hubot });

    const [row] = await connections();
    const pending = await world.sql('select account_id from revocations where connection_id = $1', [row?.id]);
    expect(pending).toEqual([{ account_id: octocat.id }]);
    expect(await works(client)).toMatchObject({ status: 'connected', account: hubot });
  });

  test('with replace=true keeps the old grant where another connection stands on it', async () => {
    const [first, second] = [await newcomer(world), await newcomer(world)];
    await connectByOAuth(first.client, 'github', { account: 'octocat' });
    await connectByOAuth(second.client, 'github', { account: 'octocat' });
    const reply = await connectByOAuth(first.client, 'github', {
      account: 'hubot',
      query: { replace: 'true' },
    });
    expect(reply.body).toMatchObject({ account: hubot });
    // Its own token is ended, and nothing else.
    await quiet(world);
    expect([alive('octocat'), alive('hubot')]).toEqual([1, 1]);
    expect(world.gateway.count('github', /^DELETE .*\/grant$/)).toBe(0);
    const [row] = await first.connections();
    const pending = await world.sql('select id from revocations where connection_id = $1', [row?.id]);
    expect(pending).toEqual([]);
    expect(await works(second.client)).toMatchObject({ status: 'connected', account: octocat });
  });

  test('is a new connection once the old one was disconnected', async () => {
    const { client } = await newcomer(world);
    const before = await connectByOAuth(client, 'github', { account: 'octocat' });
    await client.delete('/api/connectors/github');
    const reply = await connectByOAuth(client, 'github', { account: 'hubot' });
    expect(reply.body).toMatchObject({ status: 'connected', account: hubot });
    expect(reply.body.id).not.toBe(before.body.id);
  });

  test('at Shopify, another shop, is refused; the first shop stays connected', async () => {
    const { client } = await newcomer(world);
    const south = { shop: 'south-store.myshopify.com' };
    await connectByOAuth(client, 'shopify');
    const reply = await connectByOAuth(client, 'shopify', { query: south });
    expect([reply.status, reply.body.code], reply.text).toEqual([409, 'account_mismatch']);
    expect(await works(client, 'shopify')).toMatchObject({
      status: 'connected',
      account: { id: 'north-store.myshopify.com' },
    });
    const left = shopifyTokens(world.store('shopify')).filter((token) => token.shop === south.shop);
    expect(left.filter((token) => token.alive)).toEqual([]);
  });
});

describe('the same account again', () => {
  test('is the same connection with a new credential', async () => {
    const { client, connections } = await newcomer(world);
    const before = await connectByOAuth(client, 'github');
    const after = await connectByOAuth(client, 'github');
    expect(after.body).toMatchObject({ id: before.body.id, account: before.body.account });
    expect(await connections()).toMatchObject([{ version: 2 }]);
    expect(await works(client)).toMatchObject({ status: 'connected' });
  });

  test('in a brand is another connection than in one’s own scope', async () => {
    const { client } = await newcomer(world, teams.ours);
    const own = await connectByOAuth(client, 'github');
    const north = await connectByOAuth(client, 'github', { brand: brands.north });
    expect(own.body.brand_id).toBeNull();
    expect(north.body.brand_id).toBe(brands.north);
    expect(north.body.id).not.toBe(own.body.id);
  });

  test('the brand of the flow is the one that was authorized, whatever the callback says', async () => {
    const { client } = await newcomer(world, teams.ours);
    const url = await callbackUrl(client, 'github', { brand: brands.north });
    const reply = await present(client, url, { headers: { 'x-brand-id': brands.south } });
    expect(reply.body).toMatchObject({ brand_id: brands.north });
  });
});

describe('whoever lost the right between authorize and callback gets no connection:', () => {
  test('the session has ended', async () => {
    const { client, connections, signOut } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    await signOut();
    const reply = await present(client, url);
    expect([reply.status, reply.body.code]).toEqual([401, 'unauthenticated']);
    expect(tokenRequests(world)).toBe(0);
    expect(await connections()).toEqual([]);
  });

  test('the session has run out', async () => {
    const { id, client } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    await world.sql('update sessions set expires_at = now() where user_id = $1', [id]);
    const reply = await present(client, url);
    expect([reply.status, reply.body.code]).toEqual([401, 'unauthenticated']);
    expect(tokenRequests(world)).toBe(0);
  });

  test('in a browser that is a page, not a redirect', async () => {
    const { client, signOut } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    await signOut();
    const reply = await present(client, url, { json: false });
    expect(reply.status).toBe(401);
    expect(reply.headers.get('content-type')).toMatch(/^text\/html/);
    expect(reply.headers.get('location')).toBeNull();
  });

  test('another session of the same person does not stand in', async () => {
    const { id, client, signOut } = await newcomer(world);
    const url = await callbackUrl(client, 'github');
    await world.sql(
      `insert into sessions select 'other', user_id, expires_at from sessions where user_id = $1`,
      [id],
    );
    await signOut();
    expect((await present(client, url)).status).toBe(401);
  });

  test('the membership has ended', async () => {
    const { client, connections, leaveTeams } = await newcomer(world, teams.ours);
    const url = await callbackUrl(client, 'github', { brand: brands.north });
    await leaveTeams();
    const reply = await present(client, url);
    expect([reply.status, reply.body.code]).toEqual([404, 'not_found']);
    expect(tokenRequests(world)).toBe(0);
    expect(await connections()).toEqual([]);
  });

  test('the brand is gone', async () => {
    const { client } = await newcomer(world, teams.ours);
    const [brand] = await world.sql(`insert into brands (team_id, name) values ($1, 'East') returning id`, [
      teams.ours,
    ]);
    const url = await callbackUrl(client, 'github', { brand: String(brand?.id) });
    await world.sql('delete from brands where id = $1', [brand?.id]);
    const reply = await present(client, url);
    expect([reply.status, reply.body.code]).toEqual([404, 'not_found']);
    expect(tokenRequests(world)).toBe(0);
  });
});

describe('whoever loses the right during the token request gets no connection, and the token ends:', () => {
  test.each([
    ['the session', 401, 'unauthenticated'],
    ['the membership', 404, 'not_found'],
  ] as const)('%s', async (what, status, code) => {
    const person = await newcomer(world, teams.ours);
    const url = await callbackUrl(person.client, 'github', { brand: brands.north });
    const reply = await duringTokenRequest(
      world,
      () => present(person.client, url),
      what === 'the session' ? person.signOut : person.leaveTeams,
    );
    expect([reply.status, reply.body.code], reply.text).toEqual([status, code]);
    expect(await person.connections()).toEqual([]);
    expect(tokens().at(-1)).toMatchObject({ alive: false });
  });

  test('and the connection there was keeps its credential', async () => {
    const person = await newcomer(world);
    await connectByOAuth(person.client, 'github');
    const [row] = await person.connections();
    const url = await callbackUrl(person.client, 'github');
    expect((await duringTokenRequest(world, () => present(person.client, url), person.signOut)).status).toBe(
      401,
    );
    expect(await person.connections()).toEqual([row]);
    expect(alive('octocat')).toBe(1);
  });

  test('who disconnects meanwhile has a connection that works, or none and a problem that says so', async () => {
    const { client } = await newcomer(world);
    await connectByOAuth(client, 'github');
    const url = await callbackUrl(client, 'github');
    const reply = await duringTokenRequest(
      world,
      () => present(client, url),
      () => client.delete('/api/connectors/github'),
    );
    if (reply.status === 200) return expect(await works(client)).toMatchObject({ status: 'connected' });
    expect([reply.status, reply.body.code], reply.text).toEqual([409, 'in_progress']);
    expect(await works(client)).toMatchObject({ code: 'not_connected' });
    expect(alive('octocat')).toBe(0);
  });
});
