type Message = Pick<Request | Response, 'headers' | 'body' | 'arrayBuffer'>;

/**
 * Reads the body of a request or a response, or gives undefined where it is more than `maxBytes`. What says its length
 * (RFC 9110 section 8.6) cannot be more than that, unless it is encoded, and is read at once.
 */
export async function readBounded(
  message: Message,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const length = lengthOf(message);
  if (length === undefined) {
    const { bytes, isAll, reader } = await readStart(message, maxBytes);
    if (!isAll) await reader.cancel().catch(() => undefined);
    return isAll && bytes.length <= maxBytes ? bytes : undefined;
  }
  if (length > maxBytes) return undefined;
  return new Uint8Array(await message.arrayBuffer());
}

/**
 * The same of a body that may be large: `beforeLarge` is waited for before more than `smallBytes` are read of it, with
 * as many bytes as it takes at most.
 */
export async function readLarge(
  message: Message,
  { smallBytes, maxBytes }: { smallBytes: number; maxBytes: number },
  beforeLarge: (bytes: number) => Promise<void>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const length = lengthOf(message);
  if (length !== undefined) {
    if (length > maxBytes) return undefined;
    if (length > smallBytes) await beforeLarge(length);
    return new Uint8Array(await message.arrayBuffer());
  }
  const start = await readStart(message, smallBytes);
  if (start.isAll) return start.bytes;
  await beforeLarge(maxBytes);
  return readRest(start, maxBytes);
}

/** What a message says of the length of its body; undefined where that is not the length of what is read. */
function lengthOf({ headers, body }: Message): number | undefined {
  if (!body) return 0;
  const length = headers.get('content-length');
  if (length === null || !/^\d+$/.test(length) || headers.has('content-encoding')) return undefined;
  return Number(length);
}

interface Start {
  bytes: Uint8Array<ArrayBuffer>;
  isAll: boolean;
  reader: ReadableStreamDefaultReader<Uint8Array>;
}

/** The first bytes of a body: all of it, or more than `atMost`, by one chunk at most. */
async function readStart({ body }: Message, atMost: number): Promise<Start> {
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isAll = false;
  while (!isAll && length <= atMost) {
    const { value, done } = await reader.read();
    isAll = done;
    if (value) {
      chunks.push(value);
      length += value.length;
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, isAll, reader };
}

async function readRest(
  { bytes, reader }: Start,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const all = new Uint8Array(maxBytes);
  let length = 0;
  const isTaken = (chunk: Uint8Array) => {
    if (length + chunk.length > maxBytes) return false;
    all.set(chunk, length);
    length += chunk.length;
    return true;
  };
  if (!isTaken(bytes)) return undefined;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return all.subarray(0, length);
    if (!isTaken(value)) {
      await reader.cancel().catch(() => undefined);
      return undefined;
    }
  }
}
