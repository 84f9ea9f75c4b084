import type { Databases } from '../world/postgres.ts';
import { applySchema } from '../world/seed.ts';

interface Place {
  server: Databases;
  database: string;
}

/** Copies all rows as pg_dump and a restore do: to an empty database, with every column as it was. */
export async function restore(from: Place, to: Place): Promise<void> {
  await to.server.create(to.database);
  await applySchema(to.server, to.database);
  // In the order in which they were made: what is referenced comes first.
  const { rows: tables } = await from.server.run(
    from.database,
    `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by oid`,
  );
  for (const { name } of tables) {
    const { rows } = await from.server.run(
      from.database,
      `select json_agg(t)::text as all_of_it from ${name} t`,
    );
    await to.server.run(
      to.database,
      `insert into ${name} select * from json_populate_recordset(null::${name}, coalesce($1, '[]')::json)`,
      [rows[0]?.all_of_it ?? null],
    );
  }
}
