import { sql } from 'kysely';
import type { Provider, Tokens } from '../../providers/provider.ts';
import { openCredential, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Claimed } from './claim.ts';

/**
 * The tokens of another living connection on the same grant, where the provider keeps one pair a grant: whoever
 * signed in last has taken ours away, and theirs serve both. Undefined where there is none.
 */
export async function adoptFromSibling(
  services: Services,
  { id, auth }: Provider,
  row: Claimed,
): Promise<{ tokens: Tokens } | undefined> {
  if (auth.type !== 'oauth' || !auth.refresh?.onePairPerGrant) return undefined;
  const [sibling] = await services.postgres.rows(sql<SealedRow & { expires_at: Date | null }>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.credential,
      c.refresh_token, c.expires_at, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id
    where c.provider = ${id} and c.grant_id = ${row.grant_id} and c.status = 'connected'
      and c.id <> ${row.connection_id}::uuid and c.refresh_token is not null
    order by greatest(c.connected_at, c.last_refreshed_at) desc limit 1`);
  if (!sibling) return undefined;
  try {
    const accessToken = await openCredential(services, sibling);
    const refreshToken = await openCredential(services, sibling, 'refresh_token');
    const own = await openCredential(services, row, 'refresh_token');
    if (own === refreshToken) return undefined;
    const left = sibling.expires_at === null ? 3_600 : (sibling.expires_at.getTime() - Date.now()) / 1000;
    return { tokens: { accessToken, refreshToken, expiresIn: Math.max(1, Math.floor(left)) } };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
