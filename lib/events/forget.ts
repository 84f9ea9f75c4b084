import { sql } from 'kysely';
import { parseJsonDigits } from '../json-text.ts';
import { forgetTable, forgetUnsaid } from '../payloads/forget.ts';
import {
  joinSmall,
  openSmall,
  type PartColumns,
  type PayloadColumns,
  PayloadGone,
  PayloadNotOpened,
  partColumns,
  partsOfPayload,
  REDACTED,
} from '../payloads/read.ts';
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

/** Events that one statement reads; of those with more than so many bytes of payloads together, each is read alone. */
const PER_STATEMENT = 200;
const BYTES_TOGETHER = 4_000_000;
/** Well within the lease of whoever does it, others before it included. */
const WORKING_MS = 5_000;
/** Longer than what is looked for, which may stand across the border of two parts. */
const OVERLAP = 1_000;

/** What of an account's payloads is to be forgotten: all, or those that match, or are about one of these subjects. */
interface Wanted {
  action: string;
  marks?: RegExp[];
  subjects?: string[];
}

/**
 * Forgets the payloads that mention a customer (https://shopify.dev/docs/apps/build/privacy-law-compliance): by id,
 * e-mail or telephone, and those of the orders that are named. Goes on where an earlier run had come to; false where
 * that takes longer than `workingMs`, and there is more.
 */
export async function forgetCustomer(
  services: Services,
  request: Forgetting,
  workingMs = WORKING_MS,
): Promise<boolean> {
  const marks = marksOf(request.data).map((mark) => {
    const literal = mark.replaceAll(/[^\w\s]/g, '\\$&');
    return new RegExp(`(^|[^\\w.@+-])${literal}($|[^\\w.@+-])`);
  });
  const wanted = { action: 'customer_redacted', marks, subjects: subjectsOf(request.data) };
  return forget(services, request, wanted, workingMs);
}

/** Forgets all payloads of an account, in the same way. */
export async function forgetAccount(
  services: Services,
  request: Forgetting,
  workingMs = WORKING_MS,
): Promise<boolean> {
  return forget(services, request, { action: 'account_redacted' }, workingMs);
}

type Found = PayloadColumns &
  PartColumns & { id: string; received: string; data: string; is_named: boolean; is_together: boolean };

/** The audit entry has the request's id, and tells how far it has come: up to what was received when. */
async function forget(
  services: Services,
  request: Forgetting,
  wanted: Wanted,
  workingMs: number,
): Promise<boolean> {
  const end = Date.now() + workingMs;
  for (;;) {
    const page = await readPage(services, request, wanted);
    const mentioning: string[] = [];
    for (const row of page) {
      if (!wanted.marks || row.is_named || (await mentions(services, row, wanted.marks)))
        mentioning.push(row.id);
    }
    await forgetEvents(services, request, wanted.action, mentioning, page.at(-1)?.received);
    if (page.length < PER_STATEMENT) break;
    if (Date.now() >= end) return false;
  }
  // The request itself goes last: it says what to look for.
  await forgetEvents(services, request, wanted.action, [request.id], 'done');
  return true;
}

async function readPage(
  { postgres }: Services,
  request: Forgetting,
  { marks, subjects = [] }: Wanted,
): Promise<Found[]> {
  return postgres.rows(sql<Found>`
    with entry as (
      select (detail ->> 'through')::timestamptz as through from audit_log where id = ${request.id}::uuid
    ),
    page as (
      select e.*, sum(e.payload_bytes) over (order by e.received_at, e.id) <= ${BYTES_TOGETHER} as is_together from events e
      where e.id in (
        select id from events
        -- Said so that no index serves but the connection's own: by age alone, all of others would be passed over.
        where connection_id <= ${request.connection_id}::uuid and (connection_id, received_at) >
            (${request.connection_id}::uuid, coalesce((select through from entry), '-infinity'))
          and account_id = ${request.account_id} and topic is not null and id <> ${request.id}::uuid
          -- Another request says what it looks for until it is done.
          and not (status = 'pending' and coalesce(meaning, '') like 'forget%')
        order by connection_id, received_at fetch first ${PER_STATEMENT} rows with ties
      )
    )
    select e.id, e.received_at::text as received, e.data, e.payload_id, e.payload_bytes, e.is_together,
      coalesce(e.subject like any (${subjects}::text[]), false) as is_named, ${partColumns}
    from page e ${joinSmall(sql<boolean>`(e.is_together and ${marks !== undefined})`)}
    order by e.received_at, e.id`);
}

async function mentions(services: Services, row: Found, marks: readonly RegExp[]): Promise<boolean> {
  const isIn = (text: string) => marks.some((mark) => mark.test(text));
  const decoder = new TextDecoder();
  let tail = '';
  try {
    if (row.payload_id === null || row.part_sealed !== null) return isIn(await openSmall(services, row));
    for await (const part of partsOfPayload(services, { ...row, payload_id: row.payload_id })) {
      const text = tail + decoder.decode(part, { stream: true });
      if (isIn(text)) return true;
      tail = text.slice(-OVERLAP);
    }
  } catch (error) {
    // What opens for nobody may say anything.
    if (error instanceof PayloadNotOpened) return true;
    if (!(error instanceof PayloadGone)) throw error;
  }
  return false;
}

async function forgetEvents(
  services: Services,
  request: Forgetting,
  action: string,
  ids: readonly string[],
  /** Up to what was received when all has been looked at; `done` where that is all. */
  through: string | undefined,
): Promise<void> {
  const isDone = through === 'done';
  const gone = await services.postgres.rows(sql<{ payload_id: string | null }>`
    with known as (
      select id as event_id, payload_id from events
      where id = any (${ids}::uuid[]) and (payload_id is not null or data <> ${REDACTED})
    ),
    forgotten as (
      update events e set payload_id = null, payload_bytes = 0, data = ${REDACTED} from known where e.id = known.event_id
      returning 1
    ),
    payloads_gone as (${forgetTable(sql`known`)}),
    written as (insert into audit_log as a (id, tenant_id, user_id, brand_id, connection_id, provider, action, detail)
    select ${request.id}::uuid, ${request.tenant_id}::uuid, ${request.user_id}::uuid, ${request.brand_id}::uuid,
      ${request.connection_id}::uuid, ${request.provider}, ${action},
      jsonb_build_object('events', (select count(*) from forgotten), 'through', ${isDone ? null : (through ?? null)}::timestamptz)
    on conflict (id) do update set detail = case when ${isDone} then '{}' else
      a.detail || jsonb_strip_nulls(excluded.detail) end || jsonb_build_object(
      'events', (a.detail ->> 'events')::integer + (excluded.detail ->> 'events')::integer
    ))
    select payload_id from known`);
  // Another request may have forgotten the other event that said it, at the same time.
  const said = gone.flatMap(({ payload_id: id }) => id ?? []);
  if (said.length > 0) await forgetUnsaid(services, said);
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
