import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { callbackUrl } from './support/callbacks.ts';
import { Client, type Reply } from './support/client.ts';
import { connectByOAuth, present } from './support/flows.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson } from './support/people.ts';
import { until } from './support/trips.ts';

const world = await openWorld({ unconsumed: true });
/** What does not wait for anybody is over long before. */
const AT_ONCE_MS = 1_200;

const holders: pg.Client[] = [];
afterEach(async () => {
  for (const holder of holders.splice(0)) await holder.end();
  for (const table of ['connections', 'revocations']) await world.sql(`delete from ${table}`);
});

/** Somebody beside the Worker whose transaction holds the rows of a person's connection and of its grant. */
async function hold(userId: string): Promise<{ release(): Promise<void>; waiting(): Promise<number> }> {
  const holder = new pg.Client(world.databases.url(world.database));
  holders.push(holder);
  await holder.connect();
  await holder.query('begin');
  await holder.query('select from connections where user_id = $1 for update', [userId]);
  const [there] = await world.sql(`select to_regclass('grants') is not null as grants`);
  if (there?.grants)
    await holder.query(
      `select from grants g where exists (
         select from connections c where c.user_id = $1 and c.provider = g.provider and c.grant_id = g.identity
       ) for update`,
      [userId],
    );
  return {
    release: async () => void (await holder.query('rollback')),
    waiting: async () => {
      const [row] = await world.sql(
        `select count(*)::integer as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return Number(row?.n);
    },
  };
}

/** The answer, or that none came at once. */
function atOnce(reply: Promise<Reply>): Promise<string> {
  return Promise.race([
    reply.then(({ status }) => String(status)),
    new Promise<string>((resolve) => setTimeout(() => resolve('kept waiting'), AT_ONCE_MS)),
  ]);
}

/** What another tenant does on another grant of the same provider, once all that comes before is done. */
const others: Record<string, () => Promise<() => Promise<Reply>>> = {
  async connects() {
    const { at } = await newPerson(world);
    const back = await callbackUrl(at, 'slack', { account: 'Globex' });
    return () => present(at, back);
  },
  async disconnects() {
    const { at } = await newPerson(world);
    expect((await connectByOAuth(at, 'slack', { account: 'Globex' })).status).toBe(200);
    return () => at.delete('/api/connectors/slack');
  },
};

test.each(Object.entries(others))('%s of all tenants wait on one lock a provider', async (_, prepare) => {
  const person = await newPerson(world);
  expect((await connectByOAuth(person.at, 'slack', { account: 'Acme' })).status).toBe(200);
  const act = await prepare();
  const held = await hold(person.id);
  const waits = person.at.delete('/api/connectors/slack');
  await until(async () => ((await held.waiting()) > 0 ? true : undefined));

  const acting = act();
  const told = await atOnce(acting);
  await held.release();
  await Promise.all([waits, acting]);
  expect(told).toBe('200');
});

test('the lock that all tenants wait on is taken before the session is checked', async () => {
  const person = await newPerson(world);
  expect((await connectByOAuth(person.at, 'slack', { account: 'Acme' })).status).toBe(200);
  const held = await hold(person.id);
  const waits = person.at.delete('/api/connectors/slack');
  await until(async () => ((await held.waiting()) > 0 ? true : undefined));

  const stranger = new Client(world, `session-${'x'.repeat(32)}`).delete('/api/connectors/slack');
  const told = await atOnce(stranger);
  await held.release();
  await Promise.all([waits, stranger]);
  expect(told).toBe('401');
});

test('a request whose bearer is no session’s costs more than the one statement that finds that out', async () => {
  for (const provider of ['slack', 'github', 'meta', 'google_ads', 'tiktok', 'shopify', 'vercel']) {
    for (const [method, path, body] of [
      ['DELETE', `/api/connectors/${provider}`, undefined],
      ['POST', `/api/connectors/${provider}/test`, undefined],
      ['POST', '/api/connectors/connect', { provider: 'vercel', api_key: `vcp_${'a'.repeat(48)}` }],
    ] as const) {
      // One who was told so is not asked about again for a while.
      const stranger = new Client(world, `session-${crypto.randomUUID()}`);
      const from = world.neon.queries.length;
      const reply = await stranger.send(method, path, body ? { body } : {});
      expect(reply.status, reply.text).toBe(401);
      // The statements of a batch are joined so.
      const statements = world.neon.queries.slice(from).flatMap(({ sql }) => sql.split(';\n'));
      expect(statements, `${method} ${path}`).toHaveLength(1);
    }
  }
});
