import { sql } from 'kysely';
import type { Provider, Tokens } from '../../providers/provider.ts';
import { clientIdOf, requireClient } from '../catalog.ts';
import { isLiving } from '../connections/living.ts';
import { openCredential, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { verify } from '../connections/verify.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Claimed } from './claim.ts';

/**
 * The newest tokens of the grant, for a connection whose refresh token another sign-in has taken away, be it one that
 * came to nothing: where the provider keeps one pair a grant, and still takes this connection's own access token. That
 * is its proof that it lives on the very grant: one that was cut off at the provider gets nothing from whoever comes
 * after it. Undefined where there are none.
 */
export async function followGrant(
  services: Services,
  provider: Provider,
  row: Claimed,
): Promise<Tokens | undefined> {
  const { auth } = provider;
  if (auth.type !== 'oauth' || auth.grant.anotherSignIn !== 'replaces' || row.is_refused) return undefined;
  try {
    const own = await openCredential(services, row, 'refresh_token');
    const newest = await findNewest(services, row, own, clientIdOf(services.env, provider));
    if (!newest) return undefined;
    const access = {
      credential: await openCredential(services, row),
      config: row.config,
      client: requireClient(services.env, provider),
    };
    const { account } = await verify(provider, access, services.meter);
    if (account.id !== row.account_id) return undefined;
    const accessToken = await openCredential(services, newest);
    const left = newest.expires_at === null ? 3_600 : (newest.expires_at.getTime() - Date.now()) / 1000;
    return { accessToken, refreshToken: newest.refreshToken, expiresIn: Math.max(1, Math.floor(left)) };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

interface Candidate extends SealedRow {
  expires_at: Date | null;
}

/** The newest with another refresh token than its own: somebody who came before may have followed the very same one. */
async function findNewest(
  services: Services,
  row: Claimed,
  own: string,
  clientId: string | null,
): Promise<(Candidate & { refreshToken: string }) | undefined> {
  for (const each of await readNewest(services, row, clientId)) {
    const refreshToken = await openCredential(services, each, 'refresh_token');
    if (refreshToken !== own) return { ...each, refreshToken };
  }
  return undefined;
}

/** So many may have followed the same sign-in. */
const LOOKED_AT = 20;

/** In living connections' rows, and where tokens wait that no connection has kept; nothing is told of whose they were. */
async function readNewest(
  { postgres }: Services,
  row: Claimed,
  clientId: string | null,
): Promise<Candidate[]> {
  return postgres.rows(sql<Candidate>`
    with standing as (
      select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.credential,
        c.refresh_token, c.expires_at, c.data_key_id, c.client_id, greatest(c.connected_at, c.last_refreshed_at) as since
      from connections c
      where c.provider = ${row.provider} and c.grant_id = ${row.grant_id} and c.id <> ${row.connection_id}::uuid
        and c.refresh_token is not null and ${isLiving('c')}
      union all
      select r.connection_id, r.user_id, r.brand_id, r.tenant_id, r.provider, r.version, r.credential,
        r.refresh_token, r.expires_at, r.data_key_id, r.client_id, r.created_at
      from revocations r
      where r.provider = ${row.provider} and r.grant_id = ${row.grant_id} and r.refresh_token is not null
    )
    select c.*, ${dataKeyColumns} from standing c left join data_keys k on k.id = c.data_key_id
    -- What another client of ours was given is of another grant.
    where coalesce(c.client_id, ${clientId}) is not distinct from ${clientId}
    order by c.since desc limit ${LOOKED_AT}`);
}
