import { sql } from 'kysely';
import type { Access, Provider, Registered } from '../../providers/provider.ts';
import { hold } from '../dialogue.ts';
import type { Services } from '../services.ts';
import { webhookUrl } from './url.ts';

/** Takes away what was registered, with a credential that still works. True once nothing is left. */
export async function unregister(
  services: Services,
  provider: Provider,
  connectionId: string,
  access: Access,
): Promise<boolean> {
  const { webhooks } = provider;
  if (!webhooks) return true;
  const [row] = await services.postgres.rows(
    sql<{
      registered: Registered[];
      status: string;
    }>`select registered, status from webhooks where connection_id = ${connectionId}::uuid`,
  );
  // What has failed may have been made all the same.
  const isUnclear = row?.status === 'failed' && !webhooks.choices && !webhooks.clientSecrets;
  if (!row || (row.registered.length === 0 && !isUnclear)) return true;
  const url = webhookUrl(services, provider, connectionId);
  const { result: isGone } = await hold(webhooks.unregister(access, row.registered, url), services.meter);
  if (!isGone) return false;
  await services.postgres.rows(sql`
    update webhooks set registered = '[]', status = 'none', error = null, secret = null, data_key_id = null,
      updated_at = now()
    where connection_id = ${connectionId}::uuid`);
  return true;
}
