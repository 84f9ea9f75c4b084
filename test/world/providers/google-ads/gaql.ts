/** The Google Ads Query Language (docs/query/grammar): SELECT, FROM, WHERE, ORDER BY and LIMIT. */
export interface Query {
  fields: string[];
  from: string;
  conditions: Condition[];
  orderings: Array<{ field: string; isDescending: boolean }>;
  limit: number | null;
}

export interface Condition {
  field: string;
  operator: Operator;
  values: string[];
}

export type Operator = (typeof COMPARISONS)[number] | 'IN' | 'NOT IN' | 'LIKE' | 'NOT LIKE' | Period;
type Period = 'DURING' | 'BETWEEN';

const COMPARISONS = ['=', '!=', '>', '>=', '<', '<='] as const;
const TOKEN =
  /\s*(?:([A-Za-z_][\w.]*)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\d+(?:\.\d+)?)|([<>!]=|[=<>(),]))/y;

/** A word, a quoted text, a number or a sign. */
interface Token {
  kind: 'word' | 'text' | 'number' | 'sign';
  value: string;
}

/** reference/rpc/QueryErrorEnum; `code` is its constant. */
export class QueryProblem extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export function parseQuery(text: string): Query {
  const tokens = tokensOf(text);
  let position = 0;

  const peek = () => tokens[position];
  const isWord = (word: string) => peek()?.kind === 'word' && peek()?.value.toUpperCase() === word;
  const skip = (...words: string[]) => {
    const matches = words.every((word, index) => {
      const token = tokens[position + index];
      return token?.kind === 'word' && token.value.toUpperCase() === word;
    });
    if (matches) position += words.length;
    return matches;
  };
  const skipSign = (sign: string) => {
    const matches = peek()?.kind === 'sign' && peek()?.value === sign;
    if (matches) position += 1;
    return matches;
  };
  const demand = (word: string) => {
    if (!skip(word)) throw new QueryProblem(`EXPECTED_${word}`, `Error in query: expected ${word}.`);
  };
  const next = () => {
    const token = tokens[position];
    if (!token) throw new QueryProblem('UNEXPECTED_END_OF_QUERY', 'Error in query: unexpected end of query.');
    position += 1;
    return token;
  };
  const field = () => {
    const token = next();
    if (token.kind === 'word') return token.value;
    throw new QueryProblem('BAD_FIELD_NAME', `Error in query: ${token.value} is no field name.`);
  };
  const list = <T>(item: () => T): T[] => {
    const items = [item()];
    while (skipSign(',')) items.push(item());
    return items;
  };
  const value = () => {
    const token = next();
    if (token.kind !== 'sign') return token.value;
    throw new QueryProblem('BAD_VALUE', `Error in query: unexpected ${token.value}.`);
  };

  function condition(): Condition {
    const name = field();
    for (const operator of ['IN', 'NOT IN'] as const) {
      if (!skip(...operator.split(' '))) continue;
      if (!skipSign('(')) throw new QueryProblem('EXPECTED_LIST', 'Error in query: expected a list.');
      const values = list(value);
      if (!skipSign(')')) throw new QueryProblem('EXPECTED_LIST', 'Error in query: the list does not end.');
      return { field: name, operator, values };
    }
    for (const operator of ['LIKE', 'NOT LIKE', 'DURING'] as const) {
      if (skip(...operator.split(' '))) return { field: name, operator, values: [value()] };
    }
    if (skip('BETWEEN')) {
      const first = value();
      demand('AND');
      return { field: name, operator: 'BETWEEN', values: [first, value()] };
    }
    const operator = COMPARISONS.find((sign) => skipSign(sign));
    if (!operator) throw new QueryProblem('BAD_OPERATOR', `Error in query: no operator after ${name}.`);
    return { field: name, operator, values: [value()] };
  }

  function ordering() {
    const name = field();
    const isDescending = skip('DESC');
    if (!isDescending) skip('ASC');
    return { field: name, isDescending };
  }

  demand('SELECT');
  if (isWord('FROM'))
    throw new QueryProblem('UNEXPECTED_FROM_CLAUSE', 'Error in query: nothing is selected.');
  const query: Query = { fields: list(field), from: '', conditions: [], orderings: [], limit: null };
  demand('FROM');
  query.from = field();
  if (skip('WHERE')) {
    do query.conditions.push(condition());
    while (skip('AND'));
  }
  if (skip('ORDER', 'BY')) query.orderings = list(ordering);
  if (skip('LIMIT')) {
    const token = next();
    query.limit = token.kind === 'number' ? Number(token.value) : 0;
    if (!Number.isInteger(query.limit) || query.limit < 1) {
      throw new QueryProblem('BAD_LIMIT_VALUE', `Error in query: ${token.value} is no limit.`);
    }
  }
  if (peek()) throw new QueryProblem('UNEXPECTED_INPUT', `Error in query: unexpected ${peek()?.value}.`);
  return query;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < text.trimEnd().length) {
    const start = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match)
      throw new QueryProblem('BAD_SYMBOL', `Error in query: unexpected ${text.slice(start).trim()}.`);
    const [, word, single, double, number, sign] = match;
    const quoted = single ?? double;
    if (word !== undefined) tokens.push({ kind: 'word', value: word });
    else if (quoted !== undefined) tokens.push({ kind: 'text', value: quoted.replaceAll(/\\(.)/g, '$1') });
    else if (number !== undefined) tokens.push({ kind: 'number', value: number });
    else tokens.push({ kind: 'sign', value: sign ?? '' });
  }
  return tokens;
}
