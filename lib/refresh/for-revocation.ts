import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Provider, Tokens } from '../../providers/provider.ts';
import { bindingOf, openCredential, openKey } from '../connections/sealed.ts';
import { PostgresUnavailable } from '../database.ts';
import { seal } from '../envelope.ts';
import { credentialId } from '../grants/identity.ts';
import { notDiscarded, type RevocationRow } from '../grants/revocation.ts';
import { Problem } from '../problem.ts';
import { sendObtained } from '../queue.ts';
import type { Services } from '../services.ts';
import { askForTokens, mayBeUnheard, type Outcome } from './outcome.ts';
import { expiryOf } from './schedule.ts';
import { isStrict, REFRESH_UNHEARD } from './unheard.ts';

/** What there is to end a grant with: a token, or none; `over` where the provider says that the grant has ended already. */
export type Usable = { is: 'token'; token: string } | { is: 'over' } | { is: 'none' };

/**
 * Another access token for a grant that is to be ended and whose own has expired. It is sealed into the
 * revocation's row before it is used, so that a rotated token is not lost with an attempt that fails.
 */
export async function renewForRevocation(
  services: Services,
  provider: Provider,
  row: RevocationRow,
): Promise<Usable> {
  if (!row.refresh_token) return { is: 'none' };
  const key = await openKey(services, row);
  const token = await openCredential(services, row, 'refresh_token');
  const outcome = await askForTokens(services, provider, { token, config: row.config, now: Date.now() });
  if (outcome.outcome === 'dead') return { is: 'over' };
  const tokens = broughtBy(provider, outcome);
  const credential = await seal(tokens.accessToken, key.key, key.id, bindingOf(row, 'credential'));
  const refreshToken = await seal(
    tokens.refreshToken ?? token,
    key.key,
    key.id,
    bindingOf(row, 'refresh_token'),
  );
  const tokenId = await credentialId(services, provider.id, tokens.accessToken);
  const expiresAt = expiryOf(tokens, true, Date.now()) ?? null;
  try {
    await services.postgres.rows(sql`
      update revocations set data_key_id = ${key.id}::uuid, credential_id = ${tokenId}, credential = ${credential}::bytea,
        refresh_token = ${refreshToken}::bytea, expires_at = ${expiresAt}::timestamptz, last_error_code = null, unheard_since = null
      where id = ${row.id}::uuid`);
  } catch (error) {
    if (!(error instanceof PostgresUnavailable)) throw error;
    // The row's own refresh token may be worth nothing any more: these go the way of what is obtained and not kept.
    await sendObtained(services, {
      kind: 'obtained',
      id: uuidv7(),
      connection_id: row.connection_id,
      user_id: row.user_id,
      brand_id: row.brand_id,
      tenant_id: row.tenant_id,
      provider: row.provider,
      account_id: row.account_id,
      grant_id: row.grant_id,
      credential_id: tokenId,
      client_id: row.client_id,
      config: row.config,
      version: row.version,
      credential,
      refresh_token: refreshToken,
      expires_at: expiresAt,
      data_key_id: key.id,
      data_key: null,
    }).catch(() => notDiscarded(provider.id, row.connection_id));
  }
  return { is: 'token', token: tokens.accessToken };
}

/** What came of asking, be it with an answer of another form: that must be ended all the same. */
function broughtBy(provider: Provider, outcome: Exclude<Outcome, { outcome: 'dead' }>): Tokens {
  if (outcome.outcome === 'renewed') return outcome.tokens;
  if (outcome.outcome === 'unreadable' && outcome.brought) return outcome.brought;
  throw new Problem('provider_error', 'The grant could not be renewed.', {
    reason: isStrict(provider) && mayBeUnheard(outcome) ? REFRESH_UNHEARD : `refresh_${outcome.outcome}`,
  });
}
