import { type ClientRequest, request } from 'node:http';
import { beforeEach, expect, test, vi } from 'vitest';
import { callbackUrl } from './support/callbacks.ts';
import { connectByOAuth } from './support/flows.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { githubTokens } from './world/providers/github.ts';

// What is queued stays there: what a request leaves undone is done by nobody.
const world = await openWorld({ unconsumed: true });
/** Longer than any test waits; a call that was given up is let go at once. */
const HELD_MS = 1_500;

beforeEach(async () => {
  world.reset();
  // Each refresh token works once, and the pair before ends with its use.
  world.store('github').set('settings.expiring', true);
  for (const { token } of githubTokens(world.store('github'))) world.store('github').delete(`token/${token}`);
  for (const table of ['connections', 'revocations']) await world.sql(`delete from ${table}`);
});

/** A request over a connection of its own. */
function ask(person: Person, method: string, path: string): ClientRequest {
  const cookie = [...person.at.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const headers = { authorization: `Bearer ${person.token}`, accept: 'application/json', cookie };
  const asked = request(`${world.url}${path}`, { method, headers, agent: false });
  asked.on('error', () => {});
  asked.end();
  return asked;
}

/** Asks, and resets the connection once the provider has done what `match` is about, whose answer is under way. */
async function leaveDuring(match: RegExp, start: () => ClientRequest): Promise<void> {
  const calls = world.gateway.count('github', match);
  world.gateway.misbehave({ provider: 'github', match: match.source, times: 1, hold: HELD_MS });
  const asked = start();
  await vi.waitFor(() => expect(world.gateway.count('github', match)).toBe(calls + 1), { interval: 5 });
  asked.socket?.resetAndDestroy();
}

/** The line that a request writes at its end, of those after `from`; `none` where it has not come after a while. */
const lineOf = (route: string, from: number) =>
  until(
    () =>
      world.logs
        .slice(from)
        .find((each) => each.includes(`"event":"request"`) && each.includes(`"route":"${route}"`)),
    6_000,
  ).catch(() => 'none');

const living = () => githubTokens(world.store('github')).filter(({ alive }) => alive);

/** Asks with a token that has ended, once nobody holds the connection any more. */
async function renewed(person: Person) {
  await world.sql(
    `update connections set expires_at = now() - interval '1 minute', lease_id = null, lease_until = null`,
  );
  return person.at.post('/api/connectors/github/test');
}

test('a refresh token that works once is spent and lost when the caller of POST …/test hangs up', async () => {
  const person = await newPerson(world);
  expect((await connectByOAuth(person.at, 'github')).status).toBe(200);
  await world.sql(`update connections set expires_at = now() - interval '1 minute'`);
  const lines = world.logs.length;
  await leaveDuring(/access_token/, () => ask(person, 'POST', '/api/connectors/github/test'));
  const line = await lineOf('/api/connectors/:provider/test', lines);
  const reply = await renewed(person);
  expect(reply.body.status, reply.text).toBe('connected');
  expect(living()).toHaveLength(1);
  expect(line, 'the log line').toContain('"status":200');
});

test('a state is spent and a token alive that nobody holds, with no row and no log line, when the browser goes elsewhere during the callback', async () => {
  const person = await newPerson(world);
  const url = await callbackUrl(person.at, 'github');
  const lines = world.logs.length;
  await leaveDuring(/access_token/, () => ask(person, 'GET', url.pathname + url.search));
  const line = await lineOf('/api/oauth/:provider/callback', lines);
  expect(living()).toHaveLength(1);
  expect(await world.sql('select status from connections')).toEqual([{ status: 'connected' }]);
  expect((await renewed(person)).body.status).toBe('connected');
  expect(line, 'the log line').toContain('"status":200');
});

test('a grant that the provider has ended is left as one to be ended, with no log line, when the caller of DELETE hangs up', async () => {
  const person = await newPerson(world);
  expect((await connectByOAuth(person.at, 'github')).status).toBe(200);
  const lines = world.logs.length;
  await leaveDuring(/grant/, () => ask(person, 'DELETE', '/api/connectors/github'));
  const line = await lineOf('/api/connectors/:provider', lines);
  expect(living()).toEqual([]);
  expect(await world.sql('select from revocations')).toEqual([]);
  expect(line, 'the log line').toContain('"revocation":"revoked"');
});

test('the local world ends a read whose caller has gone, as the platform does', async () => {
  const person = await newPerson(world);
  // It is reached by then, and looks after a while whether anybody is there still.
  world.neon.faults.delay(1_000);
  const asked = ask(person, 'GET', '/api/connectors/list');
  await new Promise((resolve) => setTimeout(resolve, 500));
  asked.socket?.resetAndDestroy();
  const query = await until(() => world.neon.queries.at(-1));
  expect(query.error).toMatch('the caller has gone');
});
