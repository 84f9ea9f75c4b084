/** A place in the document, as GraphQL errors give it. */
interface Location {
  line: number;
  column: number;
}

interface Field {
  name: string;
  alias: string;
  arguments: string[];
  selections: Field[] | null;
  location: Location;
}

interface Operation {
  kind: 'query' | 'mutation';
  name: string | null;
  selections: Field[];
}

/** An error as the Admin API lists it, at HTTP 200. */
export interface GraphqlError {
  message: string;
  locations?: Location[];
  path?: (string | number)[];
  extensions?: Record<string, string>;
}

/** What a field gives: a leaf, an object, a list, or a function that does it when asked. */
export type Value = string | null | Value[] | { [field: string]: Value } | (() => Value);

/** Of each type the fields the simulator knows and, where a field is an object, that object's type. */
export type Schema = Record<string, Record<string, string | null>>;

class SyntaxFault extends Error {
  location: Location;
  constructor(message: string, location: Location) {
    super(message);
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
    if (!match) throw new SyntaxFault('syntax error, unexpected character', location);
    if (match[1] !== undefined) tokens.push({ text: match[1], location });
  }
  return tokens;
}

function locate(source: string, index: number): Location {
  const lines = source.slice(0, index).split('\n');
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 };
}

/** The part of GraphQL that a probe needs: one operation, fields, aliases; no fragments, no directives. */
function parse(source: string): Operation {
  const tokens = tokenize(source);
  let position = 0;
  const peek = () => tokens[position]?.text;
  function next(expected?: string | RegExp) {
    const token = tokens[position];
    const fits = typeof expected === 'string' ? token?.text === expected : expected?.test(token?.text ?? '');
    if (!token || fits === false) {
      const found = token ? `"${token.text}"` : 'end of file';
      throw new SyntaxFault(
        `syntax error, unexpected ${found}`,
        token?.location ?? locate(source, source.length),
      );
    }
    position++;
    return token;
  }
  const name = () => next(/^[_A-Za-z]/);

  function skipValue() {
    const { text } = next(/^["[{$\w-]/);
    if (text === '$') name();
    if (text === '[') {
      while (peek() !== ']') skipValue();
      next(']');
    }
    if (text === '{') {
      while (peek() !== '}') {
        name();
        next(':');
        skipValue();
      }
      next('}');
    }
  }

  function fieldArguments(): string[] {
    const names: string[] = [];
    if (peek() !== '(') return names;
    next('(');
    do {
      names.push(name().text);
      next(':');
      skipValue();
    } while (peek() !== ')');
    next(')');
    return names;
  }

  function selections(): Field[] {
    const fields: Field[] = [];
    next('{');
    do {
      const { text: first, location } = name();
      const aliased = peek() === ':';
      if (aliased) next(':');
      const own = aliased ? name().text : first;
      const given = fieldArguments();
      const nested = peek() === '{' ? selections() : null;
      fields.push({ name: own, alias: first, arguments: given, selections: nested, location });
    } while (peek() !== '}');
    next('}');
    return fields;
  }

  let kind: Operation['kind'] = 'query';
  let title: string | null = null;
  if (peek() !== '{') {
    kind = next(/^(query|mutation)$/).text === 'mutation' ? 'mutation' : 'query';
    if (peek() !== '{' && peek() !== '(') title = name().text;
    if (peek() === '(') {
      do next();
      while (peek() !== ')');
      next(')');
    }
  }
  const operation = { kind, name: title, selections: selections() };
  const rest = tokens[position];
  if (rest) throw new SyntaxFault(`syntax error, unexpected "${rest.text}"`, rest.location);
  return operation;
}

function validate(schema: Schema, type: string, fields: Field[], path: string[]): GraphqlError[] {
  return fields.flatMap((field): GraphqlError[] => {
    const known = schema[type] ?? {};
    const result = field.name === '__typename' ? null : known[field.name];
    const at = [...path, field.alias];
    const fault = (message: string, code: string, more: Record<string, string>): GraphqlError[] => [
      { message, locations: [field.location], path: at, extensions: { code, ...more } },
    ];
    if (result === undefined) {
      const more = { typeName: type, fieldName: field.name };
      return fault(`Field '${field.name}' doesn't exist on type '${type}'`, 'undefinedField', more);
    }
    const [argument] = field.arguments;
    if (argument !== undefined) {
      const more = { name: field.name, typeName: 'Field', argumentName: argument };
      const message = `Field '${field.name}' doesn't accept argument '${argument}'`;
      return fault(message, 'argumentNotAccepted', more);
    }
    const more = { nodeName: `field '${field.name}'`, typeName: result ?? 'String' };
    if (result === null && field.selections) {
      const message = `Selections can't be made on scalars (field '${field.name}')`;
      return fault(message, 'selectionMismatch', more);
    }
    if (result !== null && !field.selections) {
      const hint = `Did you mean '${field.name} { ... }'?`;
      const message = `Field must have selections (field '${field.name}' returns ${result} but has no selections. ${hint})`;
      return fault(message, 'selectionMismatch', more);
    }
    return result !== null && field.selections ? validate(schema, result, field.selections, at) : [];
  });
}

function resolve(schema: Schema, type: string, fields: Field[], value: Value): Value {
  const given = typeof value === 'function' ? value() : value;
  if (Array.isArray(given)) return given.map((item) => resolve(schema, type, fields, item));
  if (given === null || typeof given !== 'object') return given;
  return Object.fromEntries(
    fields.map((field): [string, Value] => {
      if (field.name === '__typename') return [field.alias, type];
      const child = given[field.name] ?? null;
      const result = schema[type]?.[field.name] ?? '';
      return [field.alias, resolve(schema, result, field.selections ?? [], child)];
    }),
  );
}

/** Runs a document against the roots `QueryRoot` and `Mutation`; one fault and nothing of it runs. */
export function execute(
  schema: Schema,
  roots: { query: Value; mutation: Value },
  source: string,
): { data: Value } | { errors: GraphqlError[] } {
  try {
    const operation = parse(source);
    const type = operation.kind === 'query' ? 'QueryRoot' : 'Mutation';
    const title = operation.name === null ? operation.kind : `${operation.kind} ${operation.name}`;
    const errors = validate(schema, type, operation.selections, [title]);
    if (errors.length > 0) return { errors };
    return { data: resolve(schema, type, operation.selections, roots[operation.kind]) };
  } catch (fault) {
    if (!(fault instanceof SyntaxFault)) throw fault;
    return { errors: [{ message: fault.message, locations: [fault.location] }] };
  }
}
