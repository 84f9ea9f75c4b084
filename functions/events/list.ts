import * as z from 'zod';
import { FEED_STATUSES, type FeedEvent, readFeed } from '../../lib/events/feed.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';
import { REASONS } from '../../lib/notices.ts';

const event = z.object({
  id: z.guid(),
  type: z.string(),
  provider: z.string(),
  connection_id: z.guid(),
  user_id: z.guid(),
  brand_id: z.guid().nullable(),
  account_id: z.string(),
  occurred_at: z.iso.datetime(),
  received_at: z.iso.datetime(),
  data: z
    .unknown()
    .describe(
      `The provider’s payload, untouched. Of the connection’s own events an object with reason, one of ${Object.keys(REASONS).join(', ')}, and action, what the person should do.`,
    ),
});

export const events = endpoint(
  {
    method: 'get',
    path: '/api/events',
    summary: 'The scope’s system events, oldest first',
    access: 'session',
    query: z.object({
      after: z
        .string()
        .max(200)
        .optional()
        .describe(
          'The `next` of the answer before. One from before a restore of the database begins at the beginning.',
        ),
      limit: z.coerce.number().int().min(1).max(100).default(50),
      type: z
        .string()
        .regex(/^[\w.]{1,100}$/)
        .optional(),
      connection_id: z.guid().optional(),
      status: z
        .enum(FEED_STATUSES)
        .optional()
        .describe('Of telling the agent: `dead` is what it has never taken.'),
    }),
    responses: {
      200: {
        description:
          'Events, fewer than `limit` where they are large; `next` is where to go on, at the end and on an empty page, too',
        schema: z.object({ events: z.array(event), next: z.string(), has_more: z.boolean() }),
      },
    },
    problems: WITH_SESSION,
  },
  async (c, { query: { after, limit, type, connection_id: connection, status } }) => {
    const { events, next, hasMore } = await readFeed(c.get('services'), c.get('caller'), {
      after,
      limit,
      type,
      connection,
      status,
    });
    const end = `],"next":${JSON.stringify(next)},"has_more":${hasMore}}`;
    return c.body(streamOf(inJson(events, end)), 200, { 'content-type': 'application/json' });
  },
);

/** Put together as text: parsing a payload would change its numbers. */
async function* inJson(events: readonly FeedEvent[], end: string): AsyncGenerator<Uint8Array> {
  const utf8 = new TextEncoder();
  yield utf8.encode('{"events":[');
  for (const [at, event] of events.entries()) {
    if (at > 0) yield utf8.encode(',');
    yield* event();
  }
  yield utf8.encode(end);
}

function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}
