import type { Context } from 'hono';
import { z } from 'zod';
import { badParameter } from './answers.ts';

const number = z.coerce.number().int().min(1);
const pagingQuery = z.strictObject({
  page: number.optional(),
  per_page: number.max(100).optional(),
  'page[size]': number.max(100).optional(),
  'page[after]': z.string().optional(),
});

/**
 * Answers a list either way the service can page: by offset (`page`, `per_page`) or, when `page[size]` is
 * there, by cursor (developer.zendesk.com/api-reference/introduction/pagination). `filters` are the other
 * parameters the endpoint takes. Any other is refused; the real service may ignore it.
 */
export function paged(c: Context, name: string, items: unknown[], filters: string[] = []): Response {
  const url = new URL(c.req.url);
  const own = [...url.searchParams].filter(([key]) => !filters.includes(key));
  const query = pagingQuery.safeParse(Object.fromEntries(own));
  if (!query.success) {
    const [issue] = query.error.issues;
    return badParameter(issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : String(issue?.path[0]));
  }
  const { page = 1, per_page = 100, 'page[size]': size, 'page[after]': after } = query.data;
  const other = (key: string, value: string) => {
    const target = new URL(url);
    target.searchParams.set(key, value);
    return target.href;
  };

  if (size === undefined) {
    if (after !== undefined) return badParameter('page[after]');
    const start = (page - 1) * per_page;
    return c.json({
      [name]: items.slice(start, start + per_page),
      count: items.length,
      next_page: start + per_page < items.length ? other('page', String(page + 1)) : null,
      previous_page: page > 1 ? other('page', String(page - 1)) : null,
    });
  }

  const start = after === undefined ? 0 : readCursor(after);
  if (start === undefined) return badParameter('page[after]');
  const more = start + size < items.length;
  const cursor = more ? btoa(`after:${start + size}`) : null;
  return c.json({
    [name]: items.slice(start, start + size),
    meta: { has_more: more, after_cursor: cursor, before_cursor: null },
    links: { next: cursor === null ? null : other('page[after]', cursor), prev: null },
  });
}

function readCursor(cursor: string): number | undefined {
  const [, offset] = /^after:(\d+)$/.exec(Buffer.from(cursor, 'base64').toString()) ?? [];
  return offset === undefined ? undefined : Number(offset);
}
