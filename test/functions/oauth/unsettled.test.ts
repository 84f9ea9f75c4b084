import { expect, test } from 'vitest';
import { tokenRequests } from '../../support/callbacks.ts';
import type { Client } from '../../support/client.ts';
import { fireCron } from '../../support/cron.ts';
import { authorize, consent, present } from '../../support/flows.ts';
import { openWorld, type TestWorld, users } from '../../support/open-world.ts';
import { quiet, until } from '../../support/trips.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';

const world = await openWorld();
const WRITE = /insert into connections/;
/** Hubot's account at GitHub. */
const HUBOT = '480938';

const aliveIn = (of: TestWorld, account: string) =>
  githubTokens(of.store('github')).filter((token) => token.alive && token.login === account).length;
const alive = (account: string) => aliveIn(world, account);

/** A whole flow whose write gets no answer, however often it is tried. */
async function connectWithoutAnswer(client: Client, account: string, after: boolean) {
  const url = await consent(await authorize(client, 'github'), { account });
  world.neon.faults.failNext(3, { after, match: WRITE });
  const reply = await present(client, url);
  expect(reply.status, reply.text).toBe(503);
  expect(alive(account)).toBe(1);
}

/** Whose tokens wait for their end, and whether somebody may still keep them. */
const waiting = (of: TestWorld) =>
  of.sql(`select user_id, next_attempt_at > now() + interval '60 seconds' as is_kept from revocations`);

/** Lets the time be over in which they may be kept, and the cron fire, until none is left. */
async function endWaiting(of: TestWorld) {
  await of.sql('update revocations set next_attempt_at = now()');
  await fireCron(of);
  // The row goes once the provider has confirmed.
  await until(
    async () => ((await of.sql('select from revocations')).length === 0 ? true : undefined),
    20_000,
  );
}

test('a token whose row stands after all is kept, and one whose row does not is ended, once nobody can keep it any more', async () => {
  await connectWithoutAnswer(world.ada, 'octocat', true);
  await connectWithoutAnswer(world.grace, 'hubot', false);
  const hers = [{ user_id: users.grace, is_kept: true }];
  expect(await waiting(world)).toEqual(hers);
  await fireCron(world);
  await quiet(world);
  expect(await waiting(world)).toEqual(hers);
  expect([alive('octocat'), alive('hubot')]).toEqual([1, 1]);

  await endWaiting(world);
  expect(alive('hubot')).toBe(0);
  expect((await world.grace.get('/api/connectors/list')).body.connections).toEqual([]);

  expect((await world.ada.post('/api/connectors/github/test')).body.status).toBe('connected');
  expect((await world.ada.delete('/api/connectors/github')).body.revocation).toBe('revoked');
  expect(alive('octocat')).toBe(0);
}, 90_000);

test('a token whose team has made its first data key another way meanwhile is ended all the same', async () => {
  const fresh = await openWorld();
  const [hubot, octocat] = [
    await consent(await authorize(fresh.mallory, 'github'), { account: 'hubot' }),
    await consent(await authorize(fresh.mallory, 'github'), { account: 'octocat' }),
  ];
  fresh.neon.faults.decide((sql, parameters) =>
    WRITE.test(sql) && parameters.includes(HUBOT) ? { after: false } : undefined,
  );
  fresh.gateway.misbehave({ provider: 'github', match: 'oauth/access_token', times: 1, delay: 2_000 });
  const first = present(fresh.mallory, hubot);
  await until(() => (tokenRequests(fresh) === 1 ? true : undefined));
  const second = await present(fresh.mallory, octocat);
  expect(second.status, second.text).toBe(200);
  expect((await first).status).toBe(503);
  // Each with a key of its own.
  expect(await fresh.sql('select generation from data_keys order by generation')).toEqual([
    { generation: 1 },
    { generation: 2 },
  ]);
  expect(await waiting(fresh)).toEqual([{ user_id: users.mallory, is_kept: true }]);
  expect([aliveIn(fresh, 'hubot'), aliveIn(fresh, 'octocat')]).toEqual([1, 1]);

  await endWaiting(fresh);
  expect([aliveIn(fresh, 'hubot'), aliveIn(fresh, 'octocat')]).toEqual([0, 1]);
  expect((await fresh.mallory.post('/api/connectors/github/test')).body).toMatchObject({
    id: second.body.id,
    status: 'connected',
  });
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
