import { SMALL_BYTES } from '../payloads/read.ts';
import { sendEvents } from '../queue.ts';
import type { Services } from '../services.ts';

/** An event that a message must be sent for. */
export interface Left {
  id: string;
  payload_bytes: number;
}

/** Sends pointers to events, each to the queue for its size. What the queue does not take the cron finds. */
export async function sendLeft(services: Services, left: readonly Left[]): Promise<void> {
  const [large, small] = [true, false].map((isLarge) =>
    left.filter(({ payload_bytes: bytes }) => bytes > SMALL_BYTES === isLarge).map(({ id }) => id),
  );
  if (small && small.length > 0) await sendEvents(services, small).catch(() => undefined);
  if (large && large.length > 0) await sendEvents(services, large, { isLarge: true }).catch(() => undefined);
}
