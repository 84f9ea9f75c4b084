import pg from 'pg';
import type { TestWorld } from './open-world.ts';

const pools = new WeakMap<TestWorld, pg.Pool>();

/** What `world.sql` does, on connections that stay open: a new one costs as much as a few requests. */
export async function sql(
  world: TestWorld,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  let pool = pools.get(world);
  if (!pool) {
    pool = new pg.Pool({
      connectionString: world.databases.url(world.database),
      max: 4,
      idleTimeoutMillis: 2_000,
      allowExitOnIdle: true,
    });
    // PostgreSQL ends before the last of them does.
    pool.on('error', () => {});
    pools.set(world, pool);
  }
  return (await pool.query<Record<string, unknown>>(text, values)).rows;
}
