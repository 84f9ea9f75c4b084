import { createHash, randomBytes } from 'node:crypto';
import type { Planted } from './plant.ts';
import type { StagedWorld } from './stage.ts';

export interface Owner {
  token: string;
  connectionId: string;
}

/** Gives the owners of planted connections a session each. */
export async function owners(world: StagedWorld, planted: readonly Planted[]): Promise<Owner[]> {
  const sessions = planted.map(({ id, userId }) => {
    const token = `session-${randomBytes(24).toString('base64url')}`;
    return { id: createHash('sha256').update(token).digest('hex'), userId, token, connectionId: id };
  });
  await world.sql(
    `with people as (
       insert into users (id, name) select unnest($2::uuid[]), 'Somebody' on conflict do nothing
     )
     insert into sessions (id, user_id, expires_at)
     select unnest($1::text[]), unnest($2::uuid[]), now() + interval '1 day'`,
    [sessions.map(({ id }) => id), sessions.map(({ userId }) => userId)],
  );
  return sessions.map(({ token, connectionId }) => ({ token, connectionId }));
}

/** Asks a Worker as somebody with a session. */
export function ask(world: { url: string }, owner: Owner, method: string, path: string): Promise<Response> {
  return fetch(`${world.url}${path}`, { method, headers: { authorization: `Bearer ${owner.token}` } });
}
