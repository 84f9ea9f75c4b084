import { sql } from 'kysely';
import type { Access, OAuthClient, Provider, RevocationRequest } from '../../providers/provider.ts';
import { findProvider, requireClient } from '../catalog.ts';
import { isLiving } from '../connections/living.ts';
import { openCredential, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { verify } from '../connections/verify.ts';
import { OutboundError, outletOf, send } from '../outbound.ts';
import { Problem } from '../problem.ts';
import { renewForRevocation, type Usable } from '../refresh/for-revocation.ts';
import type { Services } from '../services.ts';
import { leaveWebhooks, mayStand, unregister } from '../webhooks/unregister.ts';
import { grantOfKey, grantOfToken } from './identity.ts';
import { type Ended, type Outcome, writeOutcome } from './outcome.ts';
import { canBeEnded, hasOwnToken } from './revocable.ts';
import { identify, notDiscarded, type RevocationRow } from './revocation.ts';

/** How far our clock may be from what has written an end; who can renew a token does so this much sooner. */
const CLOCK_MS = 300_000;
/** From when it is known how a grant is to end: in which the hooks of others are begun with, and its end is asked for. */
const HOOKS_BESIDE_MS = 30_000;
const ENDING_MS = 50_000;

/**
 * Ends tokens that no connection holds: their grant where nobody lives on it, else the token alone where the provider
 * can. The row, and with it the sealed token, goes once the provider has confirmed or says that it was gone before.
 * Throws nothing of the outside: what did not work is left for the next attempt.
 */
export async function endTokens(services: Services, row: RevocationRow): Promise<Ended> {
  const result = await end(services, row);
  let due = 0;
  try {
    due = await writeOutcome(services, result.row, result.outcome);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // The provider has ended it; the next attempt finds it gone and says so.
  }
  if (typeof result.outcome === 'object') return 'pending';
  // What lives of the grant may be tokens that have waited for its end, and are tried next.
  return due > 0 ? 'pending' : result.outcome;
}

async function end(
  services: Services,
  row: RevocationRow,
): Promise<{ row: RevocationRow; outcome: Outcome }> {
  const provider = findProvider(services.env, row.provider);
  if (!provider) return { row, outcome: { failed: 'unknown_provider' } };
  let known = row;
  try {
    const client = requireClient(services.env, provider);
    const found = await whose(services, provider, client, row);
    if ('outcome' in found) return { row, outcome: found.outcome };
    known = found.row;
    return { row: known, outcome: await endKnown(services, provider, client, known, found.usable) };
  } catch (error) {
    if (error instanceof OutboundError) return { row: known, outcome: { failed: error.failure } };
    if (error instanceof Problem) return { row: known, outcome: { failed: error.reason ?? error.code } };
    throw error;
  }
}

/** The row with its grant, which the provider is asked for where nobody knows it and a token cannot end alone. */
async function whose(
  services: Services,
  provider: Provider,
  client: OAuthClient,
  row: RevocationRow,
): Promise<{ row: RevocationRow; usable?: Usable } | { outcome: Outcome }> {
  const { auth, revocation } = provider;
  if (!('grant' in revocation)) return { row };
  if (row.grant_id !== null) return { row: await sameKey(services, provider, row) };
  if (auth.type !== 'oauth' || revocation.token) return { row };
  const usable = await accessToken(services, provider, row);
  if (usable.is !== 'token') return { outcome: 'nothing' };
  const { token: credential } = usable;
  try {
    const { account } = await verify(provider, { credential, config: row.config, client }, services.meter);
    const grantId = await grantOfToken(services, provider, { accessToken: credential, account: account.id });
    if (grantId === undefined) return { outcome: { failed: 'grant_unknown' } };
    return { row: await identify(services, row, { grantId, accountId: account.id }), usable };
  } catch (error) {
    // The provider does not take it: there is nothing left to end.
    if (error instanceof Problem && error.code === 'invalid_credential') return { outcome: 'nothing' };
    throw error;
  }
}

/** A key that was pasted under another GRANT_KEY, here or by who lives on it, is known again by the key itself. */
async function sameKey(services: Services, provider: Provider, row: RevocationRow): Promise<RevocationRow> {
  const isKey = provider.auth.type !== 'oauth' && !provider.auth.grant;
  if (!isKey || row.account_id === null || row.others) return row;
  const key = await openCredential(services, row);
  const grantId = await grantOfKey(services, provider.id, key);
  const known =
    grantId === row.grant_id ? row : await identify(services, row, { grantId, accountId: row.account_id });
  // Whoever lives on a key holds it.
  if (known.others) return { ...known, twins: known.others };
  return known.has_kin && (await isHeldByAnother(services, known, key))
    ? { ...known, others: 1, twins: 1 }
    : known;
}

/** At most so many that have the same account by another key are looked at. */
const LOOKED_AT = 50;

async function isHeldByAnother(services: Services, row: RevocationRow, key: string): Promise<boolean> {
  const rows = await services.postgres.rows(sql<SealedRow>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.credential,
      c.refresh_token, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id
    where c.provider = ${row.provider} and c.account_id = ${row.account_id} and c.type = 'api_key'
      and c.grant_id <> ${row.grant_id} and ${isLiving('c')} limit ${LOOKED_AT}`);
  for (const each of rows) if ((await openCredential(services, each)) === key) return true;
  return false;
}

async function endKnown(
  services: Services,
  provider: Provider,
  client: OAuthClient,
  row: RevocationRow,
  renewed?: Usable,
): Promise<Outcome> {
  // Who lives on it must be known before anything is ended.
  if (row.grant_id !== null && row.others === null) return { failed: 'holders_unknown' };
  const { ending, outcome } = choose(provider, row);
  const begun = Date.now();
  const hasHooks = mayStand(provider, row.registered);
  const isBusy = outcome === 'grant' && row.is_ending;
  // While their token lives its hooks can be taken away; another is about to end that.
  if (isBusy && !hasHooks) return { failed: 'grant_busy' };
  // Where somebody has changed what says how it ends, it does not open: it is not let go as if there were nothing to end.
  if (!ending && outcome === 'nothing') await openCredential(services, row);
  if (!ending && !hasHooks) return outcome;
  const goAlong = provider.webhooks?.endsWithGrant && outcome === 'grant';
  const isRefreshToken = ending?.tokenTypeHint === 'refresh_token' && row.refresh_token !== null;
  const usable = renewed ?? (await usableFor(services, provider, row, { isRefreshToken, outcome }));
  // The provider has said that it is over. What waits for its grant does so no longer.
  if (usable.is === 'over') {
    if (hasHooks && !goAlong) await leaveWebhooks(services, row);
    return overBefore(client, row, outcome === 'waits' ? 'nothing' : outcome);
  }
  const credential = usable.is === 'token' ? usable.token : undefined;
  const access: Access = {
    credential: await presented(services, row, isRefreshToken, credential),
    config: row.config,
    client,
    pinned: row.account_id ?? undefined,
  };
  if (hasHooks && !goAlong && !(await unregister(services, provider, row, access))) {
    return { failed: 'webhooks_not_removed' };
  }
  if (isBusy) return { failed: 'grant_busy' };
  if (
    outcome === 'grant' &&
    !goAlong &&
    !(await unregisterBeside(services, provider, row, { access, until: begun + HOOKS_BESIDE_MS }))
  ) {
    return { failed: 'webhooks_not_removed' };
  }
  if (!ending) return outcome;
  // Whoever signs in once the hold on the grant is over must not lose it by this.
  if (outcome === 'grant' && Date.now() - begun >= ENDING_MS) return { failed: 'hold_ends' };
  let word = await ask(services, provider, ending, access);
  if (word === 'before' && ending.byApp) word = await ask(services, provider, ending.byApp, access);
  if (typeof word === 'object') return word;
  // Of one token alone its word on what had ended before will do: asking with tokens that are refused, time and again,
  // would have GitHub refuse the good ones for a while.
  const isAsked =
    credential !== undefined && (word === 'ended' || (outcome === 'grant' && !saysNothing(client, row)));
  if (isAsked && (await stillWorks(services, provider, { credential, config: row.config, client }))) {
    return { failed: 'still_alive' };
  }
  // Of a key's token that is being renewed another is about to come, which is ended for itself.
  if (row.is_renewing && hasOwnToken(provider)) return { failed: 'renewing' };
  return word === 'before' ? overBefore(client, row, outcome) : outcome;
}

/**
 * Takes away the hooks of those that end with the grant of these: they cannot do it any more then. Whether nothing of
 * them is left.
 */
async function unregisterBeside(
  services: Services,
  provider: Provider,
  row: RevocationRow,
  { access, until }: { access: Access; until: number },
): Promise<boolean> {
  let isDone = true;
  for (const each of row.beside) {
    if (!mayStand(provider, each.registered)) continue;
    // What is left is done by the next attempt: this one must not outlast its hold on the grant.
    if (Date.now() >= until) return false;
    isDone = (await unregister(services, provider, { ...each, isBeside: true }, access)) && isDone;
  }
  return isDone;
}

/** Asks the provider to end what a token is of: it has, or it had ended before, or that has come to nothing. */
async function ask(
  services: Services,
  provider: Provider,
  ending: RevocationRequest,
  access: Access,
): Promise<'ended' | 'before' | { failed: string }> {
  const answer = await send(ending.request(access), outletOf(provider, access.config, services.meter));
  if (!ending.ended(answer)) return { failed: `status_${answer.status}` };
  return (ending.endedBefore?.(answer) ?? answer.status >= 300) ? 'before' : 'ended';
}

/** What it means that the provider takes a token for one that had ended before. */
function overBefore(client: OAuthClient, row: RevocationRow, outcome: Outcome): Outcome {
  if (row.is_renewing) return { failed: 'renewing' };
  if (saysNothing(client, row)) {
    notDiscarded(row.provider, row.connection_id);
    return 'nothing';
  }
  return outcome === 'grant' ? 'gone' : outcome;
}

/** A later token may live, which nobody has; and of another client's the provider says no more to this one. */
function saysNothing(client: OAuthClient, { unheard_since, client_id }: RevocationRow): boolean {
  return unheard_since !== null || (client_id !== null && client_id !== client.id);
}

/** What webhooks are taken away with, and whether it works still is asked with. */
async function usableFor(
  services: Services,
  provider: Provider,
  row: RevocationRow,
  { isRefreshToken, outcome }: { isRefreshToken: boolean; outcome: Outcome },
): Promise<Usable> {
  // Renewing would take it from whoever holds the same.
  if (outcome === 'held') return { is: 'token', token: await openCredential(services, row) };
  return isRefreshToken && hasExpired(row) ? { is: 'none' } : accessToken(services, provider, row);
}

/** What the provider is asked to end: one that has ended, where there is no other to be had, has it say so. */
async function presented(
  services: Services,
  row: RevocationRow,
  isRefreshToken: boolean,
  credential: string | undefined,
): Promise<string> {
  if (isRefreshToken) return openCredential(services, row, 'refresh_token');
  return credential ?? openCredential(services, row);
}

/** How tokens end, by who lives on their grant; `outcome` is what has come of it once that is done. */
function choose(
  provider: Provider,
  row: RevocationRow,
): { ending: RevocationRequest | undefined; outcome: Exclude<Ended, 'pending'> } {
  const { revocation } = provider;
  if (!('grant' in revocation) || !canBeEnded(provider, row.config)) {
    return { ending: undefined, outcome: 'nothing' };
  }
  if (row.grant_id === null) return { ending: revocation.token, outcome: 'token' };
  if (!row.others) return { ending: revocation.grant, outcome: 'grant' };
  if (row.twins) return { ending: undefined, outcome: 'held' };
  const mayBeHeld = row.unsure !== 0 && !hasOwnToken(provider);
  if (revocation.token && !mayBeHeld) return { ending: revocation.token, outcome: 'token' };
  // One that ends by itself need not be waited for any longer than that.
  const isOver = row.refresh_token === null && hasExpired(row);
  return { ending: undefined, outcome: isOver ? 'nothing' : 'waits' };
}

/**
 * An access token that the provider takes, renewed where it has ended and can be. An expired one is refused, which says
 * nothing of the grant that a person gave; one that was made from a key has ended by itself.
 */
async function accessToken(services: Services, provider: Provider, row: RevocationRow): Promise<Usable> {
  if (!hasExpired(row)) return { is: 'token', token: await openCredential(services, row) };
  return provider.auth.type === 'oauth' ? renewForRevocation(services, provider, row) : { is: 'none' };
}

function hasExpired({ expires_at, refresh_token }: RevocationRow): boolean {
  return expires_at !== null && expires_at.getTime() - (refresh_token ? CLOCK_MS : 0) <= Date.now();
}

/**
 * Whether the provider goes on taking a token that it has just said to have ended. One that may not do what was asked is
 * taken; what else comes tells nothing, and its word stands.
 */
async function stillWorks(services: Services, provider: Provider, access: Access): Promise<boolean> {
  try {
    await verify(provider, access, services.meter);
    return true;
  } catch (error) {
    if (error instanceof Problem) return error.code === 'insufficient_scope';
    throw error;
  }
}
