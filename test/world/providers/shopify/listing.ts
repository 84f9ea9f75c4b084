import { GraphQLError } from 'graphql';
import type { Shared } from './graphql.ts';
import type { PageArguments } from './paging.ts';
import { parseSearch, type Values } from './search.ts';

/** The arguments of a list that can be searched. */
export interface ListArguments extends PageArguments {
  query?: string | null;
  sortKey?: string | null;
}

/** What records are searched or sorted by; the texts that a bare word is looked for in are `''`. */
export type Getters<T> = Record<string, (record: T) => string | number>;

/** What a query finds; a field that it cannot search is left out and noted, a query without sense is refused. */
export function search<T>(
  path: string,
  all: T[],
  { query }: { query?: string | null },
  getters: Getters<T>,
  shared: Shared,
): T[] {
  if (query == null || query.trim() === '') return all;
  const parsed = parseSearch(query);
  if (!parsed) throw new GraphQLError('Invalid search query syntax', { extensions: { code: 'BAD_REQUEST' } });
  const unknown = parsed.fields.filter((field) => !Object.hasOwn(getters, field));
  if (unknown.length > 0) {
    const message = 'Invalid search field for this query.';
    const warnings = unknown.map((field) => ({ field, message, code: 'invalid_field' }));
    shared.notes.push({ path: [path], query, warnings });
  }
  return all.filter((record) => {
    const values: Values = (field) =>
      Object.hasOwn(getters, field) ? [String(getters[field]?.(record))] : undefined;
    return parsed.matches(values);
  });
}
