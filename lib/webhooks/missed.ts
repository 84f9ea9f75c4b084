import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { providers } from '../../providers/index.ts';
import type { Access, Gap, Missed, MissedDelivery, Provider, Registered } from '../../providers/provider.ts';
import { toUtf8 } from '../bytes.ts';
import { findClient, findProvider } from '../catalog.ts';
import type { Ear } from '../connections/check-soon.ts';
import { isOwned } from '../connections/living.ts';
import { resultOf } from '../dialogue.ts';
import { signAssertion } from '../oauth/assertion.ts';
import { OutboundError, outletOf } from '../outbound.ts';
import { payloadOf } from '../payloads/payload.ts';
import { REDACTED } from '../payloads/read.ts';
import { firstParts, givenPayloads } from '../payloads/write.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';
import { readRecipient } from './recipient.ts';

/** What has happened since may be on its way still. */
export const SETTLED_MS = 120_000;
const ASKING_MS = 40_000;
const PER_STATEMENT = 200;
const CHARACTERS_PER_STATEMENT = 2_000_000;
/** How often an app asks for what was missed by the app as a whole. */
const APP_EVERY = sql`interval '1 hour'`;

/** Up to when all that happened at a connection's provider is known. */
export interface Completeness {
  until: Date;
  /** Whether there is more to be asked for at once. */
  hasMore: boolean;
}

/**
 * Asks a connection's provider for what we were told in vain since `since`, and stores what is not known as any
 * delivery. Undefined where the provider does not tell. Throws as PostgreSQL does.
 */
export async function recoverMissed(
  services: Services,
  provider: Provider,
  access: Access,
  row: { connection_id: string; account_id: string; registered: readonly Registered[]; since: Date },
  ear: Ear,
): Promise<Completeness | undefined> {
  const gap = { since: row.since, until: settled(), registered: row.registered };
  if (gap.until <= gap.since) return undefined;
  const missed = await askForMissed(services, provider, access, gap, { forMs: ASKING_MS, ear });
  if ('unable' in missed) return undefined;
  for (const part of parts(missed.deliveries)) {
    const ids = await storeMissed(services, provider, row, part);
    // What the queue does not take the cron finds.
    if (ids.length > 0) await sendEvents(services, ids).catch(() => undefined);
  }
  return missed;
}

/** Asks a connection's provider what it has told us within a gap, as far as it says, and as there is time for. */
export async function askForMissed(
  { meter }: Services,
  provider: Provider,
  access: Access,
  gap: Gap,
  { forMs, ear }: { forMs: number; ear: Ear },
): Promise<Missed> {
  const ask = provider.webhooks?.missed;
  if (!ask) return { unable: true };
  const outlet = outletOf(provider, access.config, meter);
  return asked(() => resultOf(ask(access, gap), outlet, forMs, ear.hear));
}

/** Does what `recoverMissed` does for what our apps as a whole are told, once an hour while there is no more. How many apps have asked. */
export async function recoverMissedByApps(services: Services): Promise<number> {
  let count = 0;
  for (const { id } of providers) {
    const provider = findProvider(services.env, id);
    const client = provider && findClient(services.env, provider);
    const byApp = provider?.webhooks?.missedByApp;
    const assertion = client && byApp?.assertion(client);
    if (!byApp || !assertion) continue;
    const since = await claimMark(services, id);
    const signed = since && (await signAssertion(assertion, Date.now() - 60_000));
    if (since && !signed) {
      console.error(JSON.stringify({ level: 'error', event: 'app_key_unreadable', provider_id: id }));
    }
    if (!signed) continue;
    const gap = { since, until: settled(), registered: [] };
    const missed = await asked(() =>
      resultOf(byApp.ask(signed, gap), outletOf(provider, {}, services.meter)),
    );
    count += 1;
    if ('until' in missed) await moveMark(services, id, { since, ...missed });
  }
  return count;
}

function settled(): Date {
  return new Date(Date.now() - SETTLED_MS);
}

/** What the outside keeps from being asked is asked another time. */
async function asked(ask: () => Promise<Missed>): Promise<Missed> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof OutboundError) return { unable: true };
    throw error;
  }
}

function* parts(deliveries: readonly MissedDelivery[]): Generator<MissedDelivery[]> {
  let part: MissedDelivery[] = [];
  let length = 0;
  for (const delivery of deliveries) {
    const isFull = part.length >= PER_STATEMENT || length + delivery.text.length > CHARACTERS_PER_STATEMENT;
    if (part.length > 0 && isFull) {
      yield part;
      [part, length] = [[], 0];
    }
    part.push(delivery);
    length += delivery.text.length;
  }
  if (part.length > 0) yield part;
}

