/** A text in UTF-8, a byte order mark and all; undefined where it is none. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

interface RawJson {
  /** https://tc39.es/proposal-json-parse-with-source: a number that is written as it was. */
  rawJSON(text: string): unknown;
}

/** The JSON texts of the members of an array that stands at `path` in a text; numbers are written as they were. */
export function textsAt(text: string, ...path: string[]): string[] {
  const { rawJSON } = JSON as unknown as RawJson;
  let at: unknown;
  try {
    at = JSON.parse(text, (_, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && context?.source !== undefined ? rawJSON(context.source) : value,
    );
  } catch {
    return [];
  }
  for (const key of path) at = (at as Record<string, unknown> | null | undefined)?.[key];
  return Array.isArray(at) ? at.map((member) => JSON.stringify(member)) : [];
}

/** What a text says in JSON (RFC 8259); undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
