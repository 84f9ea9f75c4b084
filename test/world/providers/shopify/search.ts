/** What the API tells of a term it has not used, in `extensions.search`. */
export interface SearchNote {
  path: string[];
  query: string;
  warnings: { field: string; message: string; code: string }[];
}

/** The values that a thing has for a field, or undefined where it has no such field. */
export type Values = (field: string) => readonly string[] | undefined;

export interface Search {
  /** The fields that are named, each once. */
  fields: string[];
  matches(values: Values): boolean;
}

type Test = (values: Values) => boolean;

const TOKEN =
  /\s*(?:([()])|(AND|OR|NOT)(?=[\s(]|$)|(-)(?=\()|(-)?(?:([A-Za-z_][\w.]*):)?(<=|>=|<|>)?(?![A-Za-z_][\w.]*:(?:[\s()]|$))((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s()"'<>])[^\s()"']*))/y;

/**
 * Shopify's search syntax (docs/api/usage/search-syntax); undefined for what it is not. A field that a thing does
 * not have leaves its term without effect, as there.
 */
export function parseSearch(text: string): Search | undefined {
  const tokens = tokenize(text.trim());
  if (!tokens) return undefined;
  const fields = new Set<string>();
  let position = 0;
  const peek = () => tokens[position];

  function either(): Test {
    const tests = [all()];
    while (peek()?.word === 'OR') {
      position++;
      tests.push(all());
    }
    return (values) => tests.some((test) => test(values));
  }

  function all(): Test {
    const tests = [one()];
    while (peek() && peek()?.word !== 'OR' && peek()?.bracket !== ')') {
      if (peek()?.word === 'AND') position++;
      tests.push(one());
    }
    return (values) => tests.every((test) => test(values));
  }

  function one(): Test {
    const token = tokens?.[position++];
    if (token?.word === 'NOT' || token?.isMinus) {
      const test = one();
      return (values) => !test(values);
    }
    if (token?.bracket === '(') {
      const test = either();
      if (tokens?.[position++]?.bracket !== ')') throw new SyntaxFault();
      return test;
    }
    const term = token?.term;
    if (!term) throw new SyntaxFault();
    if (term.field) fields.add(term.field);
    return (values) => {
      const found = values(term.field);
      return (
        found === undefined || found.some((value) => fits(value, term.comparator, term.value)) !== term.isNot
      );
    };
  }

  try {
    const test = either();
    return position < tokens.length ? undefined : { fields: [...fields], matches: test };
  } catch (fault) {
    if (!(fault instanceof SyntaxFault)) throw fault;
    return undefined;
  }
}

class SyntaxFault extends Error {}

interface Token {
  bracket?: string;
  word?: string;
  isMinus?: boolean;
  /** Without a field it is about a thing's texts, the field `''`. */
  term?: { isNot: boolean; field: string; comparator: string; value: string };
}

function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (!match) return undefined;
    const [, bracket, word, minus, not, field = '', comparator = '=', value = ''] = match;
    if (bracket) tokens.push({ bracket });
    else if (word) tokens.push({ word });
    else if (minus) tokens.push({ isMinus: true });
    else tokens.push({ term: { isNot: not !== undefined, field, comparator, value: unquote(value) } });
  }
  return tokens;
}

function unquote(value: string): string {
  return /^(["']).*\1$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

function fits(actual: string, comparator: string, wanted: string): boolean {
  if (wanted === '*' && comparator === '=') return actual !== '';
  if (MOMENT.test(actual)) {
    const span = spanOf(wanted);
    const at = Date.parse(actual);
    if (!span) return false;
    if (comparator === '=') return at >= span.from && at < span.to;
    if (comparator === '>') return at >= span.to;
    if (comparator === '>=') return at >= span.from;
    return comparator === '<' ? at < span.from : at < span.to;
  }
  const order = compare(actual, wanted);
  if (comparator === '=') return order === 0 || isPrefix(actual, wanted);
  if (comparator.startsWith('>')) return order > 0 || (order === 0 && comparator === '>=');
  return order < 0 || (order === 0 && comparator === '<=');
}

function isPrefix(actual: string, wanted: string): boolean {
  return wanted.endsWith('*') && actual.toLowerCase().startsWith(wanted.slice(0, -1).toLowerCase());
}

function compare(actual: string, wanted: string): number {
  const [a, b] = [actual.toLowerCase(), wanted.toLowerCase()];
  if (/^\d+$/.test(a) && /^\d+$/.test(b)) return Number(BigInt(a) - BigInt(b));
  if (/^-?[\d.]+$/.test(a) && /^-?[\d.]+$/.test(b)) return Number(a) - Number(b);
  return a < b ? -1 : Number(a > b);
}

/**
 * What a date means: a year, a month, a day or a second of it. Whose midnight a day begins at without a zone the
 * page leaves open; here it is that of UTC.
 */
function spanOf(text: string): { from: number; to: number } | undefined {
  const match = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?)?)?$/.exec(
    text,
  );
  if (!match) return undefined;
  const [, year = '', month, day, time, fraction = '', zone = 'Z'] = match;
  const from = Date.parse(`${year}-${month ?? '01'}-${day ?? '01'}T${time ?? '00:00:00'}${fraction}${zone}`);
  if (Number.isNaN(from)) return undefined;
  if (time) return { from, to: from + (fraction ? 1 : 1000) };
  if (day) return { from, to: from + 86_400_000 };
  const next = month ? Date.UTC(Number(year), Number(month), 1) : Date.UTC(Number(year) + 1, 0, 1);
  return { from, to: next };
}
