import type { Provider, Told, Webhooks } from '../../providers/provider.ts';
import { readLarge } from '../bounded-read.ts';
import { outlineOf } from '../json-outline.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { within } from '../within.ts';
import type { Room } from './large-bodies.ts';
import { knownRecipient, type Recipient, readRecipient } from './recipient.ts';
import { clientKeys } from './secrets.ts';
import { isSignature, isSigned } from './signature.ts';

/** A delivery that is rightly signed, and what it says. */
export interface Received {
  told: Told;
  /** JSON in UTF-8, as it came. */
  bytes: Uint8Array;
  /** SHA-256 of the bytes. */
  hash: Uint8Array;
}

/** Bytes of a body that is read whoever sends it. */
const SMALL_BYTES = 64 * 1024;
/** Milliseconds in which a large body must be here: who sends one waits ten seconds in all for us. */
const READING_MS = 8_000;

interface Delivered {
  connectionId: string | undefined;
  /** May refuse to have anything asked of PostgreSQL, or much read, for who sends it. */
  beforeAsking: () => void;
  room: Room;
}

/**
 * Reads and verifies a delivery to a connection, or to the app as a whole. Nothing is asked of PostgreSQL for one
 * that is not signed at all, nor for a small one whose keys this isolate knows; more than 64 KB are read of what a
 * connection that is there is told, and a few at a time. Throws `payload_too_large`, `invalid_signature`, `invalid_request`
 * for what is no JSON, `not_found` and `unavailable`.
 */
export async function readDelivery(
  services: Services,
  provider: Provider,
  request: Request,
  delivered: Delivered,
): Promise<Received> {
  const { webhooks } = provider;
  if (!webhooks || (delivered.connectionId !== undefined && !hasOwnAddress(webhooks))) throw notFound();
  const header = request.headers.get(webhooks.signature.header) ?? '';
  if (!isSignature(webhooks.signature, header)) throw badSignature();
  const bytes = await readBody(services, provider, request, delivered, webhooks.maxBytes);
  await verify(services, provider, webhooks, { header, bytes, ...delivered });

  const json = outlineOf(bytes);
  if (json === undefined) throw new Problem('invalid_request', 'The body is signed, but it is not JSON.');
  const told = webhooks.read({ headers: request.headers, json });
  if (!told) throw badSignature();
  return { told, bytes, hash: new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)) };
}

/**
 * Whether connections are told at addresses of their own. Where all is told to the app as a whole, and signed with its
 * one secret, nothing ties a delivery to the connection at whose address it comes.
 */
function hasOwnAddress({ clientSecrets, unregister }: Webhooks): boolean {
  return clientSecrets === undefined || unregister !== undefined;
}

async function readBody(
  services: Services,
  provider: Provider,
  request: Request,
  { connectionId, beforeAsking, room }: Delivered,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const reading = readLarge(request, { smallBytes: SMALL_BYTES, maxBytes }, async (length) => {
    beforeAsking();
    if (connectionId !== undefined && !(await recipientOf(services, provider, connectionId)))
      throw notFound();
    await room.take(length);
  });
  const late = () => new Problem('unavailable', 'The body takes too long to come.');
  const bytes = await within(READING_MS, reading, late);
  if (!bytes) throw new Problem('payload_too_large', `The body may be ${maxBytes} bytes at most.`);
  return bytes;
}

async function recipientOf(
  services: Services,
  { id }: Provider,
  connectionId: string,
): Promise<Recipient | undefined> {
  return knownRecipient(connectionId, Date.now()) ?? readRecipient(services, id, connectionId);
}

async function verify(
  services: Services,
  provider: Provider,
  { signature }: Webhooks,
  {
    header,
    bytes,
    connectionId,
    beforeAsking,
  }: Omit<Delivered, 'room'> & { header: string; bytes: Uint8Array },
): Promise<void> {
  const now = Date.now();
  const shared = await clientKeys(services, provider);
  if (shared) {
    if (!(await isSigned(signature, header, bytes, { keys: shared, now }))) throw badSignature();
    return;
  }
  if (connectionId === undefined) throw notFound();
  const known = knownRecipient(connectionId, now);
  if (known && (await isSigned(signature, header, bytes, { keys: known.keys, now }))) return;
  // Unknown here, or changed since.
  beforeAsking();
  const read = await readRecipient(services, provider.id, connectionId, known?.version);
  if (!read) throw notFound();
  if (await isSigned(signature, header, bytes, { keys: read.keys, now })) return;
  if (read.version !== known?.version) await readRecipient(services, provider.id, connectionId, read.version);
  throw badSignature();
}

export function badSignature(): Problem {
  return new Problem('invalid_signature', 'The delivery is not signed by who may send it here.');
}

export function notFound(): Problem {
  return new Problem('not_found', 'There is no such connection.');
}
