import { type RawBuilder, sql } from 'kysely';
import { providers } from '../../providers/index.ts';
import type { Provider } from '../../providers/provider.ts';
import type { Services } from '../services.ts';

// A refresh token that is good for one use may be spent by a refresh whose answer nobody gets, and what that has brought
// lives on. From then on the provider's word that the token is over says nothing of its grant.

/** Tokens of these are good for one use, and a second is punished. */
export const strict = providers.filter(isStrict).map(({ id }) => id);

/** Whether a refresh token of the provider is good for one use. */
export function isStrict({ auth }: Provider): boolean {
  return auth.type === 'oauth' && auth.refresh?.reuse === 'never';
}

/** SQL: since when that may be so of a connection `c`; whoever is refreshing it at the moment may not come back. */
export const unheardSince: RawBuilder<Date | null> = sql`coalesce(
  c.unheard_since, case when c.lease_id is not null and c.provider = any (${strict}::text[]) then now() end
)`;

/**
 * SQL: a table `heard` of a statement that has `written` the connection; where its tokens were taken away to be ended
 * while it was being refreshed, they need not be taken for spent any more where the answer `isHeard`.
 */
export function heardOf(refreshed: {
  connection_id: string;
  provider: string;
  grant_id: string;
  version: number;
  isHeard: boolean;
}): RawBuilder<unknown> {
  return sql`
    heard as (
      update revocations r set unheard_since = null
      where ${refreshed.isHeard} and not exists (select from written) and r.provider = ${refreshed.provider}
        and r.grant_id = ${refreshed.grant_id} and r.connection_id = ${refreshed.connection_id}::uuid
        and r.version = ${refreshed.version}::integer
    )`;
}

/** Writes down that a sign-in which nobody has heard the end of may have taken the refresh tokens of a grant. */
export async function markUnheard(
  { postgres }: Services,
  { provider, grantId, clientId }: { provider: string; grantId: string; clientId: string },
): Promise<void> {
  await postgres.rows(sql`
    with theirs as (
      update connections c set unheard_since = coalesce(c.unheard_since, now())
      where c.provider = ${provider} and c.grant_id = ${grantId} and c.credential is not null
        and coalesce(c.client_id, ${clientId}) = ${clientId}
    )
    update revocations r set unheard_since = coalesce(r.unheard_since, now())
    where r.provider = ${provider} and r.grant_id = ${grantId} and coalesce(r.client_id, ${clientId}) = ${clientId}`);
}

/** Why an attempt to end tokens has failed that has left it so. */
export const REFRESH_UNHEARD = 'refresh_unheard';
