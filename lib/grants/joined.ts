import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Provider } from '../../providers/provider.ts';
import { findProvider } from '../catalog.ts';
import { checkSoon } from '../connections/check-soon.ts';
import { isLiving } from '../connections/living.ts';
import { missingScopes } from '../connections/scopes.ts';
import { bindingOf, openCredential, openKey, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { seal } from '../envelope.ts';
import { sendChecks, sendRefreshes, sendRevocations } from '../queue.ts';
import type { Services } from '../services.ts';
import { endsTokens } from './revocable.ts';
import { insertRevocation } from './revocation.ts';

type Member = SealedRow & {
  credential_id: string | null;
  client_id: string | null;
  scopes: string[];
  connected_at: Date;
  expires_at: Date | null;
  refresh_at: Date | null;
  refresh_token_expires_at: Date | null;
  reauthorize_by: Date | null;
  /** Nobody is renewing it. */
  is_free: boolean;
};

/** A sign-in has brought tokens of a grant; `id` is the connection that keeps them, null where none does. */
interface Joined {
  provider: string;
  grant_id: string;
  id: string | null;
}

/**
 * Does for others who live on a sign-in's grant what the provider has done to their tokens calls for. How many of them
 * are renewed, share the new token or are asked about.
 */
export async function onJoined(services: Services, joined: Joined): Promise<Record<string, number>> {
  const provider = findProvider(services.env, joined.provider);
  if (provider?.auth.type !== 'oauth') return {};
  const { anotherSignIn, atMost } = provider.auth.grant;
  const members = await readMembers(services, joined);
  if (anotherSignIn === 'replaces') return { due: await renewOthers(services, members, joined) };
  return atMost === undefined ? {} : share(services, provider, members, joined.id, atMost);
}

/**
 * Where it has taken the refresh tokens of the others away: they go on with the newest pair while their own access tokens
 * live to prove that they may, which is not for long.
 */
async function renewOthers(services: Services, members: readonly Member[], { id }: Joined): Promise<number> {
  const ids = members.filter((each) => each.connection_id !== id).map((each) => each.connection_id);
  if (ids.length === 0) return 0;
  await services.postgres.rows(sql`
    update connections set refresh_at = now()
    where id = any (${ids}::uuid[]) and status = 'connected' and lease_id is null`);
  await sendRefreshes(services, ids);
  return ids.length;
}

/**
 * Where there are so many tokens a grant and no more: all connections of the person who signed in go on with the newest
 * token, and those that they had are ended, so that nobody else's is pushed out. Where there are as many people as
 * tokens, one may have been: each is asked about at once.
 */
async function share(
  services: Services,
  provider: Provider,
  members: readonly Member[],
  id: string | null,
  most: number,
): Promise<Record<string, number>> {
  // Where nobody keeps it, it may have pushed out another's all the same.
  const newest = members.find((each) => each.connection_id === id);
  const isOwn = (each: Member) => each.user_id === newest?.user_id;
  let shared = 0;
  if (newest && isShareable(provider, newest)) {
    const tokens = {
      credential: await openCredential(services, newest),
      refreshToken: newest.refresh_token && (await openCredential(services, newest, 'refresh_token')),
    };
    for (const each of members) {
      const isToFollow = isOwn(each) && mayFollow(each, newest);
      if (isToFollow && (await follow(services, provider, each, newest, tokens))) shared += 1;
    }
  }
  const strangers = members.filter((each) => !isOwn(each));
  const tokens = new Set(strangers.map((each) => each.credential_id));
  const crowded = tokens.size + 1 >= most ? strangers.map((each) => each.connection_id) : [];
  for (const each of crowded) await checkSoon(services, each);
  await sendChecks(services, crowded);
  return { shared, looked_at: crowded.length };
}

/** A refresh token that is spent by its use is of use to one alone. */
function isShareable({ auth }: Provider, { refresh_token }: Member): boolean {
  return refresh_token === null || (auth.type === 'oauth' && auth.refresh?.reuse === 'always');
}

/** Nothing is taken from one that may do more with the token that it has, or whose token was had later. */
function mayFollow(member: Member, newest: Member): boolean {
  return (
    member.is_free &&
    (member.refresh_token === null) === (newest.refresh_token === null) &&
    member.connected_at < newest.connected_at &&
    member.credential_id !== newest.credential_id &&
    endOf(member) <= endOf(newest) &&
    member.scopes.every((scope) => newest.scopes.includes(scope))
  );
}

/** Milliseconds since 1970; what has no end ends last. */
function endOf({ reauthorize_by }: Member): number {
  return reauthorize_by?.getTime() ?? Infinity;
}

async function readMembers({ postgres }: Services, { provider, grant_id }: Joined): Promise<Member[]> {
  return postgres.rows(sql<Member>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.credential,
      c.refresh_token, c.credential_id, c.client_id, c.scopes, c.connected_at, c.expires_at, c.refresh_at,
      c.refresh_token_expires_at, c.reauthorize_by,
      (c.lease_until is null or c.lease_until <= now()) as is_free, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id
    where c.provider = ${provider} and c.grant_id = ${grant_id} and ${isLiving('c')}`);
}

/** Seals the token for another connection of the same person, and has the one that stood there ended. */
async function follow(
  services: Services,
  provider: Provider,
  member: Member,
  newest: Member,
  tokens: { credential: string; refreshToken: string | null },
): Promise<boolean> {
  const key = await openKey(services, member);
  const sealed = (secret: string, field: 'credential' | 'refresh_token') =>
    seal(secret, key.key, key.id, { ...bindingOf(member, field), version: member.version + 1 });
  const credential = await sealed(tokens.credential, 'credential');
  const refreshToken = tokens.refreshToken && (await sealed(tokens.refreshToken, 'refresh_token'));
  const { scopes } = newest;
  const revocationId = uuidv7();
  const rows = await services.postgres.rows(sql<{ id: string }>`
    with standing as (
      select c.* from connections c
      where c.id = ${member.connection_id}::uuid and c.version = ${member.version}
        and (c.lease_until is null or c.lease_until <= now()) and ${isLiving('c')}
      for update of c
    ),
    -- Whoever has the token may have left meanwhile, and ended it.
    held as materialized (
      select h.* from standing s cross join lateral hold_grant(
        s.provider, s.grant_id, ${newest.client_id}, s.id, ${newest.credential_id}, null, null
      ) h
    ),
    old as (select s.* from standing s, held where held.twins > 0 and not held.is_ending),
    written as (
      update connections c set credential = ${credential}::bytea, refresh_token = ${refreshToken}::bytea,
        expires_at = ${newest.expires_at}::timestamptz, refresh_at = ${newest.refresh_at}::timestamptz,
        refresh_token_expires_at = ${newest.refresh_token_expires_at}::timestamptz,
        reauthorize_by = ${newest.reauthorize_by}::timestamptz, data_key_id = ${key.id}::uuid,
        credential_id = ${newest.credential_id}, client_id = ${newest.client_id}, version = c.version + 1, scopes = ${scopes}::text[],
        missing_scopes = ${missingScopes(provider, { scopes, missing: [] })}::text[], updated_at = now()
      from old where c.id = old.id returning c.id
    ),
    -- Where no token ends alone it ends with the grant.
    superseded as (
      ${insertRevocation({
        id: revocationId,
        from: sql`old c join written on written.id = c.id where ${endsTokens(provider)}`,
        keepsRefreshToken: true,
        due: sql`now()`,
        registered: sql`'[]'::jsonb`,
      })}
    )
    select id from written`);
  if (!rows[0]) return false;
  if (!endsTokens(provider)) return true;
  // What the queue does not take the cron finds.
  await sendRevocations(services, [revocationId]).catch(() => undefined);
  return true;
}
