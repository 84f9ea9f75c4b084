import { GraphQLError } from 'graphql';

/** The arguments of every connection (docs/api/usage/pagination-graphql). */
export interface PageArguments {
  first?: number | null;
  last?: number | null;
  after?: string | null;
  before?: string | null;
  reverse?: boolean | null;
}

/** What a list is sorted by: a value, and the id where that is the same. */
export interface Place {
  value: string | number;
  id: string;
}

const LARGEST_PAGE = 250;

/** One page of `items`, which need not be sorted; `node` makes what the API shows. */
export function connection<T, Node>(
  items: readonly T[],
  given: PageArguments,
  place: (item: T) => Place,
  node: (item: T) => Node,
) {
  const { first, last } = given;
  if (first == null && last == null) throw badRequest('you must provide one of first or last');
  if (first != null && last != null) throw badRequest('providing both first and last is not supported');
  if ((first ?? last ?? 0) > LARGEST_PAGE) {
    throw badRequest(`${first == null ? 'last' : 'first'} cannot exceed ${LARGEST_PAGE}`);
  }
  if ((first ?? last ?? 0) < 0) throw badRequest('the size of a page cannot be negative');

  const direction = given.reverse ? -1 : 1;
  const sorted = items
    .map((item) => ({ item, at: place(item) }))
    .sort((a, b) => direction * comparePlaces(a.at, b.at));
  const after = given.after == null ? undefined : readCursor(given.after, sorted[0]?.at);
  const before = given.before == null ? undefined : readCursor(given.before, sorted[0]?.at);
  const inside = sorted.filter(
    ({ at }) =>
      (!after || direction * comparePlaces(at, after) > 0) &&
      (!before || direction * comparePlaces(at, before) < 0),
  );
  const page =
    first == null ? inside.slice(inside.length - Math.min(last ?? 0, inside.length)) : inside.slice(0, first);
  const edges = page.map(({ item, at }) => ({ cursor: writeCursor(at), node: node(item) }));
  const [start] = page;
  const end = page.at(-1);
  return {
    edges,
    nodes: edges.map((edge) => edge.node),
    pageInfo: {
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
      hasPreviousPage: start !== undefined && start !== sorted[0],
      hasNextPage: end !== undefined && end !== sorted.at(-1),
    },
  };
}

/** Ids are digits, some of more than a number holds. */
export function compareIds(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : Number(a > b));
}

function comparePlaces(a: Place, b: Place): number {
  if (a.value !== b.value) return a.value < b.value ? -1 : 1;
  return compareIds(a.id, b.id);
}

function writeCursor({ value, id }: Place): string {
  return Buffer.from(JSON.stringify({ last_id: id, last_value: value })).toString('base64');
}

/** A cursor says how its list was sorted by the type of its value. */
function readCursor(cursor: string, like: Place | undefined): Place {
  const { last_id: id, last_value: value } = parseCursor(cursor);
  const isValue = typeof value === 'string' || typeof value === 'number';
  if (typeof id !== 'string' || !isValue || (like && typeof like.value !== typeof value)) {
    throw badRequest('Invalid cursor for current pagination sort.');
  }
  return { value, id };
}

function parseCursor(cursor: string): { last_id?: unknown; last_value?: unknown } {
  try {
    return Object(JSON.parse(Buffer.from(cursor, 'base64').toString()));
  } catch {
    return {};
  }
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST' } });
}
