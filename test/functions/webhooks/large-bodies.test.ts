import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { headersOf, send, toldOf } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { openTarget, type Target } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';
import { githubAppEnv, withGithub } from './looked-after.ts';

// Bodies of many megabytes: whose are read, how many at once, and what becomes of them.

const MEGABYTE = 1024 * 1024;
const world = await openWorld({ env: githubAppEnv() });
beforeEach(() => world.reset());

/** A push to a repository that octocat's connections see, of so many bytes. */
const push = (bytes: number) => {
  const body = {
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: '1'.repeat(40),
    repository: { id: 1296269, full_name: 'octocat/Hello-World' },
    installation: { id: 1 },
    nonce: randomUUID(),
  };
  const text = JSON.stringify(body);
  return `${text.slice(0, -1)},"filling":"${'x'.repeat(bytes - text.length - 13)}"}`;
};

async function connected(): Promise<Target> {
  const { person, id } = await withGithub(world, [], 'octocat');
  const secret = world.bindings.GITHUB_APP_WEBHOOK_SECRET ?? '';
  return { world, provider: 'github', id, person, shop: '', secret };
}

/** Tells the App of a push where a connection's owner sees a repository. */
async function tell(target: Target, body: string) {
  const [row] = await world.sql(
    `select route from webhooks, unnest(routes) route where connection_id = $1 and route like 'repository:%' limit 1`,
    [target.id],
  );
  const id = Number(String(row?.route).split(':')[1]);
  const ours = body.replace('"id":1296269', `"id":${id}`);
  return send(target, { body: ours, event: 'push', id: randomUUID() }, '/api/webhooks/github');
}

test('24 MB to an App for 20 connections: 200, and no row', async () => {
  const targets: Target[] = [];
  for (let at = 0; at < 20; at += 1) targets.push(await connected());
  const began = Date.now();
  const reply = await tell(targets[0] as Target, push(24 * MEGABYTE));
  const lasted = Date.now() - began;
  const rows = await world.sql(
    `select e.connection_id, e.payload_id, e.payload_bytes from events e where e.payload_bytes > 1000000`,
  );
  // Each of these is a tenant of their own: it may be too much, and is then told again.
  if (reply.status === 200) {
    expect(rows).toHaveLength(20);
    expect(lasted).toBeLessThan(10_000);
  } else {
    expect([reply.status, rows]).toEqual([503, []]);
  }
}, 120_000);

test('24 MB to an App are stored and told part by part, within the memory of an isolate', async () => {
  await world.sql('delete from webhooks');
  const target = await connected();
  const body = push(24 * MEGABYTE);
  // Where it is not written in time, who sends it again goes on where it was.
  await until(async () => {
    const { status } = await tell(target, body);
    expect([200, 503]).toContain(status);
    return status === 200 || undefined;
  }, 60_000);
  const told = await until(() => toldOf(target)[0], 60_000);
  expect(JSON.stringify(told.body.data).length).toBeGreaterThan(23 * MEGABYTE);
  expect(world.memory.peak).toBeLessThan(100 * MEGABYTE);
}, 120_000);

test('twelve unsigned posts of 25 MB to unknown ids are buffered before anybody looks', async () => {
  const target = await openTarget(world, 'stripe');
  const body = new Uint8Array(25 * MEGABYTE).fill(120);
  world.memory.peak = 0;
  const trips = world.neon.count();
  const paths = Array.from({ length: 12 }, (_, at) =>
    at % 3 === 0 ? '/api/webhooks/github' : `/api/webhooks/stripe/${randomUUID()}`,
  );
  const signed = (path: string) =>
    headersOf(path.endsWith('github') ? { ...target, provider: 'github' } : target, {
      body: 'x',
      event: 'push',
      id: randomUUID(),
      secret: 'a-strangers-secret',
    });
  const statuses = await Promise.all(
    paths.map(async (path) => {
      const headers = { ...signed(path), 'cf-connecting-ip': '203.0.113.7' };
      const reply = await fetch(`${world.url}${path}`, { method: 'POST', headers, body }).catch(
        () => undefined,
      );
      await reply?.body?.cancel();
      return reply?.status;
    }),
  );
  for (const status of statuses) expect([401, 404, 413, 429, 503, undefined]).toContain(status);
  expect(world.memory.peak).toBeLessThan(100 * MEGABYTE);
  expect(world.neon.count() - trips).toBeLessThan(12);
}, 120_000);
