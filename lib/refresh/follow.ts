import { sql } from 'kysely';
import type { OAuthClient, Provider, Tokens } from '../../providers/provider.ts';
import { clientIdOf, requireClient } from '../catalog.ts';
import { openCredential, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { verify } from '../connections/verify.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Claimed } from './claim.ts';

/** What there is to follow: the grant's newest tokens, none, or nothing that can be told at the moment. */
export type Followed = { is: 'tokens'; tokens: Tokens } | { is: 'none' } | { is: 'unknown' };

/**
 * The newest tokens of the grant, for a connection whose refresh token another sign-in has taken away, be it one that
 * came to nothing: where the provider keeps one pair a grant, and still takes this connection's own access token. That
 * is its proof that it lives on the very grant: one that was cut off at the provider gets nothing from whoever comes
 * after it. While that works and there is nothing to follow, or nobody can tell, it is no word on the grant; an hour is as
 * long as that can be.
 */
export async function followGrant(services: Services, provider: Provider, row: Claimed): Promise<Followed> {
  const { auth } = provider;
  if (auth.type !== 'oauth' || auth.grant.anotherSignIn !== 'replaces' || row.is_refused)
    return { is: 'none' };
  try {
    const client = requireClient(services.env, provider);
    const works = (credential: string) => isOfGrant(services, provider, row, { credential, client });
    const candidates = await readNewest(services, row, clientIdOf(services.env, provider));
    if (!(await works(await openCredential(services, row)))) return { is: 'none' };
    return await newestOf(services, row, candidates, works);
  } catch (error) {
    if (error instanceof Problem) return { is: 'unknown' };
    throw error;
  }
}

/** Whether the provider takes a token for the connection's account. Throws a problem where it does not say. */
async function isOfGrant(
  services: Services,
  provider: Provider,
  { config, account_id }: Claimed,
  access: { credential: string; client: OAuthClient },
): Promise<boolean> {
  try {
    const { account } = await verify(provider, { ...access, config }, services.meter);
    return account.id === account_id;
  } catch (error) {
    if (error instanceof Problem && error.code === 'invalid_credential') return false;
    throw error;
  }
}

/** The first that works and is not its own: somebody who came before may have followed the very same one. */
async function newestOf(
  services: Services,
  row: Claimed,
  candidates: readonly Candidate[],
  works: (credential: string) => Promise<boolean>,
): Promise<Followed> {
  const own = await openCredential(services, row, 'refresh_token');
  for (const each of candidates) {
    const opened = await openPair(services, each);
    if (opened && opened.refreshToken !== own && (await works(opened.accessToken))) {
      const left = each.expires_at === null ? 3_600 : (each.expires_at.getTime() - Date.now()) / 1000;
      return { is: 'tokens', tokens: { ...opened, expiresIn: Math.max(1, Math.floor(left)) } };
    }
  }
  // Who has taken it away has not written down what for it came yet, or has not heard.
  return { is: 'unknown' };
}

/** Undefined where one does not open: its tenant's keys may be destroyed, which takes nothing from others. */
async function openPair(
  services: Services,
  candidate: Candidate,
): Promise<{ accessToken: string; refreshToken: string } | undefined> {
  try {
    return {
      accessToken: await openCredential(services, candidate),
      refreshToken: await openCredential(services, candidate, 'refresh_token'),
    };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

interface Candidate extends SealedRow {
  expires_at: Date | null;
}

/** So many may have followed the same sign-in. */
const LOOKED_AT = 20;

/**
 * In connections' rows, and where tokens wait that no connection has kept; nothing is told of whose they were. One that
 * has lost its owner has the grant's newest until it is ended.
 */
async function readNewest(
  { postgres }: Services,
  row: Claimed,
  clientId: string | null,
): Promise<Candidate[]> {
  return postgres.rows(sql<Candidate>`
    with standing as (
      select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.credential,
        c.refresh_token, c.expires_at, c.data_key_id, c.client_id, true as is_kept,
        greatest(c.connected_at, c.last_refreshed_at) as since
      from connections c
      where c.provider = ${row.provider} and c.grant_id = ${row.grant_id} and c.id <> ${row.connection_id}::uuid
        and c.refresh_token is not null and c.status = 'connected'
      union all
      select r.connection_id, r.user_id, r.brand_id, r.tenant_id, r.provider, r.version, r.config, r.credential,
        r.refresh_token, r.expires_at, r.data_key_id, r.client_id, false, r.created_at
      from revocations r
      where r.provider = ${row.provider} and r.grant_id = ${row.grant_id} and r.refresh_token is not null
    )
    select c.*, ${dataKeyColumns} from standing c left join data_keys k on k.id = c.data_key_id
    -- What another client of ours was given is of another grant.
    where coalesce(c.client_id, ${clientId}) is not distinct from ${clientId}
      and coalesce(c.expires_at > now() + interval '1 minute', true)
    order by c.is_kept desc, c.since desc limit ${LOOKED_AT}`);
}
