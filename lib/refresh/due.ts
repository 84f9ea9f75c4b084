import { sql } from 'kysely';
import { sendRefreshes } from '../queue.ts';
import type { Services } from '../services.ts';

/** As many as two consumers get through before the next firing; what is left is due then. */
const PER_FIRING = 10_000;

/** Sends the ids of connections that are due to the queue: one read of an index, and the queue does the work. */
export async function queueDue(services: Services): Promise<number> {
  const rows = await services.postgres.rows(dueQuery(PER_FIRING));
  if (rows.length > 0)
    await sendRefreshes(
      services,
      rows.map((row) => row.id),
    );
  return rows.length;
}

/** The longest waiting first, and none of a provider that must be left alone: they would keep the others waiting. */
export function dueQuery(limit: number) {
  return sql<{ id: string }>`
    select id from connections
    where refresh_at <= now() and provider not in (select provider from provider_states where paused_until > now())
    order by refresh_at limit ${limit}`;
}
