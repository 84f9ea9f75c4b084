import { createHash, randomBytes } from 'node:crypto';
import { Client } from '../support/client.ts';
import type { StagedWorld } from './stage.ts';

/** Somebody with a session of a year, in no team. */
export interface Somebody {
  id: string;
  /** Of their session. */
  token: string;
  at: Client;
}

export async function peopleOf(world: StagedWorld, count: number): Promise<Somebody[]> {
  const tokens = Array.from({ length: count }, () => `session-${randomBytes(24).toString('base64url')}`);
  const hashes = tokens.map((token) => createHash('sha256').update(token).digest('hex'));
  const rows = await world.sql(
    `with people as (
       insert into users (name) select 'Somebody' from generate_series(1, $1) returning id
     ),
     numbered as (select id, row_number() over () as n from people)
     insert into sessions (id, user_id, expires_at)
     select h.hash, p.id, now() + interval '1 year'
     from unnest($2::text[]) with ordinality as h (hash, n) join numbered p using (n)
     returning id as hash, user_id`,
    [count, hashes],
  );
  const ids = new Map(rows.map(({ hash, user_id }) => [String(hash), String(user_id)]));
  return tokens.map((token, at) => ({
    id: ids.get(hashes[at] ?? '') ?? '',
    token,
    at: new Client(world, token),
  }));
}

/** Does it for each, so many at once, in order. */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  run: (item: Item, at: number) => Promise<void>,
): Promise<void> {
  const waiting = items.map((item, at) => ({ item, at }));
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await run(next.item, next.at);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
