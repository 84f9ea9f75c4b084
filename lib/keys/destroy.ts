import { type RawBuilder, sql } from 'kysely';
import { NotDone, type Tools } from '../command-tools.ts';
import { deathSets, deathTables } from '../connections/death.ts';
import { ownerOf } from '../connections/living.ts';

interface Doomed {
  data_keys: number;
  connections: number;
  /** Those of them that live with another tenant by now: their brand or their owner has moved. */
  living_elsewhere: number;
  pending_revocations: number;
}

/**
 * Deletes a tenant's wrapped data keys, and with them the only way to what they have sealed. Tells first what that
 * is; does it only when `isMeant`.
 */
export async function destroy(
  { postgres, say }: Pick<Tools, 'postgres' | 'say'>,
  tenantId: string,
  isMeant: boolean,
): Promise<void> {
  const [doomed] = await postgres.rows(sql<Doomed>`
    with keys as (select id from data_keys where tenant_id = ${tenantId}::uuid)
    select (select count(*) from keys)::integer as data_keys,
      (select count(*) from connections where data_key_id in (select id from keys))::integer as connections,
      (select count(*) from connections c ${ownerOf('c')}
       where c.data_key_id in (select id from keys) and c.status = 'connected'
         and owner.loss is null and owner.tenant_id <> ${tenantId}::uuid)::integer as living_elsewhere,
      (select count(*) from revocations where data_key_id in (select id from keys))::integer as pending_revocations`);
  if (!doomed || doomed.data_keys === 0) {
    throw new NotDone(`${tenantId} has no data keys: the id is another, or they are destroyed already.`);
  }
  say({ event: isMeant ? 'destroying' : 'would_destroy', tenant_id: tenantId, ...doomed });
  if (!isMeant) {
    throw new NotDone(
      'Nothing was destroyed. Disconnect first what is to end at the platforms; then run it again with --yes. There is no way back.',
    );
  }
  const ofThese = sql`c.data_key_id in (select k.id from data_keys k where k.tenant_id = ${tenantId}::uuid)`;
  await endConnections(postgres, ofThese);
  await postgres.rows(sql`
    with gone as (delete from data_keys where tenant_id = ${tenantId}::uuid returning id)
    insert into audit_log (tenant_id, user_id, brand_id, connection_id, provider, action)
    select tenant_id, user_id, brand_id, id, provider, 'keys_destroyed'
    from connections where data_key_id in (select id from gone)`);
  await forgetPayloads(postgres, tenantId);
  // What was connected, or came back, meanwhile.
  await endConnections(postgres, sql`c.data_key_id is null and c.credential is not null`);
  say({
    event: 'destroyed',
    tenant_id: tenantId,
    note: 'Nobody reads these secrets from now on. Unwrapped keys stay in memory for up to five minutes; backups of the database hold the wrapped ones for as long as they are kept.',
  });
}

/** Nobody reads them any more: they go, a few at a time. */
async function forgetPayloads(postgres: Tools['postgres'], tenantId: string): Promise<void> {
  for (let gone = PAYLOADS_AT_ONCE; gone === PAYLOADS_AT_ONCE; ) {
    const rows = await postgres.rows(sql`
      delete from payloads where (id, part) in (
        select p.id, p.part from connections c join events e on e.connection_id = c.id join payloads p on p.id = e.payload_id
        where c.tenant_id = ${tenantId}::uuid and p.tenant_id = c.tenant_id limit ${PAYLOADS_AT_ONCE}
      ) returning 1`);
    gone = rows.length;
  }
}

const PAYLOADS_AT_ONCE = 500;

/**
 * Nobody can use what these keys have sealed, wherever it lives by now: it needs a person, who is told, and is in the way
 * of nobody else's end of its grant.
 */
async function endConnections(postgres: Tools['postgres'], which: RawBuilder<unknown>): Promise<void> {
  const message = 'The keys that had sealed this access were destroyed. Connect again.';
  const ofThese = sql`c.status = 'connected' and ${which}`;
  const connections = await postgres.rows(sql<{ id: string }>`
    select c.id from connections c where ${ofThese}`);
  for (const { id } of connections) {
    await postgres.rows(sql`
      with dead as (
        update connections c set ${deathSets({ code: 'invalid_credential', message })}
        where c.id = ${id}::uuid and ${ofThese} returning c.*
      ),
      ${deathTables(sql`dead`, sql`'ended'`)}
      select id from dead`);
  }
}
