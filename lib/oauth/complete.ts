import { v7 as uuidv7 } from 'uuid';
import type { OAuth2, OAuthClient, Provider, Tokens } from '../../providers/provider.ts';
import { keep, nextBinding } from '../connections/keep.ts';
import type { ConnectionRow } from '../connections/row.ts';
import { missingScopes } from '../connections/scopes.ts';
import { type SealingKey, sealingKey } from '../connections/sealing-key.ts';
import type { Snapshot } from '../connections/snapshot.ts';
import { type Verified, verify } from '../connections/verify.ts';
import { PostgresUnavailable } from '../database.ts';
import { databaseNow } from '../database-clock.ts';
import { grantOfToken } from '../grants/identity.ts';
import { letGo, park, sealObtained } from '../grants/obtained.ts';
import { notDiscarded, notHeard } from '../grants/revocation.ts';
import { Problem } from '../problem.ts';
import { sendObtained } from '../queue.ts';
import { dueAt, expiryOf } from '../refresh/schedule.ts';
import { markUnheard } from '../refresh/unheard.ts';
import type { Services } from '../services.ts';
import { withWebhooks } from '../webhooks/registration.ts';
import { redirectUri } from './redirect-uri.ts';
import { codeVerifier, type Flow } from './state.ts';
import { requestTokens, TokenProblem } from './token-request.ts';

interface Registered {
  provider: Provider;
  auth: OAuth2;
  client: OAuthClient;
}

/**
 * Finishes a claimed flow: the data key first, so that no call to KMS stands between the tokens and their sealing; then
 * the code for tokens, which wait sealed in `revocations` from then on; one question whose they are; and the row, which
 * takes them out of there. Tokens that are not kept are ended at the provider as far as nobody lives on their grant,
 * before the problem is thrown where that is known by then, else by the cron.
 */
export async function complete(
  services: Services,
  registered: Registered,
  { state, code, flow, snapshot }: { state: string; code: string; flow: Flow; snapshot: Snapshot },
): Promise<ConnectionRow> {
  const { provider, auth, client } = registered;
  const key = await sealingKey(services, snapshot);
  const hold = (tokens: Tokens) => parkTokens(services, registered, tokens, { flow, snapshot, key });
  const exchange = auth.exchange({
    client,
    code,
    codeVerifier: auth.pkce ? await codeVerifier(services, state) : undefined,
    redirectUri: redirectUri(services.config, provider.id),
    config: flow.config,
  });
  let tokens: Tokens;
  try {
    tokens = await requestTokens(provider, flow.config, exchange, auth, services.meter);
  } catch (error) {
    if (error instanceof TokenProblem && error.isUnheard) await tellUnheard(services, registered, flow);
    if (error instanceof TokenProblem && error.brought) {
      await hold(error.brought).then(
        (parked) => letGo(services, provider, parked),
        // It has been sent to the queue.
        () => undefined,
      );
    }
    throw error;
  }

  const parked = await hold(tokens);
  let verified: Verified | undefined;
  let row: ConnectionRow;
  try {
    const access = { credential: tokens.accessToken, config: flow.config, client };
    verified = await verify(provider, { ...access, pinned: snapshot.existing?.accountId }, services.meter);
    const grantId = await grantOfToken(services, provider, {
      accessToken: tokens.accessToken,
      account: verified.account.id,
    });
    // With the account its grant is known.
    if (grantId === undefined) throw new Error('a grant without an identity');
    ({ row } = await keep(
      services,
      flow,
      provider,
      {
        ...keepable(provider, auth, flow, tokens, verified, databaseNow(snapshot.taken)),
        grantId,
        grantedAt: snapshot.taken.at,
      },
      // The key is stored with what waits.
      { snapshot, key: { id: key.id, key: key.key, base: key.base }, replace: flow.replace, parked },
    ));
  } catch (error) {
    // Where PostgreSQL does not say whether the row stands, the tokens wait in theirs if it does not.
    const isUnknown = error instanceof PostgresUnavailable && error.isUnknown;
    if (!isUnknown)
      await letGo(services, provider, parked, await known(services, provider, tokens, verified));
    throw error;
  }
  return withWebhooks(services, provider, row);
}

/**
 * An exchange has had no answer: tokens that it may have brought are nobody's. Where that takes others' on the grant away,
 * the provider's word that theirs are over says nothing of the grant from then on.
 */
async function tellUnheard(
  services: Services,
  { provider, auth, client }: Registered,
  { config }: Flow,
): Promise<void> {
  notHeard(provider.id, undefined);
  const { anotherSignIn, account } = auth.grant;
  if (anotherSignIn !== 'replaces' || !account) return;
  await markUnheard(services, { provider: provider.id, grantId: account(config), clientId: client.id }).catch(
    (error: unknown) => {
      if (!(error instanceof Problem)) throw error;
    },
  );
}

async function parkTokens(
  services: Services,
  { provider }: Registered,
  tokens: Tokens,
  { flow, snapshot, key }: { flow: Flow; snapshot: Snapshot; key: SealingKey },
): Promise<string> {
  const sealed = await sealObtained(services, provider, tokens, {
    key,
    binding: nextBinding(snapshot, provider, { newId: uuidv7(), config: flow.config }),
    now: databaseNow(snapshot.taken),
  }).catch((error: unknown) => {
    notDiscarded(provider.id, undefined);
    throw error;
  });
  await park(services, sealed, sendObtained);
  return sealed.id;
}

async function known(
  services: Services,
  provider: Provider,
  { accessToken, account: told }: Tokens,
  verified: Verified | undefined,
) {
  const account = verified?.account.id ?? told;
  const grantId = await grantOfToken(services, provider, { accessToken, account });
  return { grantId, accountId: account };
}

function keepable(
  provider: Provider,
  auth: OAuth2,
  flow: Flow,
  tokens: Tokens,
  verified: Verified,
  now: number,
) {
  const scopes = verified.scopes ?? tokens.scopes;
  // With each refresh token that comes in an old one's place, the end of both moves on.
  const last = auth.refresh?.reuse === 'always' ? after(now, tokens.refreshTokenExpiresIn) : undefined;
  const isRenewable = auth.refresh !== undefined && tokens.refreshToken !== undefined;
  const expiresAt = expiryOf(tokens, isRenewable, now);
  const only = isRenewable ? undefined : expiresAt;
  return {
    ...verified,
    scopes,
    missing: missingScopes(provider, { scopes, missing: verified.missing }),
    credential: tokens.accessToken,
    refreshToken: tokens.refreshToken,
    expiresAt,
    refreshAt:
      expiresAt && (isRenewable || auth.refresh?.everySeconds !== undefined)
        ? dueAt({ expiresAt, everySeconds: auth.refresh?.everySeconds }, now, Math.random())
        : undefined,
    refreshTokenExpiresAt: after(now, tokens.refreshTokenExpiresIn),
    endsAt: verified.endsAt ?? last ?? only,
    config: flow.config,
  };
}

function after(now: number, seconds: number | undefined): Date | undefined {
  return seconds === undefined ? undefined : new Date(now + seconds * 1000);
}
