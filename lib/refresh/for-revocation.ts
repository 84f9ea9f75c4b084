import { sql } from 'kysely';
import type { Config, Provider } from '../../providers/provider.ts';
import { openCredential, openKey, type SealedRow } from '../connections/sealed.ts';
import { PostgresUnavailable } from '../database.ts';
import { seal } from '../envelope.ts';
import { credentialId } from '../grants/identity.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { askForTokens } from './outcome.ts';
import { expiryOf } from './schedule.ts';

/** What there is to end a grant with: a token, or none; `over` where the provider says that the grant has ended already. */
export type Usable = { is: 'token'; token: string } | { is: 'over' } | { is: 'none' };

/**
 * Another access token for a grant that is to be ended and whose own has expired. It is sealed into the
 * revocation's row before it is used, so that a rotated token is not lost with an attempt that fails.
 */
export async function renewForRevocation(
  services: Services,
  provider: Provider,
  row: SealedRow & { id: string; config: Config },
): Promise<Usable> {
  if (!row.refresh_token) return { is: 'none' };
  const key = await openKey(services, row);
  const token = await openCredential(services, row, 'refresh_token');
  const outcome = await askForTokens(services, provider, { token, config: row.config, now: Date.now() });
  if (outcome.outcome === 'dead') return { is: 'over' };
  if (outcome.outcome !== 'renewed') {
    throw new Problem('provider_error', 'The grant could not be renewed.', {
      reason: `refresh_${outcome.outcome}`,
    });
  }
  const { tokens } = outcome;
  const binding = {
    tenantId: row.tenant_id,
    brandId: row.brand_id,
    userId: row.user_id,
    connectionId: row.connection_id,
    provider: row.provider,
    version: row.version,
  };
  const credential = await seal(tokens.accessToken, key.key, key.id, { ...binding, field: 'credential' });
  const refreshToken = await seal(tokens.refreshToken ?? token, key.key, key.id, {
    ...binding,
    field: 'refresh_token',
  });
  const write = sql`
    update revocations set data_key_id = ${key.id}::uuid, credential_id = ${await credentialId(services, provider.id, tokens.accessToken)}, credential = ${credential}::bytea,
      refresh_token = ${refreshToken}::bytea, expires_at = ${expiryOf(tokens, true, Date.now()) ?? null}::timestamptz
    where id = ${row.id}::uuid`;
  try {
    await services.postgres.rows(write);
  } catch (error) {
    // What is not written must be used now: the row's own refresh token may be worth nothing any more.
    if (!(error instanceof PostgresUnavailable)) throw error;
  }
  return { is: 'token', token: tokens.accessToken };
}
