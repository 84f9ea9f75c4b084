import { createHash } from 'node:crypto';
import type { Client } from './client.ts';
import type { TestWorld } from './open-world.ts';
import { newPerson } from './people.ts';

export interface Newcomer {
  id: string;
  client: Client;
  /** The connections in the database, ended ones too. */
  connections(): Promise<Record<string, unknown>[]>;
  /** Ends the session, as signing out of the Cockpit does. */
  signOut(): Promise<void>;
  /** Ends the membership in every team. */
  leaveTeams(): Promise<void>;
}

/** Somebody whom nobody has seen: nothing connected, nothing cached; a member of `team` where one is named. */
export async function newcomer(world: TestWorld, team?: string): Promise<Newcomer> {
  const { id, at, token } = await newPerson(world, { teams: team === undefined ? [] : [team] });
  return {
    id,
    client: at,
    connections: () => world.sql('select * from connections where user_id = $1', [id]),
    signOut: async () => void (await world.sql('delete from sessions where id = $1', [sha256(token)])),
    leaveTeams: async () => void (await world.sql('delete from team_members where user_id = $1', [id])),
  };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
