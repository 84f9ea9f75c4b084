import { sql } from 'kysely';
import { NotDone, type Tools } from '../command-tools.ts';
import { type DataKeyColumns, dataKeyColumns, toDataKey } from '../connections/snapshot.ts';
import { rewrapDataKey, type WrappedDataKey } from '../data-keys.ts';
import { KmsRefusal } from '../kms.ts';
import { eachOf } from './batches.ts';

const BATCH = 100;

/**
 * Wraps every data key with the KMS key of the settings, until none is left that another has wrapped. Nothing that
 * the data keys have sealed changes. Each row is guarded by what it was wrapped as, so that this can be broken off at
 * any time, begun again, and run beside itself.
 */
export async function rewrap({ postgres, kms, say }: Tools): Promise<void> {
  const arn = await kms.keyArn();
  const refused: string[] = [];
  let rewrapped = 0;
  for (;;) {
    const rows = await postgres.rows(sql<DataKeyColumns>`
      select ${dataKeyColumns} from data_keys k
      where k.kms_key_id <> ${arn} and k.id <> all (${refused}::uuid[]) order by k.id limit ${BATCH}`);
    if (rows.length === 0) break;
    const moved: (WrappedDataKey & { was: Uint8Array })[] = [];
    await eachOf(rows, async (row) => {
      const key = toDataKey(row);
      if (!key) return;
      try {
        const next = await rewrapDataKey(key, kms);
        if (next.kmsKeyId !== arn) throw new NotDone('KMS_KEY_ID names another key now. Run it again.');
        moved.push({ ...key, ...next, was: key.wrapped });
      } catch (error) {
        if (!(error instanceof KmsRefusal)) throw error;
        refused.push(key.id);
        say({
          event: 'data_key_refused',
          data_key_id: key.id,
          tenant_id: key.tenantId,
          reason: error.message,
        });
      }
    });
    if (moved.length === 0) continue;
    const values = sql.join(
      moved.map((key) => sql`(${key.id}::uuid, ${key.was}::bytea, ${key.wrapped}::bytea)`),
    );
    const written = await postgres.rows(sql`
      with given (id, was, wrapped) as (values ${values})
      update data_keys k set wrapped = given.wrapped, kms_key_id = ${arn}
      from given where k.id = given.id and k.wrapped = given.was
      returning k.id`);
    rewrapped += written.length;
    say({ event: 'rewrapping', rewrapped });
  }
  say({ event: 'rewrapped', rewrapped, refused: refused.length, kms_key_id: arn });
  if (refused.length > 0) {
    throw new NotDone(
      `KMS does not take ${refused.length} data keys for what their rows say (above). Find out who wrote those rows; their tenants connect again.`,
    );
  }
}
