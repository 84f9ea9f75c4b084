import { NotDone, type Tools } from '../command-tools.ts';
import { finishRotation, forgetKeys, makeKeys, retireKeys } from './generations.ts';
import { resealRows } from './reseal.ts';

/**
 * Gives every tenant, or one, a new data key and seals with it all that older ones have sealed. A rotation that was
 * broken off goes on where it was; run beside itself it does the same work together.
 */
export async function rotate(tools: Tools, tenantId: string | undefined, patienceMs?: number): Promise<void> {
  const { retired, unfinished } = await retireKeys(tools, tenantId);
  if (tenantId !== undefined && retired + unfinished === 0) {
    throw new NotDone(`${tenantId} has no data keys: the id is another, or nothing was ever connected.`);
  }
  tools.say({ event: unfinished > 0 ? 'rotation_resumed' : 'rotation_begun', retired, unfinished });
  await makeKeys(tools, tenantId);
  const { resealed, unreadable } = await resealRows(tools, tenantId, patienceMs);
  await finishRotation(tools, tenantId);
  const forgotten = await forgetKeys(tools, tenantId);
  tools.say({ event: 'rotated', resealed, rows_left: unreadable, data_keys_deleted: forgotten });
  if (unreadable > 0) {
    throw new NotDone(
      `${unreadable} rows do not open and keep their old keys (above). Find out who wrote them; their owners connect again.`,
    );
  }
}
