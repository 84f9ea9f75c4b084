import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Provider, Told } from '../../providers/provider.ts';
import { isOwned } from '../connections/living.ts';
import { type KeyColumns, keyColumns, keyOf } from '../connections/snapshot.ts';
import { forgetUnsaid } from '../payloads/forget.ts';
import { type Payload, payloadOf } from '../payloads/payload.ts';
import { REDACTED } from '../payloads/read.ts';
import { firstParts, givenPayloads } from '../payloads/write.ts';
import { unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import { badSignature, notFound, type Received } from './receive.ts';
import { forgetRecipient, knownRecipient, readRecipient } from './recipient.ts';

/** A tenant may have got another data key, and a connection another tenant, since it was read. */
const ATTEMPTS = 2;

/**
 * Stores a delivery once, as its connection's event, before anybody is told that we have it: one statement where this
 * isolate knows the connection, two else, and one for each part of a payload of more than one. Gives the event's id where
 * it is new and somebody is to be told. Throws `not_found` for a connection that is not there or has ended,
 * `invalid_signature` where the delivery is of another account, and `unavailable`.
 */
export async function store(
  services: Services,
  provider: Provider,
  connectionId: string,
  received: Received,
): Promise<string[]> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const recipient =
      knownRecipient(connectionId, Date.now()) ?? (await readRecipient(services, provider.id, connectionId));
    if (!recipient) throw notFound();
    const payload = await payloadOf(services, recipient, received);
    const row = await storeWith(services, provider, connectionId, received, payload);
    if (row?.fits && row.isSealable) return pendingOf([row]);
    if (payload.parts > 1) await forgetUnsaid(services, [payload.id]);
    if (!row) throw notFound();
    if (!row.fits) throw badSignature();
    forgetRecipient(connectionId);
  }
  throw unavailable(`payload for ${connectionId}: its tenant's key has changed again`);
}

async function storeWith(
  services: Services,
  provider: Provider,
  connectionId: string,
  { told, hash }: Received,
  payload: Payload,
): Promise<{ id: string | null; status: string; fits: boolean; isSealable: boolean } | undefined> {
  const { sealed } = await firstParts(services, [payload]);
  const [row] = await services.postgres.rows(sql<{
    id: string | null;
    status: string;
    fits: boolean;
    is_sealable: boolean;
  }>`
    select * from store_delivery(
      ${connectionId}::uuid, ${provider.id}, ${JSON.stringify(told.facts)}::jsonb, ${uuidv7()}::uuid, ${told.type ?? ''},
      ${told.occurredAt ?? null}::timestamptz, ${told.topic}, ${told.id ?? null}, ${told.subject ?? null},
      ${told.isIdSigned ? null : hash}::bytea, ${told.meaning ?? null}, ${isTold(told) ? 'pending' : 'kept'},
      ${payload.tenantId}::uuid, ${payload.dataKeyId}::uuid, ${payload.id}::uuid, ${payload.bytes}, ${sealed[0] ?? null}::bytea)`);
  return (
    row && { id: row.id, status: row.status, fits: row.fits, isSealable: row.id !== null || row.is_sealable }
  );
}

/**
 * The same for a delivery to the app as a whole: for every connection that it is for, and that was there when it came
 * (`cameAt`, now without it). Undefined where none is known to be.
 * One payload a tenant: what a tenant whose keys are gone is told has none. Two statements, and one for each part of what
 * has several.
 */
