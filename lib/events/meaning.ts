import { sql } from 'kysely';
import type { Told } from '../../providers/provider.ts';
import { findProvider } from '../catalog.ts';
import { retestById } from '../connections/retest.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';

/** What an event says of its connection itself. */
export interface Meant {
  connection_id: string;
  tenant_id: string;
  user_id: string;
  brand_id: string | null;
  account_id: string;
  provider: string;
  occurred_at: Date;
  data: string;
  meaning: Told['meaning'] | null;
}

/**
 * Does what an event means for its connection. Nothing that ends anything is taken from a delivery alone: the provider
 * is asked. Doing it twice adds nothing. Throws where it must be tried again.
 */
export async function act(services: Services, event: Meant): Promise<void> {
  switch (event.meaning) {
    case 'ended':
    case 'changed':
      return confirm(services, event);
    case 'forget_customer':
      return forgetCustomer(services, event);
    case 'forget_account':
      return forgetAccount(services, event);
    case 'customer_asks':
      return passOn(services, event);
    case null:
    case undefined:
      return;
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
    update webhooks set check_at = least(check_at, now()) where connection_id = ${event.connection_id}::uuid`);
}

/** https://shopify.dev/docs/apps/build/privacy-law-compliance: what is kept of a customer is in payloads. */
async function forgetCustomer({ postgres }: Services, event: Meant): Promise<void> {
  const patterns = marksOf(event.data).map((mark) => {
    const literal = mark.replaceAll(/[^\w\s]/g, '\\$&');
    return `(^|[^\\w.@+-])${literal}($|[^\\w.@+-])`;
  });
  await postgres.rows(sql`
    with forgotten as (
      update events set data = ${REDACTED}
      where ${isOfAccount(event)} and (data ~ any (${patterns}::text[]) or subject like any (${subjectsOf(event.data)}::text[]))
      returning 1
    )
    ${audit(event, 'customer_redacted')}`);
}

async function forgetAccount({ postgres }: Services, event: Meant): Promise<void> {
  await postgres.rows(sql`
    with forgotten as (
      update events set data = ${REDACTED}
      where ${isOfAccount(event)}
      returning 1
    )
    ${audit(event, 'account_redacted')}`);
}

const REDACTED = '{"redacted":true}';

function isOfAccount({ connection_id, account_id }: Meant) {
  return sql`connection_id = ${connection_id}::uuid and account_id = ${account_id} and topic is not null`;
}

function audit(
  event: Meant,
  action: string,
  detail = sql`jsonb_build_object('events', (select count(*) from forgotten))`,
) {
  return sql`
    insert into audit_log (tenant_id, user_id, brand_id, connection_id, provider, action, detail)
    select ${event.tenant_id}::uuid, ${event.user_id}::uuid, ${event.brand_id}::uuid, ${event.connection_id}::uuid,
      ${event.provider}, ${action}, ${detail}`;
}

/** Numbers are taken as they are written: JSON.parse would change a long one. */
function parseExact(data: string): unknown {
  return JSON.parse(data, (_, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? context?.source : value,
  );
}

/** Orders that are to be forgotten with somebody: their subjects end with their numbers. */
function subjectsOf(data: string): string[] {
  const { orders_to_redact: ids } = parseExact(data) as { orders_to_redact?: unknown };
  return Array.isArray(ids) ? ids.filter((id) => /^\d+$/.test(String(id))).map((id) => `%/${id}`) : [];
}

/** By what a payload names a customer. */
function marksOf(data: string): string[] {
  const { customer } = parseExact(data) as { customer?: { id?: unknown; email?: unknown; phone?: unknown } };
  return [customer?.id, customer?.email, customer?.phone].filter(
    (value): value is string => typeof value === 'string' && value.length >= 5,
  );
}

/** A person answers those; the operator finds the request in the audit log, and its payload in the event. */
async function passOn({ postgres }: Services, event: Meant): Promise<void> {
  await postgres.rows(audit(event, 'customer_data_requested', sql`'{}'::jsonb`));
  const about = { provider_id: event.provider, connection_id: event.connection_id };
  console.error(JSON.stringify({ level: 'error', event: 'customer_data_requested', ...about }));
}
