import type { Context } from 'hono';
import { z } from 'zod';
import { GraphError, invalidParameter } from './errors.ts';

/** What every call with a token may carry besides its own parameters. */
const COMMON = ['access_token', 'appsecret_proof'];

export const fields = z
  .string()
  .regex(/^\w+(,\w+)*$/)
  .optional();

/** How a list is cut; the page size that is too large is not documented. */
export const cut = {
  limit: z.coerce.number().int().min(1).max(500).optional(),
  after: z.string().optional(),
  before: z.string().optional(),
};

/** The query by its schema; an unknown parameter and one given twice are refused. */
export function readQuery<T>(c: Context, schema: z.ZodType<T>): T {
  const search = new URL(c.req.url).searchParams;
  const own = [...search].filter(([name]) => !COMMON.includes(name));
  const parsed = schema.safeParse(Object.fromEntries(own));
  if (parsed.success && search.size === new Set(search.keys()).size) return parsed.data;
  const issue = parsed.error?.issues[0];
  throw invalidParameter(
    issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : String(issue?.path[0] ?? 'given twice'),
  );
}

/** The wanted fields of a node, and always its id; a field that a node of its type never has is refused. */
export function select(
  node: Record<string, unknown>,
  wanted: string | undefined,
  { type, known, defaults }: { type: string; known: readonly string[]; defaults: readonly string[] },
): Record<string, unknown> {
  const names = wanted?.split(',') ?? defaults;
  const strange = names.find((name) => !known.includes(name));
  if (strange !== undefined) {
    const message = `(#100) Tried accessing nonexisting field (${strange}) on node type (${type})`;
    throw new GraphError({ code: 100, message });
  }
  const present = names.filter((name) => node[name] !== undefined);
  return { ...Object.fromEntries(present.map((name) => [name, node[name]])), id: node.id };
}

/** A page of a list (docs/graph-api/results); `next` and `previous` hold the token, as they really do. */
export function paged(
  c: Context,
  items: readonly unknown[],
  {
    limit = 25,
    after,
    before,
  }: { limit?: number | undefined; after?: string | undefined; before?: string | undefined },
  token: string,
) {
  const end = before === undefined ? undefined : position(before);
  const start =
    end === undefined ? (after === undefined ? 0 : position(after) + 1) : Math.max(0, end - limit);
  const data = items.slice(start, end ?? start + limit);
  if (data.length === 0) return { data };
  const last = start + data.length - 1;

  const link = (name: 'after' | 'before', cursor: string) => {
    const url = new URL(c.req.url);
    url.searchParams.delete('after');
    url.searchParams.delete('before');
    url.searchParams.set('access_token', token);
    url.searchParams.set('limit', String(limit));
    url.searchParams.set(name, cursor);
    return url.href;
  };
  return {
    data,
    paging: {
      cursors: { before: cursorOf(start), after: cursorOf(last) },
      ...(last < items.length - 1 && { next: link('after', cursorOf(last)) }),
      ...(start > 0 && { previous: link('before', cursorOf(start)) }),
    },
  };
}

const cursorOf = (index: number): string => Buffer.from(`at:${index}`).toString('base64url');

function position(cursor: string): number {
  const [, index] = /^at:(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (index === undefined) throw new GraphError({ code: 100, message: '(#100) Invalid cursors values' });
  return Number(index);
}
