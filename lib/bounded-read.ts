/**
 * Reads the body of a request or a response, or gives undefined where it is more than `maxBytes`. What says its length
 * (RFC 9110 section 8.6) cannot be more than that, unless it is encoded, and is read at once.
 */
export async function readBounded(
  message: Pick<Request | Response, 'headers' | 'body' | 'arrayBuffer'>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { headers, body } = message;
  if (!body) return new Uint8Array();
  const length = headers.get('content-length');
  if (length === null || !/^\d+$/.test(length) || headers.has('content-encoding'))
    return readStream(body, maxBytes);
  if (Number(length) > maxBytes) return undefined;
  return new Uint8Array(await message.arrayBuffer());
}

async function readStream(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
