import { NotDone, type Tools } from '../command-tools.ts';
import { bindingOf } from '../connections/sealed.ts';
import { toDataKey } from '../connections/snapshot.ts';
import { type DataKey, openDataKey } from '../data-keys.ts';
import { EnvelopeError, reseal } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { pause } from './batches.ts';
import {
  countLeft,
  type Field,
  type Resealed,
  type RetiredRow,
  readBatch,
  tables,
  writeBatch,
} from './retired-rows.ts';

const FIRST_KEY = '00000000-0000-0000-0000-000000000000';
const POLL_MS = 500;
/** Longer than any lease: who still holds one then has taken it anew. */
const PATIENCE_MS = 5 * 60_000;

/**
 * Seals with the tenants' newest keys all that retired ones have sealed, a hundred rows a statement, while
 * everybody goes on working: a row that changes meanwhile is left alone and read again. What does not open is told
 * and left where it stands. It needs no memory of where an earlier run was: what is left is what still names a retired key.
 * Throws `NotDone` where for `patienceMs` others have held all that is left.
 */
export async function resealRows(
  tools: Tools,
  tenantId: string | undefined,
  patienceMs = PATIENCE_MS,
): Promise<{ resealed: number; unreadable: number }> {
  const skipped = new Skipped(tools);
  let resealed = 0;
  for (let moved = Date.now(); ; ) {
    for (const table of tables) {
      // Keys whose rows are done are not looked at for each batch.
      for (let from = FIRST_KEY; ; ) {
        const rows = await readBatch(tools, table, tenantId, { skipped: skipped.ids, from });
        if (rows.length === 0) break;
        from = rows.at(-1)?.key_id ?? from;
        const written = await writeBatch(tools, table, await resealBatch(tools, rows, skipped));
        if (written === 0) break;
        moved = Date.now();
        resealed += written;
        tools.say({ event: 'resealing', table: table.name, rows: written, resealed });
      }
    }
    const left = await countLeft(tools, tenantId, skipped.ids);
    if (left === 0) return { resealed, unreadable: skipped.ids.length };
    if (Date.now() - moved > patienceMs) {
      throw new NotDone(
        `${left} rows are held by refreshes or revocations all the time. Run it again later.`,
      );
    }
    await pause(POLL_MS);
  }
}

/** Rows that do not open, each told once. */
class Skipped {
  readonly ids: string[] = [];
  /** Data keys that KMS takes for something else: it need not be asked again for each of their rows. */
  readonly keys = new Set<string>();
  readonly #tools: Tools;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  add(row: RetiredRow, reason: string): void {
    this.ids.push(row.row_id);
    this.#tools.say({
      event: 'unreadable',
      connection_id: row.connection_id,
      tenant_id: row.tenant_id,
      provider_id: row.provider,
      reason,
    });
  }
}

async function resealBatch(tools: Tools, rows: readonly RetiredRow[], skipped: Skipped): Promise<Resealed[]> {
  const done: Resealed[] = [];
  for (const row of rows) {
    const from = await openOldKey(tools, row, skipped);
    if (!from) continue;
    const to = await openNewKey(tools, row);
    const again = async (field: Field) => {
      const envelope = row[field];
      return envelope && reseal(new Uint8Array(envelope), from, to, bindingOf(row, field));
    };
    try {
      done.push({
        row_id: row.row_id,
        seen: row.seen,
        next_id: to.id,
        credential: await again('credential'),
        refresh_token: await again('refresh_token'),
        previous_refresh_token: await again('previous_refresh_token'),
        webhook_secret: await again('webhook_secret'),
      });
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      skipped.add(row, `envelope ${error.message}`);
    }
  }
  return done;
}

async function openOldKey({ kms }: Tools, row: RetiredRow, skipped: Skipped): Promise<DataKey | undefined> {
  const wrapped = toDataKey(row);
  if (!wrapped) return undefined;
  const reason = `data key ${wrapped.id} refused by kms`;
  if (skipped.keys.has(wrapped.id)) {
    skipped.add(row, reason);
    return undefined;
  }
  try {
    return await openDataKey(wrapped, kms, Date.now());
  } catch (error) {
    if (!(error instanceof KmsRefusal)) throw error;
    skipped.keys.add(wrapped.id);
    skipped.add(row, reason);
    return undefined;
  }
}

async function openNewKey({ kms }: Tools, row: RetiredRow): Promise<DataKey> {
  const wrapped = {
    id: row.next_id,
    tenantId: row.key_tenant_id,
    generation: row.next_generation,
    kmsKeyId: row.next_kms_key_id,
    wrapped: row.next_wrapped,
  };
  try {
    return await openDataKey(wrapped, kms, Date.now());
  } catch (error) {
    if (!(error instanceof KmsRefusal)) throw error;
    throw new NotDone(
      `KMS does not take data key ${row.next_id} for what its row says. Find out who wrote that row.`,
    );
  }
}