export async function storeForAll(
  services: Services,
  provider: Provider,
  received: Received,
  cameAt?: Date,
): Promise<string[] | undefined> {
  const { told, hash } = received;
  if (told.route === undefined) return undefined;
  const isLasting = told.meaning?.startsWith('forget') || told.meaning === 'customer_asks';
  const targets = isLasting ? everConnected(provider, told) : connected(provider, told, cameAt);
  const tenants = await services.postgres.rows(sql<{ tenant_id: string } & KeyColumns<'key'>>`
    select t.tenant_id, ${keyColumns('k', 'key')} from (select distinct tenant_id from (${targets}) found) t
    left join lateral (
      select * from data_keys d where d.tenant_id = t.tenant_id order by d.generation desc limit 1
    ) k on true`);
  if (tenants.length === 0) return undefined;
  const payloads: Payload[] = [];
  for (const row of tenants) {
    const dataKey = keyOf(row, 'key');
    if (dataKey) payloads.push(await payloadOf(services, { tenantId: row.tenant_id, dataKey }, received));
  }
  const id = uuidv7();
  const rows = await services.postgres.rows(sql<{ id: string; status: string }>`
    with given as (
      select * from ${givenPayloads(await firstParts(services, payloads))} as g (payload_id, tenant_id, data_key_id, bytes, sealed)
      -- Of whom the keys were destroyed meanwhile, nothing is kept but that it was told.
      where exists (select from data_keys k where k.id = g.data_key_id)
    ),
    target as (${targets}),
    stored as (
      insert into events (
        id, type, provider, connection_id, tenant_id, user_id, brand_id, account_id, occurred_at, data, payload_id,
        payload_bytes, topic, delivery_id, subject, body_hash, meaning, status
      )
      select (left(${id}, 24) || right(md5(t.id::text), 12))::uuid, ${told.type ?? ''}, t.provider, t.id, t.tenant_id,
        t.user_id, t.brand_id, t.account_id, coalesce(${told.occurredAt ?? null}::timestamptz, now()), ${REDACTED},
        g.payload_id, coalesce(g.bytes, 0), ${told.topic}, ${told.id ?? null}, ${told.subject ?? null},
        ${told.isIdSigned ? null : hash}::bytea, ${told.meaning ?? null}, ${isTold(told) ? 'pending' : 'kept'}
      from target t left join given g on g.tenant_id = t.tenant_id on conflict do nothing returning id, status, tenant_id
    ),
    sealed as (
      insert into payloads (id, part, tenant_id, data_key_id, sealed)
      select g.payload_id, 0, g.tenant_id, g.data_key_id, g.sealed from given g
      where g.sealed is not null and g.tenant_id in (select tenant_id from stored)
      on conflict (id, part) do update set written_at = now()
    )
    select id, status from stored`);
  return pendingOf(rows);
}

function pendingOf(rows: readonly { id: string | null; status: string }[]): string[] {
  return rows.flatMap(({ id, status }) => (id !== null && status === 'pending' ? [id] : []));
}

function connected({ id }: Provider, { route }: Told, cameAt: Date | undefined) {
  return sql`
    select c.id, c.provider, c.tenant_id, c.user_id, c.brand_id, c.account_id
    from webhooks w join connections c on c.id = w.connection_id
    where w.routes @> ${[route]}::text[] and w.provider = ${id} and c.status <> 'disconnected' and ${isOwned('c')}
      and (${cameAt ?? null}::timestamptz is null or c.connected_at <= ${cameAt ?? null}::timestamptz)`;
}

/** What has ended, or is another account's by now, may still have been told something of this one. */
function everConnected({ id }: Provider, { route, account }: Told) {
  return sql`
    select w.connection_id as id, w.provider, o.tenant_id, o.user_id, o.brand_id, coalesce(${account ?? null}, o.account_id) as account_id
    from webhooks w join lateral (
      (select c.tenant_id, c.user_id, c.brand_id, c.account_id from connections c where c.id = w.connection_id)
      union all
      (select e.tenant_id, e.user_id, e.brand_id, e.account_id from events e
       where e.connection_id = w.connection_id and e.topic is not null limit 1)
      limit 1
    ) o on true
    where w.provider = ${id} and (w.routes @> ${[route]}::text[] or w.past_routes @> ${[route]}::text[])`;
}

/** Whether anybody is to be told, be it the connection itself. */
function isTold({ type, meaning }: Told): boolean {
  return type !== undefined || meaning !== undefined;
}
