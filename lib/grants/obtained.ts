import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Provider, Tokens } from '../../providers/provider.ts';
import { clientIdOf } from '../catalog.ts';
import type { SealingKey } from '../connections/sealing-key.ts';
import { type Binding, seal } from '../envelope.ts';
import { Problem, unavailable } from '../problem.ts';
import { sendJoined } from '../queue.ts';
import type { Services } from '../services.ts';
import { endTokens } from './end.ts';
import { credentialId, grantOfToken } from './identity.ts';
import type { Obtained } from './obtained-message.ts';
import { changesOthers } from './revocable.ts';
import { claimRevocation, type Known, notDiscarded } from './revocation.ts';

/** Longer than a sign-in goes on after its tokens have come: then nobody is about to keep them any more. */
export const KEPT_WITHIN_SECONDS = 120;
const PAUSE_MS = 50;
/** Each who comes first with a tenant's first key leaves the others one more try. */
const ATTEMPTS = 10;

/** Seals tokens as they are to stand in `revocations`; `binding` is of the connection that may keep them. */
export async function sealObtained(
  services: Services,
  provider: Provider,
  tokens: Tokens,
  {
    key,
    binding,
    now,
    grantId,
  }: {
    key: SealingKey;
    binding: Omit<Binding, 'field'>;
    /** Milliseconds since 1970, by PostgreSQL's clock. */
    now: number;
    /** Of what was made from a key; of a sign-in the tokens tell. */
    grantId?: string;
  },
): Promise<Obtained> {
  const { accessToken, refreshToken, account, expiresIn } = tokens;
  const sealed = (secret: string, field: Binding['field']) =>
    seal(secret, key.key, key.id, { ...binding, field });
  return {
    kind: 'obtained',
    id: uuidv7(),
    connection_id: binding.connectionId,
    user_id: binding.userId,
    brand_id: binding.brandId,
    tenant_id: binding.tenantId,
    provider: provider.id,
    account_id: account ?? null,
    grant_id: grantId ?? (await grantOfToken(services, provider, { accessToken, account })) ?? null,
    credential_id: await credentialId(services, provider.id, accessToken),
    client_id: clientIdOf(services.env, provider),
    config: { ...binding.config },
    version: binding.version,
    credential: await sealed(accessToken, 'credential'),
    refresh_token: refreshToken === undefined ? null : await sealed(refreshToken, 'refresh_token'),
    expires_at: expiresIn === undefined ? null : new Date(now + expiresIn * 1000),
    data_key_id: key.id,
    data_key: key.row ? { kms_key_id: key.row.kmsKeyId, wrapped: key.row.wrapped } : null,
  };
}

/**
 * Writes the row of obtained tokens: one statement. Doing it twice adds nothing. Where the data key that opens them is
 * destroyed that is told loudly. Throws `unavailable` where PostgreSQL does not take it.
 */
export async function writeObtained(
  { postgres }: Services,
  token: Obtained,
  withinSeconds = KEPT_WITHIN_SECONDS,
): Promise<void> {
  const key = token.data_key;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const [written] = await postgres.rows(sql`
      with new_key as (
        -- A generation of its own: another first key may stand by now.
        insert into data_keys (id, tenant_id, generation, kms_key_id, wrapped)
        select ${token.data_key_id}::uuid, ${token.tenant_id}::uuid,
          (select coalesce(max(generation), 0) + 1 from data_keys where tenant_id = ${token.tenant_id}::uuid),
          ${key?.kms_key_id ?? null}, ${key?.wrapped ?? null}::bytea
        where ${key !== null}
        on conflict do nothing returning id
      ),
      written as (
        insert into revocations (
          id, connection_id, user_id, brand_id, tenant_id, provider, account_id, grant_id, credential_id, client_id,
          config, version, data_key_id, credential, refresh_token, expires_at, next_attempt_at, give_up_at, registered
        )
        select ${token.id}::uuid, ${token.connection_id}::uuid, ${token.user_id}::uuid, ${token.brand_id}::uuid,
          ${token.tenant_id}::uuid, ${token.provider}, ${token.account_id}, ${token.grant_id}, ${token.credential_id},
          ${token.client_id},
          ${JSON.stringify(token.config)}::jsonb, ${token.version}::integer, ${token.data_key_id}::uuid,
          ${token.credential}::bytea, ${token.refresh_token}::bytea, ${token.expires_at}::timestamptz,
          now() + make_interval(secs => ${withinSeconds}), now() + interval '24 hours', '[]'
        where exists (select from new_key) or exists (select from data_keys where id = ${token.data_key_id}::uuid)
        on conflict (id) do nothing returning id
      )
      select id from written union all select id from revocations where id = ${token.id}::uuid`);
    if (written) return;
    if (!key) return notDiscarded(token.provider, token.connection_id);
    // Another key of the tenant came between.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS));
  }
  throw unavailable('the tenant’s first data keys are in each other’s way');
}

/**
 * Keeps obtained tokens in a durable place before anything else is done with them: their row, and where PostgreSQL does
 * not take that the queue, `send` being what sends there. Throws `unavailable` where it is not the row.
 */
export async function park(
  services: Services,
  token: Obtained,
  send: (services: Services, token: Obtained) => Promise<void>,
  withinSeconds?: number,
): Promise<void> {
  try {
    await writeObtained(services, token, withinSeconds);
  } catch (error) {
    await send(services, token).catch(() => notDiscarded(token.provider, token.connection_id));
    throw error;
  }
}

/**
 * Ends obtained tokens that no connection keeps, as far as that is known now: what cannot be decided, or does not
 * work, is left in their row. Others on the grant hear of them where they have changed theirs all the same.
 */
export async function letGo(
  services: Services,
  provider: Provider,
  id: string,
  known?: Known,
): Promise<void> {
  try {
    const row = await claimRevocation(services, id, { isFresh: true, ...(known && { known }) });
    if (!row) return;
    const grantId = row.grant_id;
    const ended = await endTokens(services, row);
    if (ended === 'grant' || ended === 'gone' || grantId === null || !changesOthers(provider)) return;
    await sendJoined(services, { provider: provider.id, grant_id: grantId, id: null });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // PostgreSQL is silent; the cron finds the row.
  }
}
