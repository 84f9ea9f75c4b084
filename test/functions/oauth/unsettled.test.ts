import { expect, test } from 'vitest';
import type { Client } from '../../support/client.ts';
import { authorize, consent, present } from '../../support/flows.ts';
import { openWorld } from '../../support/open-world.ts';
import { until } from '../../support/trips.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';

const world = await openWorld();
const WRITE = /insert into connections/;

const alive = (account: string) =>
  githubTokens(world.store('github')).filter((token) => token.alive && token.login === account).length;
const cron = () => fetch(`${world.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`);
const settled = (outcome: string) => () => world.logs.find((line) => line.includes(`"outcome":"${outcome}"`));

/** A whole flow whose write gets no answer, however often it is tried. */
async function connectWithoutAnswer(client: Client, account: string, after: boolean) {
  const url = await consent(await authorize(client, 'github'), { account });
  world.neon.faults.failNext(3, { after, match: WRITE });
  const reply = await present(client, url);
  expect(reply.status, reply.text).toBe(503);
  expect(alive(account)).toBe(1);
}

test('a token whose row stands after all is kept, and one whose row does not is ended, once PostgreSQL can tell', async () => {
  await connectWithoutAnswer(world.ada, 'octocat', true);
  await connectWithoutAnswer(world.grace, 'hubot', false);
  await until(settled('kept'), 30_000);
  await until(settled('to_be_revoked'), 30_000);
  await cron();
  await until(() => (alive('hubot') === 0 ? true : undefined), 20_000);
  // The row goes once the provider has confirmed.
  await until(async () => ((await world.sql('select from revocations')).length === 0 ? true : undefined));
  expect((await world.grace.get('/api/connectors/list')).body.connections).toEqual([]);

  expect((await world.ada.post('/api/connectors/github/test')).body.status).toBe('connected');
  expect((await world.ada.delete('/api/connectors/github')).body.revocation).toBe('revoked');
  expect(alive('octocat')).toBe(0);
}, 90_000);

test('a token whose team has made its first data key another way meanwhile is ended all the same', async () => {
  const fresh = await openWorld();
  const url = await consent(await authorize(fresh.mallory, 'github'), { account: 'hubot' });
  fresh.neon.faults.failNext(3, { after: false, match: WRITE });
  expect((await present(fresh.mallory, url)).status).toBe(503);
  const again = await consent(await authorize(fresh.mallory, 'github'), { account: 'octocat' });
  expect((await present(fresh.mallory, again)).status).toBe(200);

  await until(() => fresh.logs.find((line) => line.includes('"outcome":"to_be_revoked"')), 30_000);
  await fetch(`${fresh.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`);
  const lives = (login: string) =>
    githubTokens(fresh.store('github')).some((token) => token.alive && token.login === login);
  await until(() => (lives('hubot') ? undefined : true), 20_000);
  expect(lives('octocat')).toBe(true);
  expect((await fresh.mallory.post('/api/connectors/github/test')).body.status).toBe('connected');
}, 90_000);

test('disconnecting after the access token has expired renews it, and ends the grant with that', async () => {
  let now = Date.now();
  const later = await openWorld({ now: () => now });
  const shop = { query: { shop: 'north-store.myshopify.com' } };
  const url = await authorize(later.ada, 'shopify', shop);
  expect((await present(later.ada, await consent(url))).status).toBe(200);
  await later.sql(`update connections set expires_at = now() - interval '1 hour'`);
  now += 2 * 3_600_000;
  expect((await later.ada.delete('/api/connectors/shopify')).body.revocation).toBe('revoked');
  expect(shopifyTokens(later.store('shopify')).map(({ alive }) => alive)).toEqual([false, false]);
  expect(await later.sql('select from revocations')).toEqual([]);
});
