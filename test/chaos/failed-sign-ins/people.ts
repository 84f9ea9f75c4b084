import { createHash, randomBytes } from 'node:crypto';
import { Client } from '../../support/client.ts';
import type { StagedWorld } from '../stage.ts';

/** Somebody in a brand, with a browser. */
export interface Place {
  client: Client;
  brand: string;
}

/** Who may live on a grant beside whoever signs in to it, in the order of how near they are. */
export const lives = ['the same brand', 'another brand', 'a team mate', 'another team', 'nobody'] as const;
export type Life = (typeof lives)[number];

/** Whose sign-ins fail, and who else there is. */
export type Cast = Record<Exclude<Life, 'nobody'>, Place>;

export async function openCast(world: StagedWorld): Promise<Cast> {
  const own = await team(world);
  const theirs = await team(world);
  const asker = await person(world, own);
  const mate = await person(world, own);
  const stranger = await person(world, theirs);
  const [north, south] = [await brand(world, own), await brand(world, own)];
  return {
    'the same brand': { client: asker, brand: north },
    'another brand': { client: asker, brand: south },
    'a team mate': { client: mate, brand: north },
    'another team': { client: stranger, brand: await brand(world, theirs) },
  };
}

async function team(world: StagedWorld): Promise<string> {
  const [row] = await world.sql(`insert into teams (name) values ('Somebody’s') returning id`);
  return String(row?.id);
}

async function brand(world: StagedWorld, team: string): Promise<string> {
  const [row] = await world.sql(`insert into brands (team_id, name) values ($1, 'Some') returning id`, [
    team,
  ]);
  return String(row?.id);
}

async function person(world: StagedWorld, team: string): Promise<Client> {
  const token = `session-${randomBytes(24).toString('base64url')}`;
  await world.sql(
    `with person as (insert into users (name) values ('Somebody') returning id),
     member as (insert into team_members (team_id, user_id) select $1, id from person)
     insert into sessions (id, user_id, expires_at) select $2, id, now() + interval '1 day' from person`,
    [team, createHash('sha256').update(token).digest('hex')],
  );
  return new Client(world, token);
}
