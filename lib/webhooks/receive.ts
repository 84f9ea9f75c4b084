import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Provider, Told, Webhooks } from '../../providers/provider.ts';
import { readBounded } from '../bounded-read.ts';
import { isOwned } from '../connections/living.ts';
import { decodeUtf8, parseJson } from '../json-text.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { clientKeys, knownKeys, readKeys } from './secrets.ts';
import { isSignature, isSigned } from './signature.ts';

/** A delivery that is rightly signed, and what it says. */
export interface Received {
  told: Told;
  text: string;
  hash: Uint8Array;
}

/**
 * Reads and verifies a delivery to a connection, or to the app as a whole. Nothing is asked of PostgreSQL for one
 * that is not signed at all, nor for one whose keys this isolate knows; `beforeAsking` may refuse that. Throws `payload_too_large`,
 * `invalid_signature`, `invalid_request` for what is no JSON, and `not_found`.
 */
export async function readDelivery(
  services: Services,
  provider: Provider,
  request: Request,
  connectionId: string | undefined,
  beforeAsking: () => void,
): Promise<Received> {
  const { webhooks } = provider;
  if (!webhooks || (connectionId !== undefined && !hasOwnAddress(webhooks))) throw notFound();
  const header = request.headers.get(webhooks.signature.header) ?? '';
  if (!isSignature(webhooks.signature, header)) throw badSignature();
  const body = await readBody(request, webhooks.maxBytes);
  await verify(services, provider, webhooks, { header, body, connectionId, beforeAsking });

  const text = decodeUtf8(body);
  const json = text === undefined ? undefined : parseJson(text);
  if (text === undefined || json === undefined) {
    throw new Problem('invalid_request', 'The body is signed, but it is not JSON.');
  }
  const told = webhooks.read({ headers: request.headers, json });
  if (!told) throw badSignature();
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  return { told, text, hash };
}

/**
 * Whether connections are told at addresses of their own. Where all is told to the app as a whole, and signed with its
 * one secret, nothing ties a delivery to the connection at whose address it comes.
 */
function hasOwnAddress({ clientSecrets, unregister }: Webhooks): boolean {
  return clientSecrets === undefined || unregister !== undefined;
}

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBounded(request, maxBytes);
  if (!bytes) throw new Problem('payload_too_large', `The body may be ${maxBytes} bytes at most.`);
  return bytes;
}

async function verify(
  services: Services,
  provider: Provider,
  { signature }: Webhooks,
  {
    header,
    body,
    connectionId,
    beforeAsking,
  }: { header: string; body: Uint8Array; connectionId: string | undefined; beforeAsking: () => void },
): Promise<void> {
  const now = Date.now();
  const shared = await clientKeys(services, provider);
  if (shared) {
    if (!(await isSigned(signature, header, body, { keys: shared, now }))) throw badSignature();
    return;
  }
  if (connectionId === undefined) throw notFound();
  const known = knownKeys(connectionId, now);
  if (known && (await isSigned(signature, header, body, { keys: known, now }))) return;
  // Unknown here, or changed since.
  beforeAsking();
  const keys = await readKeys(services, provider.id, connectionId);
  if (!keys) throw notFound();
  if (!(await isSigned(signature, header, body, { keys, now }))) throw badSignature();
}

/**
 * Stores a delivery once, as its connection's event, before anybody is told that we have it: one statement. Gives the event's id where it is new and somebody is to be told. Throws `not_found` for a connection that is not there or has ended, and
 * `invalid_signature` where the delivery is of another account.
 */
export async function store(
  { postgres }: Services,
  provider: Provider,
  connectionId: string,
  { told, text, hash }: Received,
): Promise<string[]> {
  const rows = await postgres.rows(sql<{ id: string | null; status: string; fits: boolean }>`
    select * from store_delivery(
      ${connectionId}::uuid, ${provider.id}, ${JSON.stringify(told.facts)}::jsonb, ${uuidv7()}::uuid, ${told.type ?? ''},
      ${told.occurredAt ?? null}::timestamptz, ${text}, ${told.topic}, ${told.id ?? null}, ${told.subject ?? null},
      ${told.isIdSigned ? null : hash}::bytea, ${told.meaning ?? null}, ${isTold(told) ? 'pending' : 'kept'})`);
  const [row] = rows;
  if (!row) throw notFound();
  if (!row.fits) throw badSignature();
  return pendingOf(rows);
}

/** The same for a delivery to the app as a whole: for every connection that it is for, which may be none. */
export async function storeForAll(
  { postgres }: Services,
  provider: Provider,
  { told, text, hash }: Received,
): Promise<string[]> {
  if (told.route === undefined) return [];
  const isLasting = told.meaning?.startsWith('forget') || told.meaning === 'customer_asks';
  const id = uuidv7();
  const rows = await postgres.rows(sql<{ id: string; status: string }>`
    with target as (
      ${isLasting ? everConnected(provider, told) : connected(provider, told)}
    )
    insert into events (
      id, type, provider, connection_id, tenant_id, user_id, brand_id, account_id, occurred_at, data, topic, delivery_id,
      subject, body_hash, meaning, status
    )
    select (left(${id}, 24) || right(md5(t.id::text), 12))::uuid, ${told.type ?? ''}, t.provider, t.id, t.tenant_id,
      t.user_id, t.brand_id, t.account_id, coalesce(${told.occurredAt ?? null}::timestamptz, now()), ${text}, ${told.topic},
      ${told.id ?? null}, ${told.subject ?? null}, ${told.isIdSigned ? null : hash}::bytea, ${told.meaning ?? null},
      ${isTold(told) ? 'pending' : 'kept'}
    from target t on conflict do nothing returning id, status`);
  return pendingOf(rows);
}

function pendingOf(rows: readonly { id: string | null; status: string }[]): string[] {
  return rows.flatMap(({ id, status }) => (id !== null && status === 'pending' ? [id] : []));
}

function connected({ id }: Provider, { route }: Told) {
  return sql`
    select c.id, c.provider, c.tenant_id, c.user_id, c.brand_id, c.account_id
    from webhooks w join connections c on c.id = w.connection_id
    where w.routes @> ${[route]}::text[] and w.provider = ${id} and c.status <> 'disconnected' and ${isOwned('c')}`;
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

function badSignature(): Problem {
  return new Problem('invalid_signature', 'The delivery is not signed by who may send it here.');
}

function notFound(): Problem {
  return new Problem('not_found', 'There is no such connection.');
}
