import type { StagedWorld } from './stage.ts';

/** Makes the tenants of planted connections teams, which the owners of their connections are in. */
export async function foundTeams(world: StagedWorld): Promise<void> {
  await world.sql(
    `insert into teams (id, name) select distinct tenant_id, 'Team' from connections on conflict do nothing`,
  );
  await world.sql(
    `insert into team_members (team_id, user_id) select distinct tenant_id, user_id from connections
     on conflict do nothing`,
  );
}
