import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { inject } from 'vitest';
import { Client } from './client.ts';
import type { TestWorld } from './open-world.ts';
import { sql } from './sql.ts';

export interface Person {
  id: string;
  name: string;
  /** Of their session. */
  token: string;
  /** Their browser. */
  at: Client;
}

/** Somebody with a session of an hour, in the teams that are named and in no other. */
export async function newPerson(
  world: TestWorld,
  { name = 'Somebody', teams = [] }: { name?: string; teams?: readonly string[] } = {},
): Promise<Person> {
  const token = newToken();
  const [row] = await sql(
    world,
    `with person as (insert into users (name) values ($1) returning id),
     member as (insert into team_members (team_id, user_id) select unnest($2::uuid[]), id from person)
     insert into sessions (id, user_id, expires_at) select $3, id, now() + interval '1 hour' from person
     returning user_id`,
    [name, teams, hashOf(token)],
  );
  return { id: String(row?.user_id), name, token, at: new Client(world, token) };
}

/** A browser with one more session of that user, which ends at `expires` (an SQL interval from now). */
export async function newSession(world: TestWorld, userId: string, expires = '1 hour'): Promise<Client> {
  const token = newToken();
  await sql(world, 'insert into sessions (id, user_id, expires_at) values ($1, $2, now() + $3::interval)', [
    hashOf(token),
    userId,
    expires,
  ]);
  return new Client(world, token);
}

/** A team of nobody, and a brand that it owns. */
export async function newTeam(world: TestWorld): Promise<{ id: string; brand: string }> {
  const [row] = await sql(
    world,
    `with team as (insert into teams (name) values ('New') returning id)
     insert into brands (team_id, name) select id, 'New' from team returning team_id, id as brand`,
  );
  return { id: String(row?.team_id), brand: String(row?.brand) };
}

/** The leak test is told of it. */
function newToken(): string {
  const token = `session-${randomBytes(24).toString('base64url')}`;
  appendFileSync(path.join(inject('directory'), 'secrets.jsonl'), `${JSON.stringify(token)}\n`);
  return token;
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
