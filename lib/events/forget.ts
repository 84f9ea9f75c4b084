import { type RawBuilder, sql } from 'kysely';
import { parseJsonDigits } from '../json-text.ts';
import type { Services } from '../services.ts';

/** An event, as far as forgetting what it says takes. */
export interface Forgetting {
  id: string;
  tenant_id: string;
  user_id: string;
  brand_id: string | null;
  connection_id: string;
  account_id: string;
  provider: string;
  data: string;
}

const REDACTED = '{"redacted":true}';
/** Payloads that one statement reads. */
const PER_STATEMENT = 200;
/** Well within the lease of whoever does it, others before it included. */
const WORKING_MS = 5_000;

/**
 * Blanks the payloads that mention a customer (https://shopify.dev/docs/apps/build/privacy-law-compliance): by id,
 * e-mail or telephone, and those of the orders that are named. Goes on where an earlier run had come to; false where
 * that takes longer than `workingMs`, and there is more.
 */
export async function forgetCustomer(
  services: Services,
  request: Forgetting,
  workingMs = WORKING_MS,
): Promise<boolean> {
  const patterns = marksOf(request.data).map((mark) => {
    const literal = mark.replaceAll(/[^\w\s]/g, '\\$&');
    return `(^|[^\\w.@+-])${literal}($|[^\\w.@+-])`;
  });
  const mentions = sql<boolean>`(
    e.data ~ any (${patterns}::text[]) or e.subject like any (${subjectsOf(request.data)}::text[])
  )`;
  return forget(services, request, { action: 'customer_redacted', mentions, workingMs });
}

/** Blanks all payloads of an account, in the same way. */
export async function forgetAccount(
  services: Services,
  request: Forgetting,
  workingMs = WORKING_MS,
): Promise<boolean> {
  return forget(services, request, { action: 'account_redacted', mentions: sql<boolean>`true`, workingMs });
}

/** The audit entry has the request's id, and tells how far it has come: up to what was received when. */
async function forget(
  { postgres }: Services,
  request: Forgetting,
  { action, mentions, workingMs }: { action: string; mentions: RawBuilder<boolean>; workingMs: number },
): Promise<boolean> {
  const end = Date.now() + workingMs;
  for (;;) {
    const [page] = await postgres.rows(sql<{ read: number }>`
      with entry as (
        select (detail ->> 'through')::timestamptz as through from audit_log where id = ${request.id}::uuid
      ),
      page as (
        select id, received_at from events
        -- Said so that no index serves but the connection's own: by age alone, all of others would be passed over.
        where connection_id <= ${request.connection_id}::uuid and (connection_id, received_at) >
            (${request.connection_id}::uuid, coalesce((select through from entry), '-infinity'))
          and account_id = ${request.account_id} and topic is not null and id <> ${request.id}::uuid
          -- Another request says what it looks for until it is done.
          and not (status = 'pending' and coalesce(meaning, '') like 'forget%')
        order by connection_id, received_at fetch first ${PER_STATEMENT} rows with ties
      ),
      forgotten as (
        update events e set data = ${REDACTED} from page
        where e.id = page.id and e.data <> ${REDACTED} and ${mentions}
        returning 1
      ),
      written as (
        insert into audit_log as a (id, tenant_id, user_id, brand_id, connection_id, provider, action, detail)
        select ${request.id}::uuid, ${request.tenant_id}::uuid, ${request.user_id}::uuid, ${request.brand_id}::uuid,
          ${request.connection_id}::uuid, ${request.provider}, ${action},
          jsonb_build_object('events', (select count(*) from forgotten), 'through', (select max(received_at) from page))
        on conflict (id) do update set detail = a.detail || jsonb_strip_nulls(excluded.detail) || jsonb_build_object(
          'events', (a.detail ->> 'events')::integer + (excluded.detail ->> 'events')::integer
        )
      )
      select (select count(*) from page)::integer as read`);
    if (!page || page.read < PER_STATEMENT) break;
    if (Date.now() >= end) return false;
  }
  // The request itself goes last: it says what to look for.
  await postgres.rows(sql`
    with forgotten as (
      update events set data = ${REDACTED} where id = ${request.id}::uuid and data <> ${REDACTED} returning 1
    )
    update audit_log set detail = jsonb_build_object(
      'events', (detail ->> 'events')::integer + (select count(*) from forgotten)
    ) where id = ${request.id}::uuid`);
  return true;
}

/** Orders that are to be forgotten with somebody: their subjects end with their numbers. */
function subjectsOf(data: string): string[] {
  const { orders_to_redact: ids } = parseJsonDigits(data) as { orders_to_redact?: unknown };
  return Array.isArray(ids) ? ids.filter((id) => /^\d+$/.test(String(id))).map((id) => `%/${id}`) : [];
}

/** By what a payload names a customer. */
function marksOf(data: string): string[] {
  const { customer } = parseJsonDigits(data) as {
    customer?: { id?: unknown; email?: unknown; phone?: unknown };
  };
  return [customer?.id, customer?.email, customer?.phone].filter(
    // What holds a NUL is in no payload that PostgreSQL has taken.
    (value): value is string => typeof value === 'string' && value.length >= 5 && !value.includes('\0'),
  );
}
