/** A text in UTF-8, a byte order mark and all; undefined where it is none. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** What a text says in JSON (RFC 8259); undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The same, with integers past 2^53 as their digits in a text, since a number would be another one. */
export function parseJsonExactly(text: string): unknown {
  return parseNumbers(text, (value, source) => {
    const isInexact = Number.isInteger(value) && !Number.isSafeInteger(value);
    return isInexact && /^-?\d+$/.test(source) ? source : value;
  });
}

/** The same, with each number as the text that it was written as. */
export function parseJsonDigits(text: string): unknown {
  return parseNumbers(text, (_, source) => source);
}

interface RawJson {
  rawJSON(text: string): unknown;
}

/** The JSON texts of the members of an array that stands at `path` in a text; numbers are written as they were. */
export function textsAt(text: string, ...path: string[]): string[] {
  const { rawJSON } = JSON as unknown as RawJson;
  let at = parseNumbers(text, (_, source) => rawJSON(source));
  for (const key of path) at = (at as Record<string, unknown> | null | undefined)?.[key];
  return Array.isArray(at) ? at.map((member) => JSON.stringify(member)) : [];
}

/** Gives each number with its text to `read`: https://tc39.es/proposal-json-parse-with-source. */
function parseNumbers(text: string, read: (value: number, source: string) => unknown): unknown {
  try {
    return JSON.parse(text, (_, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && context?.source !== undefined ? read(value, context.source) : value,
    );
  } catch {
    return undefined;
  }
}
