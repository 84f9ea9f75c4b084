import { Tokenizer, TokenParser, TokenType } from '@streamparser/json';
import { decodeUtf8, parseJson } from './json-text.ts';

/** Bytes of JSON that are parsed as a whole: what is parsed takes many times its size. */
const WHOLE_BYTES = 1_000_000;
const MOST_MEMBERS = 10_000;
const MOST_CHARACTERS = 10_000;
const DEEPEST = 10_000;
const PIECE_BYTES = 256 * 1024;

/**
 * What a JSON text in UTF-8 says (RFC 8259): all of a small one; of a large one its outline, which has the members of
 * its objects and of those within these, no array, and no text of more than 10,000 characters. Undefined where it is no
 * JSON, or more than ten thousand levels deep.
 */
export function outlineOf(bytes: Uint8Array): unknown {
  if (bytes.length > WHOLE_BYTES) return outlineOfLarge(bytes);
  const text = decodeUtf8(bytes);
  return text === undefined ? undefined : parseJson(text);
}

function outlineOfLarge(bytes: Uint8Array): unknown {
  const tokenizer = new Tokenizer({ stringBufferSize: 64 * 1024 });
  const parser = new TokenParser({ keepStack: false });
  const outline: Record<string, unknown> = {};
  let isObject = false;
  let isOver = false;
  let depth = 0;
  let members = 0;
  tokenizer.onToken = (token) => {
    const kind = token.token;
    if (depth === 0) isObject ||= kind === TokenType.LEFT_BRACE;
    if (kind === TokenType.LEFT_BRACE || kind === TokenType.LEFT_BRACKET) depth += 1;
    if (kind === TokenType.RIGHT_BRACE || kind === TokenType.RIGHT_BRACKET) depth -= 1;
    if (depth > DEEPEST) throw new RangeError('too deep');
    parser.write(token);
  };
  parser.onValue = ({ value, key, parent, stack }) => {
    forget(parent, key);
    if (typeof key !== 'string' || stack.length > 2 || members >= MOST_MEMBERS) return;
    const within = stack.length === 1 ? outline : memberOf(outline, stack[1]?.key);
    members += 1;
    if (!within) return;
    const isScalar = typeof value !== 'object' || value === null;
    if (isScalar && !(typeof value === 'string' && value.length > MOST_CHARACTERS)) put(within, key, value);
    else if (!isScalar && !Array.isArray(value) && stack.length === 1 && !Object.hasOwn(within, key))
      put(within, key, {});
  };
  parser.onEnd = () => {
    isOver = true;
  };
  tokenizer.onError = parser.onError = (error) => {
    throw error;
  };
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      decoder.decode(piece, { stream: true });
      tokenizer.write(piece);
    }
    decoder.decode();
    if (!tokenizer.isEnded) tokenizer.end();
  } catch {
    return undefined;
  }
  return isOver ? (isObject ? outline : []) : undefined;
}

/** The object within the outline that a member on the second level is of. */
function memberOf(
  outline: Record<string, unknown>,
  name: string | number | undefined,
): Record<string, unknown> | undefined {
  if (typeof name !== 'string') return undefined;
  if (!Object.hasOwn(outline, name)) put(outline, name, {});
  const found = outline[name];
  return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : undefined;
}

/** The parser keeps what stands around a value: that would be all of the text. */
function forget(parent: unknown, key: string | number | undefined): void {
  if (Array.isArray(parent)) parent.length = 0;
  else if (typeof parent === 'object' && parent !== null && key !== undefined)
    delete (parent as Record<string, unknown>)[key];
}

/** As JSON.parse does it: whatever the name is. */
function put(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}
