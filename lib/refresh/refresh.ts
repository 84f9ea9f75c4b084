import type { Provider, Tokens } from '../../providers/provider.ts';
import { clientIdOf, findClient, findProvider } from '../catalog.ts';
import { missingScopes } from '../connections/scopes.ts';
import { bindingOf, openCredential, openKey } from '../connections/sealed.ts';
import { verify } from '../connections/verify.ts';
import type { DataKey } from '../data-keys.ts';
import { PostgresUnavailable } from '../database.ts';
import { databaseNow } from '../database-clock.ts';
import { type Binding, seal } from '../envelope.ts';
import { credentialId } from '../grants/identity.ts';
import { endsTokens, hasOwnToken } from '../grants/revocable.ts';
import { notHeard } from '../grants/revocation.ts';
import { OutboundError } from '../outbound.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type Claimed, isStillOurs, LEASE_RESERVE_MS, putBack, release, undue } from './claim.ts';
import { type Failure, writeFailure } from './failed.ts';
import { askForTokens, isRenewable, mayBeUnheard } from './outcome.ts';
import { lookInto } from './refusal.ts';
import { type Renewed, writeRenewed } from './renewed.ts';
import { dueAt, expiryOf } from './schedule.ts';
import { setAside, spill } from './spill.ts';
import { isStrict } from './unheard.ts';

export type Result = Failure['outcome'] | 'renewed' | 'spilled' | 'superseded' | 'released' | 'not_renewable';

/** What must be in hand before the provider is asked: a call to KMS after its answer is a way to lose a token. */
interface Opened {
  key: DataKey;
  /** What is presented: the refresh token, the key, or the access token where there are no refresh tokens. */
  token: string;
  credential: string;
}

/**
 * Renews one claimed connection: opens what is needed, asks the provider once, and writes what came of it, guarded
 * by the row's version. Tokens that PostgreSQL does not take wait sealed elsewhere. Throws nothing that concerns
 * the row alone.
 */
export async function refresh(
  services: Services,
  row: Claimed,
  onFailure: (failure: Failure) => void = () => undefined,
): Promise<Result> {
  if (row.leaseEnds - Date.now() < LEASE_RESERVE_MS || !(await isStillOurs(services, row))) {
    await release(services, [row]);
    return 'released';
  }
  const provider = findProvider(services.env, row.provider);
  if (!provider)
    return fail(
      { services, row, onFailure },
      { outcome: 'unopenable', reason: 'unknown provider' },
      undefined,
    );
  if (!isRenewable(provider, row.refresh_token !== null)) {
    await undue(services, row);
    return 'not_renewable';
  }
  let opened: Opened;
  try {
    opened = await openRow(services, row);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    console.error(
      JSON.stringify({
        level: 'error',
        event: 'credential_not_opened',
        provider_id: row.provider,
        connection_id: row.connection_id,
        reason: error.reason ?? error.code,
      }),
    );
    return fail(
      { services, row, onFailure },
      { outcome: 'unopenable', reason: error.reason ?? error.code },
      provider,
    );
  }

  const answered = await askForTokens(services, provider, {
    token: opened.token,
    config: row.config,
    now: databaseNow(row.claimed),
  });
  const { outcome, isFollowing } = await lookInto(services, provider, row, {
    answered,
    credential: opened.credential,
  });
  if (outcome.outcome !== 'renewed') {
    if (outcome.outcome === 'unreadable' && outcome.brought) {
      const brought = await sealRenewed(services, provider, row, opened, outcome.brought);
      // Where PostgreSQL does not take them they wait in the queue.
      await setAside(services, brought).catch((error: unknown) => {
        if (!(error instanceof PostgresUnavailable)) throw error;
      });
    }
    return fail({ services, row, onFailure }, outcome, provider);
  }

  const renewed = await sealRenewed(services, provider, row, opened, outcome.tokens);
  try {
    if (await writeRenewed(services, renewed, isFollowing)) return 'renewed';
    // The row has moved on: nobody will use these, and they are ended. What another holds is not ours to end.
    if (!isFollowing) await setAside(services, renewed);
    return 'superseded';
  } catch (error) {
    // What the grant's newest tokens are stands elsewhere, and can be read again.
    if (isFollowing || !(error instanceof PostgresUnavailable)) throw error;
    await spill(services, renewed);
    return 'spilled';
  }
}

async function openRow(services: Services, row: Claimed): Promise<Opened> {
  const key = await openKey(services, row);
  const credential = await openCredential(services, row);
  const token = row.refresh_token ? await openCredential(services, row, 'refresh_token') : credential;
  return { key, token, credential };
}

