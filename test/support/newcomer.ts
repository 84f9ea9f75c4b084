import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Client } from './client.ts';
import type { TestWorld } from './open-world.ts';

export interface Newcomer {
  id: string;
  client: Client;
  /** The connections in the database, ended ones too. */
  connections(): Promise<Record<string, unknown>[]>;
  /** Ends the session, as signing out of the Cockpit does. */
  signOut(): Promise<void>;
}

/** Somebody whom nobody has seen: nothing connected, nothing cached; a member of `team` where one is named. */
export async function newcomer(world: TestWorld, team?: string): Promise<Newcomer> {
  const id = randomUUID();
  const token = `session-${randomBytes(24).toString('base64url')}`;
  const sessionId = sha256(token);
  await world.sql(`insert into users (id, name) values ($1, 'Newcomer')`, [id]);
  await world.sql(
    `insert into sessions (id, user_id, expires_at) values ($1, $2, now() + interval '1 hour')`,
    [sessionId, id],
  );
  if (team !== undefined)
    await world.sql('insert into team_members (team_id, user_id) values ($1, $2)', [team, id]);
  return {
    id,
    client: new Client(world, token),
    connections: () => world.sql('select * from connections where user_id = $1', [id]),
    signOut: async () => void (await world.sql('delete from sessions where id = $1', [sessionId])),
  };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
