import type { OAuth2, OAuthClient, Provider, Tokens } from '../../providers/provider.ts';
import { keep, sealingKey, UnknownOutcome } from '../connections/keep.ts';
import { discardToken } from '../connections/revoke.ts';
import type { ConnectionRow } from '../connections/row.ts';
import { missingScopes } from '../connections/scopes.ts';
import type { Snapshot } from '../connections/snapshot.ts';
import type { Unsettled } from '../connections/unsettled.ts';
import { type Verified, verify } from '../connections/verify.ts';
import { databaseNow } from '../database-clock.ts';
import { sendUnsettled } from '../queue.ts';
import { dueAt, expiryOf } from '../refresh/schedule.ts';
import type { Services } from '../services.ts';
import { withWebhooks } from '../webhooks/registration.ts';
import { redirectUri } from './redirect-uri.ts';
import { codeVerifier, type Flow } from './state.ts';
import { requestTokens } from './token-request.ts';

/**
 * Finishes a claimed flow: the data key first, so that no call to KMS stands between the tokens and their
 * sealing; then the code for tokens, one question whose they are, and the row. Tokens that may not be kept are
 * ended at the provider before the problem is thrown; one whose row may stand is left to the queue.
 */
export async function complete(
  services: Services,
  { provider, auth, client }: { provider: Provider; auth: OAuth2; client: OAuthClient },
  { state, code, flow, snapshot }: { state: string; code: string; flow: Flow; snapshot: Snapshot },
): Promise<ConnectionRow> {
  const key = await sealingKey(services, snapshot);
  const exchange = auth.exchange({
    client,
    code,
    codeVerifier: auth.pkce ? await codeVerifier(services, state) : undefined,
    redirectUri: redirectUri(services.config, provider.id),
    config: flow.config,
  });
  const tokens = await requestTokens(provider, exchange, auth, services.meter);

  const pinned = snapshot.existing?.accountId;
  const access = { credential: tokens.accessToken, config: flow.config, client, pinned };
  let verified: Verified | undefined;
  let row: ConnectionRow;
  try {
    verified = await verify(provider, access, services.meter);
    ({ row } = await keep(
      services,
      flow,
      provider,
      {
        ...keepable(provider, auth, flow, tokens, verified, databaseNow(snapshot.taken)),
        grantedAt: snapshot.taken.at,
      },
      {
        snapshot,
        key,
        replace: flow.replace,
      },
    ));
  } catch (error) {
    if (error instanceof UnknownOutcome) await leaveToTheQueue(services, error.token);
    else {
      const refreshToken = tokens.refreshToken;
      await discardToken(services, provider, { ...access, refreshToken, grantId: verified?.account.id });
    }
    throw error;
  }
  return withWebhooks(services, provider, row);
}

/** Never throws: where the queue is down, too, the log alone knows of the token. */
async function leaveToTheQueue(services: Services, token: Unsettled): Promise<void> {
  try {
    await sendUnsettled(services, token);
  } catch {
    const about = { provider: token.provider, connection_id: token.connection_id };
    console.error(JSON.stringify({ level: 'error', event: 'token_not_settled', ...about }));
  }
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
    grantId: verified.account.id,
  };
}

function after(now: number, seconds: number | undefined): Date | undefined {
  return seconds === undefined ? undefined : new Date(now + seconds * 1000);
}
