import type { Context } from 'hono';
import { z } from 'zod';

/** The arguments of a call by name, or the error it gets. */
export type Arguments = Record<string, string> | string;

const valueSchema = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.array(z.unknown()),
  z.record(z.string(), z.unknown()),
]);

/**
 * Reads the arguments as docs.slack.dev/apis/web-api/#basics has them: the query of a GET, the form or (of
 * methods that write) the JSON of a POST. A query next to a body is refused here; Slack would take both.
 */
export async function readArguments(c: Context, json: boolean): Promise<Arguments> {
  const search = new URL(c.req.url).searchParams;
  if (c.req.method === 'GET') return once([...search]);
  if (search.size > 0) return 'invalid_arguments';

  const header = c.req.header('content-type');
  const [type = '', ...parameters] = (header ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters.find((part) => part.startsWith('charset='))?.slice('charset='.length);
  if (charset !== undefined && !['utf-8', 'iso-8859-1'].includes(charset)) return 'invalid_charset';

  if (type === 'multipart/form-data') {
    const form = await c.req.raw.formData().catch(() => undefined);
    if (!form) return 'invalid_form_data';
    return once([...form].map(([name, value]) => [name, typeof value === 'string' ? value : '']));
  }
  const body = await c.req.text();
  if (type === 'application/x-www-form-urlencoded') return once([...new URLSearchParams(body)]);
  if (header === undefined) return body === '' ? {} : 'missing_post_type';
  // The service would not see the arguments of a method that does not take JSON, and go on without them.
  if (type !== 'application/json' || !json) return 'invalid_post_type';
  return fromJson(body);
}

function once(entries: [string, string][]): Arguments {
  return new Set(entries.map(([name]) => name)).size === entries.length
    ? Object.fromEntries(entries)
    : 'invalid_array_arg';
}

/** What is an object in JSON is text with JSON in a form: from here on it is text. */
function fromJson(body: string): Arguments {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return 'invalid_json';
  }
  const object = z.record(z.string(), z.unknown()).safeParse(parsed);
  if (!object.success) return 'json_not_object';
  const values = z.record(z.string(), valueSchema).safeParse(parsed);
  if (!values.success) return 'invalid_arguments';
  return Object.fromEntries(
    Object.entries(values.data).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

export const flag = z
  .enum(['true', 'false', '1', '0'])
  .transform((value) => value === 'true' || value === '1');
