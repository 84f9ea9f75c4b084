import * as z from 'zod';
import { type Unsettled, unsettled } from './connections/unsettled.ts';
import type { Services } from './services.ts';

/** What goes through the revocations queue: a pointer to a row that knows the rest, or a token without a row. */
export const message = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('revocation'), id: z.guid() }),
  unsettled,
]);

export type Message = z.output<typeof message>;

/** Sends pointers to due revocations. */
export async function sendRevocations({ env }: Services, ids: readonly string[]): Promise<void> {
  await env.REVOCATIONS.sendBatch(ids.map((id) => ({ body: z.encode(message, { kind: 'revocation', id }) })));
}

/** Seconds before a token is first settled; the queue's own retry delay follows. */
const UNSETTLED_DELAY = 5;

/** Sends a token whose row may or may not stand; soon PostgreSQL may answer again. */
export async function sendUnsettled({ env }: Services, token: Unsettled): Promise<void> {
  await env.REVOCATIONS.send(z.encode(message, token), { delaySeconds: UNSETTLED_DELAY });
}
