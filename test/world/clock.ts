import pg from 'pg';
import { CLOCK_SWITCH } from './clock-switch.ts';
import type { Databases } from './postgres.ts';

/** What lives by a clock: a Worker and its database. */
interface Ruled {
  url: string;
  database: string;
  databases: Databases;
}

export interface Clock {
  /** Milliseconds since 1970; for `WorldOptions.now`. */
  now(): number;
  /** Puts a world under this clock, before its database is used or when its Worker is a new one. */
  rule(world: Ruled): Promise<void>;
  advance(milliseconds: number): Promise<void>;
}

/**
 * A clock that can be moved, for worlds to live by: the Worker's Date, PostgreSQL's now() and, by `WorldOptions.now`,
 * the simulators and KMS. It runs as fast as the real one. Timers, and what KV and the queues wait for, are real.
 */
export function openClock(start = Date.now()): Clock {
  let shift = start - Date.now();
  const ruled = new Map<string, pg.Pool>();

  async function tell([url, pool]: [string, pg.Pool]): Promise<void> {
    const [told] = await Promise.all([
      fetch(`${url}${CLOCK_SWITCH}?shift=${shift}`),
      pool.query('update clock.shift set milliseconds = $1', [shift]),
    ]);
    if (!told.ok) throw new Error(`the Worker's clock does not move: ${told.status}`);
  }

  return {
    now: () => Date.now() + shift,
    async rule({ url, database, databases }) {
      await databases.run(database, ruling(database));
      const pool = new pg.Pool({ connectionString: databases.url(database), max: 1, allowExitOnIdle: true });
      pool.on('error', () => undefined);
      ruled.set(url, pool);
      await tell([url, pool]);
    },
    async advance(milliseconds) {
      shift += milliseconds;
      await Promise.all([...ruled].map(tell));
    },
  };
}

/**
 * A now() that is found before PostgreSQL's own. Defaults of columns were bound to that one when their tables were
 * made, and sessions that are open know nothing of the new path.
 */
function ruling(database: string): string {
  return `
    create schema if not exists clock;
    create table if not exists clock.shift (milliseconds double precision not null);
    insert into clock.shift select 0 where not exists (select from clock.shift);
    create or replace function clock.now() returns timestamptz language sql stable parallel safe as
      'select pg_catalog.now() + make_interval(secs => milliseconds / 1000) from clock.shift';
    do $$
      declare bound record;
      begin
        for bound in
          select attrelid::regclass as relation, attname as name
          from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
          where pg_get_expr(adbin, adrelid) ~ '^(pg_catalog\\.)?now\\(\\)$'
        loop
          execute format('alter table %s alter column %I set default clock.now()', bound.relation, bound.name);
        end loop;
      end
    $$;
    alter database ${database} set search_path = clock, pg_catalog, "$user", public;
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = '${database}' and pid <> pg_backend_pid() and backend_type = 'client backend';`;
}
