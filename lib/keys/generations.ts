import { sql } from 'kysely';
import type { Tools } from '../command-tools.ts';
import { insertDataKey } from '../connections/insert-data-key.ts';
import { generateDataKey } from '../data-keys.ts';
import { eachOf, isAsked, pause } from './batches.ts';

/**
 * How long the keys of a finished rotation are kept: a token that PostgreSQL did not take may wait in a queue sealed
 * with one, for up to 14 days in each of two; and what a payload is sealed with is needed for its 30 days.
 */
const KEPT_DAYS = 32;

/** Longer than any statement of ours takes: one that began before a new key stood does not see it. */
const SEEN_AFTER_MS = 2_000;
const BATCH = 50;

/**
 * Retires the data keys of every tenant, in one statement, so that a rotation that is broken off knows what it is
 * about; but for tenants whose last rotation has not come to its end, which goes on.
 */
export async function retireKeys(
  { postgres }: Tools,
  tenantId: string | undefined,
): Promise<{ retired: number; unfinished: number }> {
  const [counts] = await postgres.rows(sql<{ retired: number; unfinished: number }>`
    with unfinished as (
      select k.id, k.tenant_id from data_keys k
      where k.retired_at is not null and k.resealed_at is null and ${isAsked(tenantId)}
    ),
    retired as (
      update data_keys k set retired_at = now()
      where k.retired_at is null and ${isAsked(tenantId)} and k.tenant_id not in (select tenant_id from unfinished)
      returning k.id
    )
    select (select count(*) from retired)::integer as retired, (select count(*) from unfinished)::integer as unfinished`);
  return counts ?? { retired: 0, unfinished: 0 };
}

/** Gives a new generation to every tenant whose newest is retired; what is sealed from then on is sealed with it. */
export async function makeKeys({ postgres, kms, say }: Tools, tenantId: string | undefined): Promise<void> {
  let made = 0;
  for (;;) {
    const tenants = await postgres.rows(sql<{ tenant_id: string; generation: number }>`
      select k.tenant_id, max(k.generation) as generation from data_keys k
      where ${isAsked(tenantId)}
      group by k.tenant_id having bool_and(k.retired_at is not null) limit ${BATCH}`);
    if (tenants.length === 0) break;
    await eachOf(tenants, async ({ tenant_id, generation }) => {
      const { row } = await generateDataKey(tenant_id, generation + 1, kms, Date.now());
      // Who destroys a tenant's keys meanwhile does not get another.
      const isKept = sql<boolean>`exists (select from data_keys where tenant_id = ${tenant_id}::uuid)`;
      const written = await postgres.rows(insertDataKey(row, isKept));
      made += written.length;
    });
    say({ event: 'data_keys_made', made });
  }
  const [youngest] = await postgres.rows(sql<{ age: number | null }>`
    select (extract(epoch from now() - max(k.created_at)) * 1000)::float as age from data_keys k
    where ${isAsked(tenantId)}`);
  await pause(Math.max(0, SEEN_AFTER_MS - (youngest?.age ?? SEEN_AFTER_MS)));
}

/** Ends the rotation: nothing is left that its keys have sealed. */
export async function finishRotation({ postgres }: Tools, tenantId: string | undefined): Promise<void> {
  await postgres.rows(sql`
    update data_keys k set resealed_at = now()
    where k.retired_at is not null and k.resealed_at is null and ${isAsked(tenantId)}`);
}

/** Deletes the keys of rotations that ended long ago and that seal nothing; how many. */
export async function forgetKeys({ postgres }: Tools, tenantId: string | undefined): Promise<number> {
  const rows = await postgres.rows(sql`
    delete from data_keys k
    where k.resealed_at < now() - make_interval(days => ${KEPT_DAYS}) and ${isAsked(tenantId)}
      and not exists (select from connections where data_key_id = k.id)
      and not exists (select from revocations where data_key_id = k.id)
      and not exists (select from webhooks where data_key_id = k.id)
      and not exists (select from agents where data_key_id = k.id)
      and exists (
        select from data_keys newer where newer.tenant_id = k.tenant_id and newer.generation > k.generation
      )
    returning k.id`);
  return rows.length;
}
