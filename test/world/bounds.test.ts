import { createServer } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { openWorld } from '../support/open-world.ts';
import { asInvocation, boundConnections, countKv, countSubrequest } from './invocation.ts';

const MB = 1024 * 1024;

test('an isolate that holds more than the platform gives is killed, and another takes its place', async () => {
  const contents = `
    const held = [];
    export default {
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === '/hold') held.push(new Uint8Array(50 * ${MB}).fill(1));
        // What is no longer held does not count.
        if (pathname === '/drop') new Uint8Array(50 * ${MB}).fill(1);
        return new Response(String(held.length));
      },
    };`;
  const world = await openWorld({ kills: 1, modules: [{ type: 'ESModule', path: 'index.js', contents }] });
  const ask = (path: string) => fetch(`${world.url}${path}`).then((answer) => answer.text());
  for (let at = 0; at < 6; at += 1) await ask('/drop');
  await ask('/hold');
  await ask('/hold');
  await expect.poll(() => world.memory.peak, { timeout: 5_000 }).toBeGreaterThan(100 * MB);
  expect(world.memory.exceeded).toBe(0);
  await ask('/hold');
  await expect.poll(() => world.memory.exceeded, { timeout: 5_000 }).toBe(1);
  await expect.poll(() => ask('/').catch(() => 'gone'), { timeout: 10_000 }).toBe('0');
}, 60_000);

test('what the Worker uses of its isolate is known', async () => {
  const world = await openWorld();
  await fetch(`${world.url}/health`);
  await expect.poll(() => world.memory.peak, { timeout: 5_000 }).toBeGreaterThan(MB);
  expect(world.memory.peak).toBeLessThan(50 * MB);
});

test('one invocation has six requests open at once, another has six of its own', async () => {
  let [open, most] = [0, 0];
  const server = createServer((_, response) => {
    open += 1;
    most = Math.max(most, open);
    setTimeout(() => {
      open -= 1;
      response.end('ok');
    }, 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const usual = globalThis.fetch;
  afterAll(() => {
    globalThis.fetch = usual;
    server.close();
  });
  boundConnections();
  const { port } = server.address() as { port: number };
  const twenty = () =>
    asInvocation(() =>
      Promise.all(
        Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${port}`).then((each) => each.text())),
      ),
    );
  expect(await twenty()).toHaveLength(20);
  expect(most).toBe(6);
  most = 0;
  await Promise.all([twenty(), twenty()]);
  expect(most).toBe(12);
});

test('one invocation makes 10,000 requests at most, and 1,000 operations on KV', () => {
  const times = (count: number, run: () => void) => () => {
    for (let at = 0; at < count; at += 1) run();
  };
  asInvocation(() => {
    expect(times(1_000, countKv)).not.toThrow();
    expect(countKv).toThrow('Too many API requests by single worker invocation.');
    expect(times(10_000, countSubrequest)).not.toThrow();
    expect(countSubrequest).toThrow('Too many subrequests.');
  });
  asInvocation(() => expect(countSubrequest).not.toThrow());
});
