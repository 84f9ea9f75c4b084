/** A place in the document, as GraphQL errors give it. */
export interface Location {
  line: number;
  column: number;
}

export type Literal =
  | string
  | number
  | boolean
  | null
  | Literal[]
  | { variable: string }
  | { fields: Record<string, Literal> };

export interface Field {
  name: string;
  alias: string;
  arguments: Record<string, Literal>;
  selections: Field[] | null;
  location: Location;
}

export interface Operation {
  kind: 'query' | 'mutation';
  name: string | null;
  variables: Record<string, string>;
  selections: Field[];
}

export class SyntaxFault extends Error {
  location: Location;
  constructor(message: string, location: Location) {
    super(`Syntax Error: ${message}`);
    this.location = location;
  }
}

const LEXEME =
  /[\s,\uFEFF]+|#[^\n\r]*|([_A-Za-z]\w*|"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|\.\.\.|[{}()[\]:!=$@|&])/y;

function tokenize(source: string): { text: string; location: Location }[] {
  const tokens: { text: string; location: Location }[] = [];
  LEXEME.lastIndex = 0;
  while (LEXEME.lastIndex < source.length) {
    const location = locate(source, LEXEME.lastIndex);
    const match = LEXEME.exec(source);
    if (!match) throw new SyntaxFault('Unexpected character.', location);
    if (match[1] !== undefined) tokens.push({ text: match[1], location });
  }
  return tokens;
}

function locate(source: string, index: number): Location {
  const lines = source.slice(0, index).split('\n');
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 };
}

const NAME = /^[_A-Za-z]\w*$/;

/** Operations with variables, fields, aliases and arguments; no fragments, no directives. */
export function parse(source: string): Operation[] {
  const tokens = tokenize(source);
  let position = 0;
  const peek = () => tokens[position]?.text;

  function next(expected?: string | RegExp) {
    const token = tokens[position];
    const fits = typeof expected === 'string' ? token?.text === expected : expected?.test(token?.text ?? '');
    if (!token || fits === false) {
      const found = token ? `"${token.text}"` : '<EOF>';
      const wanted = typeof expected === 'string' ? `Expected "${expected}", found` : 'Unexpected';
      throw new SyntaxFault(`${wanted} ${found}.`, token?.location ?? locate(source, source.length));
    }
    position++;
    return token;
  }

  /** What stands between two brackets, one after another. */
  function many<T>(open: string, close: string, one: () => T, least = 1): T[] {
    const items: T[] = [];
    next(open);
    while (items.length < least || peek() !== close) items.push(one());
    next(close);
    return items;
  }

  function value(): Literal {
    if (peek() === '[') return many('[', ']', value, 0);
    if (peek() === '{') return { fields: Object.fromEntries(many('{', '}', pair, 0)) };
    const { text } = next(/^["$\w-]/);
    if (text === '$') return { variable: next(NAME).text };
    if (text.startsWith('"')) return String(JSON.parse(text));
    if (text === 'true' || text === 'false') return text === 'true';
    if (text === 'null') return null;
    return NAME.test(text) ? text : Number(text);
  }

  function pair(): [string, Literal] {
    const { text } = next(NAME);
    next(':');
    return [text, value()];
  }

  function field(): Field {
    const { text: first, location } = next(NAME);
    const aliased = peek() === ':';
    if (aliased) next(':');
    const name = aliased ? next(NAME).text : first;
    const given = peek() === '(' ? Object.fromEntries(many('(', ')', pair)) : {};
    const selections = peek() === '{' ? many('{', '}', field) : null;
    return { name, alias: first, arguments: given, selections, location };
  }

  function type(): string {
    const [inner] = peek() === '[' ? many('[', ']', type) : [next(NAME).text];
    const listed = tokens[position - 1]?.text === ']' ? `[${inner}]` : String(inner);
    if (peek() !== '!') return listed;
    next('!');
    return `${listed}!`;
  }

  function variable(): [string, string] {
    next('$');
    const { text } = next(NAME);
    next(':');
    return [text, type()];
  }

  function operation(): Operation {
    if (peek() === '{') {
      return { kind: 'query', name: null, variables: {}, selections: many('{', '}', field) };
    }
    const kind = next(/^(query|mutation)$/).text === 'mutation' ? 'mutation' : 'query';
    const name = NAME.test(peek() ?? '') ? next(NAME).text : null;
    const variables = peek() === '(' ? Object.fromEntries(many('(', ')', variable)) : {};
    return { kind, name, variables, selections: many('{', '}', field) };
  }

  const operations = [operation()];
  while (position < tokens.length) operations.push(operation());
  return operations;
}
