import { type RawBuilder, sql } from 'kysely';
import type { Access, Provider, Registered, Webhooks } from '../../providers/provider.ts';
import { isOwned } from '../connections/living.ts';
import { resultOf } from '../dialogue.ts';
import { OutboundError, outletOf } from '../outbound.ts';
import type { Services } from '../services.ts';
import { webhookUrl } from './url.ts';

/** SQL: whether something may stand at the provider by a row `w` of `webhooks`. */
export function mayBeRegistered(): RawBuilder<boolean> {
  return sql<boolean>`(w.registered <> '[]' or w.status = 'failed' or w.lease_id is not null)`;
}

/** SQL: whether the webhooks of a connection `c` are in use: it has not ended, and its owner is there. */
const isInUse = sql`c.status <> 'disconnected' and ${isOwned('c')}`;

/** Whose webhooks are to go: a connection's that has ended or has lost its owner, or those of the account before, where it goes on. */
interface Ended {
  /** Of the row in `revocations` that ends them. */
  id: string;
  connection_id: string;
  /** Null where the connection is over, and its row in `webhooks` tells. */
  registered: Registered[] | null;
  /** It is asked for by another's end; what that cannot take away, its own still may. */
  isBeside?: boolean;
}

interface Row {
  registered: Registered[];
  status: string;
  is_live: boolean;
  /** It is being registered anew, or about to be. */
  is_busy: boolean;
  /** Somebody is at it who had begun before its owner went. */
  is_leased: boolean;
  /** The grant itself is soon given up. */
  is_late: boolean;
}

/** What is left by then no longer keeps the grant from being ended, which is tried each hour. */
const LATE = sql`interval '3 hours'`;

/**
 * Whether something that `register` has made may stand there, as far as the row in `revocations` tells: what has no
 * hooks of its own, or was only just obtained, has made none.
 */
export function mayStand({ webhooks }: Provider, registered: readonly Registered[] | null): boolean {
  if (!webhooks?.unregister) return false;
  return registered === null || registered.length > 0 || isUnknown(webhooks);
}

/** Whether what was made can be there without anybody knowing of it. */
function isUnknown({ choices, clientSecrets }: Webhooks): boolean {
  return !choices && !clientSecrets;
}

/**
 * Takes away what was registered, with a credential that still works. True once nothing is left, or nobody here can take
 * away what is: that is said loudly.
 */
export async function unregister(
  services: Services,
  provider: Provider,
  ended: Ended,
  access: Access,
): Promise<boolean> {
  const removal = await remove(services, provider, ended, access);
  if (removal === 'out_of_reach' && !ended.isBeside) webhooksLeft(provider.id, ended.connection_id);
  return removal !== 'kept';
}

async function remove(
  services: Services,
  provider: Provider,
  ended: Ended,
  access: Access,
): Promise<'gone' | 'out_of_reach' | 'kept'> {
  const { webhooks } = provider;
  if (!webhooks?.unregister) return 'gone';
  const [row] = await services.postgres.rows(sql<Row>`
    select w.registered, w.status, l.is_live, l.is_live and (w.lease_id is not null or w.check_at <= now()) as is_busy,
      w.lease_id is not null and w.check_at > now() and exists (
        select from connections c where c.id = w.connection_id and c.status <> 'disconnected'
      ) as is_leased,
      exists (select from revocations r where r.id = ${ended.id}::uuid and r.give_up_at <= now() + ${LATE}) as is_late
    from webhooks w cross join lateral (
      select exists (
        select from connections c where c.id = w.connection_id and ${isInUse}
      ) as is_live
    ) l
    where w.connection_id = ${ended.connection_id}::uuid`);
  const notNow = row?.is_late === true ? 'out_of_reach' : 'kept';
  // What is in use is not this one's to take away.
  if (!ended.registered && row?.is_live) return 'gone';
  if (!ended.registered && row?.is_leased) return notNow;
  const all = ended.registered ?? row?.registered ?? [];
  // What has failed, or was under way, may have been made all the same.
  const hasUnknown = ended.registered ? all.length === 0 : row?.status === 'failed';
  const isUnclear = hasUnknown && isUnknown(webhooks);
  if (all.length === 0 && !isUnclear) return 'gone';
  // What stands now may yet turn out to be what stood before.
  if (ended.registered && row?.is_busy) return notNow;
  const kept = ended.registered && row ? row.registered : [];
  const registered = all.filter(({ id }) => id === '' || !kept.some((each) => each.id === id));
  const isPartlyKept = registered.length < all.length || isUnclear;
  if (ended.registered && isPartlyKept && row?.is_live && row.status === 'failed') return notNow;
  if (registered.length === 0 && !isUnclear) return 'gone';
  const url = webhookUrl(services, provider, ended.connection_id);
  const outlet = outletOf(provider, access.config, services.meter);
  const result = await resultOf(webhooks.unregister(access, { registered, url, kept }), outlet).catch(
    (error: unknown) => {
      if (notNow === 'out_of_reach' && error instanceof OutboundError) return false;
      throw error;
    },
  );
  if (typeof result === 'object') await keepLeft(services, ended, result.left);
  if (result === false || typeof result === 'object') return notNow;
  const removal = result === true ? 'gone' : result;
  if (removal === 'out_of_reach' && ended.isBeside) return removal;
  if (ended.registered) {
    // Where something may stand without our knowing, an empty list would say so.
    if (removal === 'out_of_reach' || !isUnknown(webhooks)) await keepLeft(services, ended, []);
    return removal;
  }
  await services.postgres.rows(sql`
    update webhooks set registered = '[]', status = 'none', error = null, secret = null, data_key_id = null,
      updated_at = now()
    where connection_id = ${ended.connection_id}::uuid and not exists (
      select from connections c where c.id = ${ended.connection_id}::uuid and ${isInUse}
    )`);
  return removal;
}

/** Gives up what the credential of `ended`, which is over, cannot take away any more: loudly, where anything may stand. */
export async function leaveWebhooks(services: Services, ended: Ended & { provider: string }): Promise<void> {
  if (ended.registered) return webhooksLeft(ended.provider, ended.connection_id);
  const standing = await services.postgres.rows(sql`
    select from webhooks w where w.connection_id = ${ended.connection_id}::uuid and ${mayBeRegistered()}
      and not exists (select from connections c where c.id = w.connection_id and ${isInUse})`);
  if (standing.length > 0) webhooksLeft(ended.provider, ended.connection_id);
}

/** The loud line of webhooks that stand at the provider, tell nobody, and that nobody here can take away. */
function webhooksLeft(provider: string, connectionId: string): void {
  console.error(
    JSON.stringify({
      level: 'error',
      event: 'webhooks_left',
      provider_id: provider,
      connection_id: connectionId,
    }),
  );
}

/** The next attempt need not ask for what is gone. */
async function keepLeft({ postgres }: Services, ended: Ended, left: readonly Registered[]): Promise<void> {
  const registered = JSON.stringify(left);
  await postgres.rows(
    ended.registered
      ? sql`update revocations set registered = ${registered}::jsonb where id = ${ended.id}::uuid`
      : sql`
        update webhooks set registered = ${registered}::jsonb
        where connection_id = ${ended.connection_id}::uuid and not exists (
          select from connections c where c.id = ${ended.connection_id}::uuid and ${isInUse}
        )`,
  );
}
