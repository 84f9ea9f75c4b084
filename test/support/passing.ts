import { expect, vi } from 'vitest';
import type { Clock } from '../world/clock.ts';
import { fireCron } from './cron.ts';
import { connectByOAuth } from './flows.ts';
import { connect, issueKey } from './keys.ts';
import type { Life } from './lives.ts';
import type { TestWorld } from './open-world.ts';
import { newPerson, type Person } from './people.ts';
import { until } from './trips.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Somebody with one connection, and what was pasted for it. */
export interface Owner extends Person {
  provider: string;
  key: string;
}

/** Somebody new who has connected, the one way or the other. */
export async function ownerOf(
  world: TestWorld,
  { provider, key }: Pick<Life, 'provider' | 'key'>,
  query: Record<string, string> = {},
): Promise<Owner> {
  const person = await newPerson(world);
  const issued = key && issueKey(world, provider, key);
  const reply = issued
    ? await connect(person.at, provider, issued)
    : await connectByOAuth(person.at, provider, { query });
  expect([200, 201], reply.text).toContain(reply.status);
  return { ...person, provider, key: issued?.api_key ?? '' };
}

/** What stands in the database of somebody's one connection. */
export async function rowOf(world: TestWorld, { id }: Person): Promise<Record<string, unknown>> {
  const [row] = await world.sql('select * from connections where user_id = $1', [id]);
  return row ?? {};
}

/** What stands in the database of a connection. */
export async function connectionOf(world: TestWorld, id: string): Promise<Record<string, unknown>> {
  const [row] = await world.sql('select * from connections where id = $1', [id]);
  return row ?? {};
}

/** Has a connection refreshed, and waits until that has come to something; gives its row. */
export async function refreshed(world: TestWorld, id: string): Promise<Record<string, unknown>> {
  const before = await connectionOf(world, id);
  await world.sql(`update connections set refresh_at = now() - interval '1 second' where id = $1`, [id]);
  await fireCron(world, 'refresh');
  return until(async () => {
    const row = await connectionOf(world, id);
    const isTried = ['version', 'failures', 'status'].some((name) => row[name] !== before[name]);
    return isTried && row.lease_id === null ? row : undefined;
  }, 20_000);
}

/** What the agent was told of somebody's connection itself, in the order of its types. */
export function toldOf(world: TestWorld, { id }: Person): { type: string; data: Record<string, unknown> }[] {
  return world.agent.deliveries
    .map(({ body }) => body as { type: string; user_id: string; data: Record<string, unknown> })
    .filter((body) => body.user_id === id && body.type.startsWith('connection.'))
    .map(({ type, data }) => ({ type, data }))
    .sort((one, other) => (one.type < other.type ? -1 : 1));
}

export const typesOf = (world: TestWorld, person: Person) => toldOf(world, person).map(({ type }) => type);

/** Lets time pass, and then the cron fire. What is on its way to the agent arrives first: its signature has a time. */
export async function pass(world: TestWorld, clock: Clock, milliseconds: number): Promise<void> {
  await until(async () => {
    const [row] = await world.sql(
      `select count(*)::integer as n from events where status = 'pending' and next_attempt_at < now() + interval '1 hour'`,
    );
    return row?.n === 0 ? true : undefined;
  });
  await clock.advance(milliseconds);
  await fireCron(world);
}

/** Asks again until it is so; what is not in time is told as it is then. */
export function soon(holds: () => unknown, timeout = 6_000): Promise<unknown> {
  return vi.waitFor(async () => void (await holds()), { timeout, interval: 30 });
}