async function fail(
  { services, row, onFailure }: { services: Services; row: Claimed; onFailure: (failure: Failure) => void },
  failure: Failure,
  provider: Provider | undefined,
): Promise<Result> {
  onFailure(failure);
  const isUnheard = provider !== undefined && isStrict(provider) && mayBeUnheard(failure);
  // Others of the same key know nothing of the token that may have come: it is nobody's until it ends.
  const isLoose = provider !== undefined && hasOwnToken(provider) && endsTokens(provider);
  if (isLoose && mayBeUnheard(failure)) notHeard(row.provider, row.connection_id);
  if (row.is_asked && failure.outcome !== 'dead') await putBack(services, row, isUnheard);
  else await writeFailure(services, row, failure, { name: provider?.name ?? row.provider, isUnheard });
  return failure.outcome;
}

/** Seals what came for the row as it will stand: its next version. */
async function sealRenewed(
  services: Services,
  provider: Provider,
  row: Claimed,
  { key, token, credential }: Opened,
  tokens: Tokens,
): Promise<Renewed> {
  const { auth } = provider;
  const now = databaseNow(row.claimed);
  const hasToken = row.refresh_token !== null;
  const isSignIn = auth.type === 'oauth';
  const replaces = isSignIn && hasToken && tokens.refreshToken !== undefined && tokens.refreshToken !== token;
  const expiresAt = expiryOf(tokens, hasToken, now);
  // Where the token itself is exchanged, another is worth taking only if it lives longer.
  const isNoLonger =
    isSignIn &&
    !hasToken &&
    (row.expires_at === null || (expiresAt?.getTime() ?? 0) <= row.expires_at.getTime() + 3_600_000);
  const ends = isNoLonger ? (row.expires_at ?? undefined) : expiresAt;
  const isLonger = isSignIn && !hasToken && !isNoLonger;

  const sealed = (secret: string, field: Binding['field']) =>
    seal(secret, key.key, key.id, { ...bindingOf(row, field), version: row.version + 1 });
  const next = replaces ? (tokens.refreshToken ?? token) : token;
  const stands = isNoLonger ? credential : tokens.accessToken;
  const everySeconds = isSignIn ? auth.refresh?.everySeconds : undefined;
  const [newCredential, newRefreshToken, previous] = await Promise.all([
    sealed(stands, 'credential'),
    hasToken ? sealed(next, 'refresh_token') : null,
    replaces ? sealed(token, 'previous_refresh_token') : null,
  ]);
  // An app whose permissions its settings decide is told none by its tokens.
  const told = isSignIn && auth.scopes.length > 0 && tokens.scopes?.length ? tokens.scopes : undefined;
  return {
    kind: 'renewed',
    connection_id: row.connection_id,
    user_id: row.user_id,
    brand_id: row.brand_id,
    tenant_id: row.tenant_id,
    provider: row.provider,
    account_id: row.account_id,
    grant_id: row.grant_id,
    config: { ...row.config },
    version: row.version,
    data_key_id: key.id,
    credential: newCredential,
    credential_id: await credentialId(services, row.provider, stands),
    client_id: clientIdOf(services.env, provider),
    scopes: told ?? null,
    missing_scopes: told ? missingScopes(provider, { scopes: told, missing: [] }) : null,
    refresh_token: newRefreshToken,
    previous_refresh_token: previous,
    expires_at: ends ?? null,
    refresh_token_expires_at:
      tokens.refreshTokenExpiresIn === undefined ? null : new Date(now + tokens.refreshTokenExpiresIn * 1000),
    reauthorize_by: isLonger ? await endOf(services, provider, row, tokens.accessToken) : null,
    refresh_at: ends ? dueAt({ expiresAt: ends, everySeconds }, now, Math.random()) : null,
  };
}

/** When a token that was exchanged for a longer one ends at the latest, as the provider tells. */
async function endOf(
  services: Services,
  provider: Provider,
  { config, account_id: pinned }: Claimed,
  credential: string,
): Promise<Date | null> {
  const client = findClient(services.env, provider);
  if (!client) return null;
  try {
    const { endsAt } = await verify(provider, { credential, config, client, pinned }, services.meter);
    return endsAt ?? null;
  } catch (error) {
    // The end that is known stands until the next exchange.
    if (error instanceof Problem || error instanceof OutboundError) return null;
    throw error;
  }
}
