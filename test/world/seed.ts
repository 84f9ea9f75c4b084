import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './bundle.ts';
import type { Databases } from './postgres.ts';

export const users = {
  ada: '0192f0a0-0000-7000-8000-0000000000a1',
  grace: '0192f0a0-0000-7000-8000-0000000000a2',
  mallory: '0192f0a0-0000-7000-8000-0000000000a3',
} as const;

export const teams = {
  ours: '0192f0a0-0000-7000-8000-0000000000b1',
  theirs: '0192f0a0-0000-7000-8000-0000000000b2',
} as const;

export const brands = {
  north: '0192f0a0-0000-7000-8000-0000000000c1',
  south: '0192f0a0-0000-7000-8000-0000000000c2',
  rival: '0192f0a0-0000-7000-8000-0000000000c3',
} as const;

export type Sessions = Record<keyof typeof users, string>;

/** Applies schema.sql. */
export async function applySchema(postgres: Databases, database: string): Promise<void> {
  await postgres.run(database, readFileSync(path.join(root, 'schema.sql'), 'utf8'));
}

/**
 * Ada and Grace share the team that owns North and South; Mallory's team owns Rival. Each gets a new session of
 * a day; rows that stand already stay.
 */
export async function seed(postgres: Databases, database: string): Promise<Sessions> {
  const sessions: Sessions = { ada: newToken(), grace: newToken(), mallory: newToken() };
  const row = (name: keyof Sessions) =>
    `('${createHash('sha256').update(sessions[name]).digest('hex')}', '${users[name]}', now() + interval '1 day')`;
  await postgres.run(
    database,
    `insert into users (id, name) values
       ('${users.ada}', 'Ada'), ('${users.grace}', 'Grace'), ('${users.mallory}', 'Mallory') on conflict do nothing;
     insert into teams (id, name) values ('${teams.ours}', 'Ours'), ('${teams.theirs}', 'Theirs') on conflict do nothing;
     insert into team_members (team_id, user_id) values
       ('${teams.ours}', '${users.ada}'), ('${teams.ours}', '${users.grace}'), ('${teams.theirs}', '${users.mallory}')
       on conflict do nothing;
     insert into brands (id, team_id, name) values
       ('${brands.north}', '${teams.ours}', 'North'), ('${brands.south}', '${teams.ours}', 'South'),
       ('${brands.rival}', '${teams.theirs}', 'Rival') on conflict do nothing;
     insert into sessions (id, user_id, expires_at) values ${row('ada')}, ${row('grace')}, ${row('mallory')};`,
  );
  return sessions;
}

function newToken(): string {
  return `session-${randomBytes(24).toString('base64url')}`;
}
