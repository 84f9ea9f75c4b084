import { sql } from 'kysely';
import type { Told } from '../../providers/provider.ts';
import { findProvider } from '../catalog.ts';
import { retestById } from '../connections/retest.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { dueAtOnce } from '../webhooks/due.ts';
import { type Forgetting, forgetAccount, forgetCustomer } from './forget.ts';

/** What an event says of its connection itself. */
export interface Meant extends Forgetting {
  meaning: Told['meaning'] | null;
}

/**
 * Does what an event means for its connection. Nothing that ends anything is taken from a delivery alone: the provider
 * is asked. Doing it twice adds nothing. False where there is more of it to be done; throws where it must be tried again.
 */
export async function act(services: Services, event: Meant): Promise<boolean> {
  switch (event.meaning) {
    case 'ended':
    case 'changed':
      await confirm(services, event);
      return true;
    case 'forget_customer':
      return forgetCustomer(services, event);
    case 'forget_account':
      return forgetAccount(services, event);
    case 'customer_asks':
      await passOn(services, event);
      return true;
    case null:
    case undefined:
      return true;
  }
}

async function confirm(services: Services, event: Meant): Promise<void> {
  const provider = findProvider(services.env, event.provider);
  if (!provider) return;
  try {
    await retestById(services, provider, event.connection_id);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code !== 'not_connected') throw error;
  }
  // What it is told of may be different, too.
  await services.postgres.rows(sql`
    update webhooks set ${dueAtOnce} where connection_id = ${event.connection_id}::uuid`);
}

/** A person answers those; the operator finds the request in the audit log, and its payload in the event. */
async function passOn({ postgres }: Services, event: Meant): Promise<void> {
  await postgres.rows(sql`
    insert into audit_log (id, tenant_id, user_id, brand_id, connection_id, provider, action)
    select ${event.id}::uuid, ${event.tenant_id}::uuid, ${event.user_id}::uuid, ${event.brand_id}::uuid,
      ${event.connection_id}::uuid, ${event.provider}, 'customer_data_requested'
    on conflict do nothing`);
  const about = { provider_id: event.provider, connection_id: event.connection_id };
  console.error(JSON.stringify({ level: 'error', event: 'customer_data_requested', ...about }));
}
