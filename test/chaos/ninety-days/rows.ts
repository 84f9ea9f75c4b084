import type pg from 'pg';

export interface Row {
  id: string;
  status: string;
  expires: number;
  refresh: number;
  leased: number;
  /** When it is asked again whether it works, as far as there is such a time. */
  looked: number;
  ends: number;
  wasTold: boolean;
}

export interface Event {
  id: string;
  type: string;
  connection: string;
  at: number;
}

export interface Seen {
  rows: Row[];
  events: Event[];
  /** When the next revocation is due. */
  revocation: number;
}

/** What stands in the tables of a world, times as milliseconds since 1970 and Infinity for none; events since `since`. */
export async function look(pool: pg.Pool, since: number): Promise<Seen> {
  const { rows } = await pool.query(
    `select (select coalesce(json_agg(r), '[]') from (
       select id, status, ${ms('expires_at')} as expires, ${ms('refresh_at')} as refresh,
         ${ms('lease_until')} as leased, ${ms(LOOK)} as looked, ${ms('reauthorize_by')} as ends,
         expiring_told is not distinct from reauthorize_by as "wasTold" from connections
     ) r) as rows, (select coalesce(json_agg(e), '[]') from (
       select id, type, connection_id as connection, ${ms('occurred_at')} as at from events
       where received_at >= to_timestamp($1::float / 1000) order by occurred_at, id
     ) e) as events, (select ${ms('min(next_attempt_at)')} from revocations) as revocation`,
    [since],
  );
  const seen = rows[0] as {
    rows: (Row & Record<'expires' | 'refresh' | 'leased' | 'looked' | 'ends', number | null>)[];
    events: Event[];
    revocation: number | null;
  };
  return {
    rows: seen.rows.map((each) => ({
      ...each,
      expires: each.expires ?? Infinity,
      refresh: each.refresh ?? Infinity,
      leased: each.leased ?? -Infinity,
      looked: each.looked ?? Infinity,
      ends: each.ends ?? Infinity,
    })),
    events: seen.events,
    revocation: Number(seen.revocation ?? Infinity),
  };
}

const LOOK = `(to_jsonb(connections) ->> 'check_at')::timestamptz`;

const ms = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`;