/** Stores what is not known yet: two statements, and one for each part of what has several. The ids of what the agent is to be told. */
async function storeMissed(
  services: Services,
  provider: Provider,
  { connection_id: connectionId, account_id: accountId }: { connection_id: string; account_id: string },
  deliveries: readonly MissedDelivery[],
): Promise<string[]> {
  const recipient = await readRecipient(services, provider.id, connectionId);
  if (!recipient) return [];
  const payloads = await Promise.all(
    deliveries.map(async ({ text }) => {
      const bytes = toUtf8(text);
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
      return payloadOf(services, recipient, { bytes, hash });
    }),
  );
  const column = (read: (delivery: MissedDelivery) => string | null) => deliveries.map(read);
  const rows = await services.postgres.rows(sql<{ id: string; status: string }>`
    with given as (
      select g.*, p.payload_id, p.data_key_id, p.bytes, p.sealed from unnest(
        ${deliveries.map(() => uuidv7())}::uuid[], ${column(({ told }) => told.type ?? '')}::text[],
        ${column(({ told }) => told.topic)}::text[], ${column(({ told }) => told.id ?? null)}::text[],
        ${column(({ told }) => told.subject ?? null)}::text[],
        ${column(({ told }) => told.occurredAt?.toISOString() ?? null)}::timestamptz[]
      ) with ordinality as g (id, type, topic, delivery_id, subject, occurred_at, at)
      join ${givenPayloads(await firstParts(services, payloads))}
        with ordinality as p (payload_id, tenant_id, data_key_id, bytes, sealed, at) on p.at = g.at
      where exists (select from data_keys k where k.id = p.data_key_id)
    ),
    stored as (
      insert into events (
        id, type, provider, connection_id, tenant_id, user_id, brand_id, account_id, occurred_at, data, payload_id,
        payload_bytes, topic, delivery_id, subject, status
      )
      select g.id, g.type, c.provider, c.id, c.tenant_id, c.user_id, c.brand_id, c.account_id,
        coalesce(g.occurred_at, now()), ${REDACTED}, g.payload_id, g.bytes, g.topic, g.delivery_id, g.subject,
        case when g.type = '' then 'kept' else 'pending' end
      from given g join connections c on c.id = ${connectionId}::uuid and c.status <> 'disconnected'
        and c.account_id = ${accountId} and c.tenant_id = ${recipient.tenantId}::uuid and ${isOwned('c')}
      where g.delivery_id is not null and not exists (
        select from events e
        where e.connection_id = ${connectionId}::uuid and e.topic is not null and e.topic = g.topic and e.subject = g.subject
      )
      on conflict do nothing returning id, status, payload_id
    ),
    sealed as (
      insert into payloads (id, part, tenant_id, data_key_id, sealed)
      select distinct on (g.payload_id) g.payload_id, 0, ${recipient.tenantId}::uuid, g.data_key_id, g.sealed from given g
      where g.sealed is not null and g.payload_id in (select payload_id from stored)
      on conflict (id, part) do update set written_at = now()
    )
    select id, status from stored`);
  return rows.filter(({ status }) => status === 'pending').map(({ id }) => id);
}

/**
 * Up to when an app has got to know of what was missed, where it is time to ask: once an hour, whether or not that
 * comes to anything, unless there is more. The first time there is nothing to ask for.
 */
async function claimMark({ postgres }: Services, provider: string): Promise<Date | undefined> {
  const [row] = await postgres.rows(sql<{ at: Date }>`
    with first as (
      insert into marks (name, at) values (${markOf(provider)}, now()), (${askedMarkOf(provider)}, now())
      on conflict do nothing
    ),
    claimed as (
      update marks set at = now()
      where name = ${askedMarkOf(provider)} and at < now() - ${APP_EVERY}
        and exists (select from marks where name = ${markOf(provider)})
      returning 1
    )
    select at from marks where name = ${markOf(provider)} and exists (select from claimed)`);
  return row?.at;
}

/** Where there is more, it is time to ask again at once. */
async function moveMark(
  { postgres }: Services,
  provider: string,
  { since, until, hasMore }: { since: Date } & Completeness,
): Promise<void> {
  await postgres.rows(sql`
    with again as (
      update marks set at = '-infinity' where name = ${askedMarkOf(provider)} and ${hasMore && until > since}
    )
    update marks set at = ${until}::timestamptz where name = ${markOf(provider)} and at < ${until}::timestamptz`);
}

function markOf(provider: string): string {
  return `missed:${provider}`;
}

function askedMarkOf(provider: string): string {
  return `asked:${provider}`;
}
