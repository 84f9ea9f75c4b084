import * as z from 'zod';
import { type Obtained, obtained } from './grants/obtained-message.ts';
import { type Renewed, renewed } from './refresh/renewed.ts';
import type { Services } from './services.ts';

/**
 * What goes through the queues: pointers to rows that know the rest, and what PostgreSQL did not take: tokens that a
 * sign-in has brought, a refresh that is not written yet.
 */
export const message = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('revocation'), id: z.guid() }),
  obtained,
  z.object({ kind: z.literal('check'), ids: z.array(z.guid()) }),
  /** A sign-in has brought tokens of a grant that others live on, and changed theirs; `id` is who has kept them. */
  z.object({
    kind: z.literal('joined'),
    provider: z.string(),
    grant_id: z.string(),
    id: z.guid().nullable(),
  }),
  z.object({ kind: z.literal('refresh'), ids: z.array(z.guid()) }),
  renewed,
  z.object({ kind: z.literal('webhook'), id: z.guid() }),
]);

export type Message = z.output<typeof message>;

/** What goes through the queues of events: pointers to those that an agent is to be told. */
export const events = z.object({ kind: z.literal('event'), ids: z.array(z.guid()) });

/** Sends pointers to due revocations. */
export async function sendRevocations({ env }: Services, ids: readonly string[]): Promise<void> {
  const messages = ids.map((id) => ({ body: z.encode(message, { kind: 'revocation', id }) }));
  for (let at = 0; at < messages.length; at += 100)
    await env.REVOCATIONS.sendBatch(messages.slice(at, at + 100));
}

/** A few to a message, so that one whose agent is slow does not hold up many. */
const EVENTS_PER_MESSAGE = 10;

/**
 * Sends pointers to events that an agent is to be told, after `delaySeconds`. Those with large payloads (`isLarge`) have a
 * queue of their own, one to a message, so that others' do not wait while they are read.
 */
export async function sendEvents(
  { env }: Services,
  ids: readonly string[],
  { isLarge = false, delaySeconds = 0 }: { isLarge?: boolean; delaySeconds?: number } = {},
): Promise<void> {
  const [queue, each] = isLarge ? [env.LARGE_EVENTS, 1] : [env.EVENTS, EVENTS_PER_MESSAGE];
  const messages: { body: unknown; delaySeconds: number }[] = [];
  for (let at = 0; at < ids.length; at += each) {
    messages.push({ body: { kind: 'event', ids: ids.slice(at, at + each) }, delaySeconds });
  }
  const [first, ...more] = messages;
  if (first && more.length === 0) return queue.send(first.body, { delaySeconds }).then(() => undefined);
  for (let at = 0; at < messages.length; at += 100) await queue.sendBatch(messages.slice(at, at + 100));
}

/** Sends pointers to connections whose webhooks are to be looked after. */
export async function sendWebhooks({ env }: Services, ids: readonly string[]): Promise<void> {
  const messages = ids.map((id) => ({ body: { kind: 'webhook', id } }));
  for (let at = 0; at < messages.length; at += 100)
    await env.WEBHOOKS.sendBatch(messages.slice(at, at + 100));
}

/** Seconds before obtained tokens are written again; the queue's own retry delay follows. */
const OBTAINED_DELAY = 5;

/** Sends tokens that stand in no row; whoever reads them after `delaySeconds` writes one. */
export async function sendObtained(
  { env }: Services,
  tokens: Obtained,
  delaySeconds = OBTAINED_DELAY,
): Promise<void> {
  await env.REVOCATIONS.send(z.encode(message, tokens), { delaySeconds });
}

/** Few enough that a slow provider does not keep the others waiting for long. */
const CHECKS_PER_MESSAGE = 20;

/** Sends the ids of connections whose provider is to be asked whether they work still. */
export async function sendChecks({ env }: Services, ids: readonly string[]): Promise<void> {
  const messages: { body: unknown }[] = [];
  for (let at = 0; at < ids.length; at += CHECKS_PER_MESSAGE) {
    messages.push({ body: { kind: 'check', ids: ids.slice(at, at + CHECKS_PER_MESSAGE) } });
  }
  for (let at = 0; at < messages.length; at += 100) await env.CHECKS.sendBatch(messages.slice(at, at + 100));
}

/** Has a grant looked at that a sign-in has brought tokens of; what is lost of it is found out by refreshes and checks. */
export async function sendJoined(
  { env }: Services,
  joined: { provider: string; grant_id: string; id: string | null },
): Promise<void> {
  await env.CHECKS.send({ kind: 'joined', ...joined }).catch(() => undefined);
}

/** Each takes two to three of the 10,000 subrequests that an invocation may make. */
const IDS_PER_MESSAGE = 1_000;
/** Under the 256 KB of one send. */
const MESSAGES_PER_SEND = 6;

/** Sends the ids of connections that are due. */
export async function sendRefreshes({ env }: Services, ids: readonly string[]): Promise<void> {
  const messages: { body: unknown }[] = [];
  for (let at = 0; at < ids.length; at += IDS_PER_MESSAGE) {
    messages.push({ body: { kind: 'refresh', ids: ids.slice(at, at + IDS_PER_MESSAGE) } });
  }
  for (let at = 0; at < messages.length; at += MESSAGES_PER_SEND) {
    await env.REFRESHES.sendBatch(messages.slice(at, at + MESSAGES_PER_SEND));
  }
}

/** Seconds before a refresh that was not written is tried again; the queue's own retry delay follows. */
const RENEWED_DELAY = 5;

export async function sendRenewed({ env }: Services, result: Renewed): Promise<void> {
  await env.REVOCATIONS.send(z.encode(message, result), { delaySeconds: RENEWED_DELAY });
}
