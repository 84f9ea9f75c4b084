import type { Context } from 'hono';
import { z } from 'zod';

/** The parameters that every list takes. */
export const pageQuery = {
  per_page: z.coerce.number().int().min(1).max(100).default(30),
  page: z.coerce.number().int().min(1).default(1),
};

export const onlyPages = z.strictObject(pageQuery);

/** One page of a list; sets the Link header (using-pagination-in-the-rest-api). */
export function pageOf<T>(
  c: Context,
  items: T[],
  { page, per_page }: { page: number; per_page: number },
): T[] {
  const last = Math.ceil(items.length / per_page);
  const link = (target: number, rel: string) => {
    const url = new URL(c.req.url);
    url.searchParams.set('page', String(target));
    return `<${url}>; rel="${rel}"`;
  };
  const links = [
    ...(page > 1 ? [link(page - 1, 'prev')] : []),
    ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
    ...(page > 1 ? [link(1, 'first')] : []),
  ];
  if (links.length > 0) c.header('link', links.join(', '));
  return items.slice((page - 1) * per_page, page * per_page);
}
