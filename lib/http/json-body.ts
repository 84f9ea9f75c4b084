import { visit } from 'jsonc-parser';
import { readBounded } from '../bounded-read.ts';
import { decodeUtf8, parseJson } from '../json-text.ts';
import { Problem } from '../problem.ts';

const MAX_BYTES = 64 * 1024;

/**
 * Reads one plain JSON document: its media type, at most 64 KiB, UTF-8, no key twice in an object. Throws
 * `unsupported_media_type`, `payload_too_large` or `invalid_request`.
 */
export async function readJsonBody(request: Request): Promise<unknown> {
  const type = (request.headers.get('content-type') ?? '').toLowerCase();
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/.test(type)) {
    throw new Problem('unsupported_media_type', 'Send the body as application/json.');
  }
  if (request.headers.has('content-encoding')) {
    throw new Problem('unsupported_media_type', 'Send the body without a Content-Encoding.');
  }
  const bytes = await readBounded(request, MAX_BYTES);
  if (!bytes) throw new Problem('payload_too_large', 'The body may be 64 KiB at most.');

  const text = decodeUtf8(bytes);
  const value = text === undefined ? undefined : parseJson(text);
  if (text === undefined || value === undefined)
    throw new Problem('invalid_request', 'The body is not valid JSON.');
  if (hasBadKeys(text)) {
    throw new Problem(
      'invalid_request',
      'The body names a key twice in one object, or one that may not be named.',
    );
  }
  return value;
}

/**
 * Of two keys JSON.parse takes the last, and another reader may take the first (RFC 8259 section 4); `__proto__`
 * is a key to some and a prototype to others.
 */
function hasBadKeys(text: string): boolean {
  const open: Set<string>[] = [];
  let found = false;
  try {
    visit(text, {
      onObjectBegin: () => void open.push(new Set()),
      onObjectEnd: () => void open.pop(),
      onObjectProperty: (name) => {
        const names = open.at(-1);
        if (names?.has(name) || name === '__proto__') found = true;
        names?.add(name);
      },
    });
  } catch (error) {
    // Nested deeper than the reader's stack.
    if (error instanceof RangeError) return true;
    throw error;
  }
  return found;
}
