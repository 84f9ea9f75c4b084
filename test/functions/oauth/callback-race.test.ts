import { Agent, get } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { altered, callbackUrl, tokenRequests } from '../../support/callbacks.ts';
import type { Client } from '../../support/client.ts';
import { present } from '../../support/flows.ts';
import { newcomer } from '../../support/newcomer.ts';
import { openWorld } from '../../support/open-world.ts';

const world = await openWorld();
const ROUNDS = 100;
const RACERS = 50;

const agent = new Agent({ keepAlive: true, maxSockets: RACERS });
afterAll(() => agent.destroy());

/** Presents all addresses at once, with the cookies of one browser; gives `connected` or the problem's code. */
async function race(client: Client, urls: URL[]): Promise<string[]> {
  const cookie = [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  client.cookies.clear();
  // Five thousand of these are to be quick, so each is no more than a request.
  const ask = (url: URL) =>
    new Promise<string>((resolve, reject) => {
      get(url.href, { agent, headers: { cookie, accept: 'application/json' } }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          const body: { status: unknown; code?: string } = JSON.parse(text);
          resolve(response.statusCode === 200 ? String(body.status) : (body.code ?? text));
        });
      }).on('error', reject);
    });
  return (await Promise.all(urls.map(ask))).sort();
}

const losers = Array.from({ length: RACERS - 1 }, () => 'invalid_state');

test('fifty at once with one state make one connection and one token request, in 100 of 100 rounds', async () => {
  const { client, connections } = await newcomer(world);
  for (let round = 1; round <= ROUNDS; round += 1) {
    const url = await callbackUrl(client, 'github');
    world.reset();
    const outcomes = await race(client, Array<URL>(RACERS).fill(url));
    expect(outcomes, `round ${round}`).toEqual(['connected', ...losers]);
    expect(tokenRequests(world), `round ${round}`).toBe(1);
  }
  // Each round has written once, and on the same row.
  expect(await connections()).toMatchObject([{ status: 'connected', version: ROUNDS }]);
}, 180_000);

test('fifty at once with one state and fifty codes are no better off', async () => {
  const { client, connections } = await newcomer(world);
  const url = await callbackUrl(client, 'github');
  world.reset();
  const guesses = Array.from({ length: RACERS }, (_, at) => altered(url, { code: `guess-${at}` }));
  expect(await race(client, guesses)).toEqual([...losers, 'provider_error']);
  expect(tokenRequests(world)).toBe(1);
  expect(await connections()).toEqual([]);
});

test('five flows of one person at once make one connection, whose credential works', async () => {
  const { client, connections } = await newcomer(world);
  const urls = await Promise.all(Array.from({ length: 5 }, () => callbackUrl(client, 'github')));
  const outcomes = new Set(await race(client, urls));
  expect(outcomes).toContain('connected');
  outcomes.delete('connected');
  outcomes.delete('in_progress');
  expect([...outcomes]).toEqual([]);
  expect(await connections()).toHaveLength(1);
  const tested = await client.post('/api/connectors/github/test');
  expect(tested.body.status, tested.text).toBe('connected');
});

test('two people at once get a connection each', async () => {
  const people = await Promise.all([newcomer(world), newcomer(world)]);
  const replies = await Promise.all(
    people.map(async ({ client }) => present(client, await callbackUrl(client, 'github'))),
  );
  expect(replies.map((reply) => reply.status)).toEqual([200, 200]);
  expect(new Set(replies.map((reply) => reply.body.id)).size).toBe(2);
});
