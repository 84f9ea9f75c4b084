import { type Field, type Literal, type Location, type Operation, parse, SyntaxFault } from './document.ts';
import { type FieldRule, TYPES } from './schema.ts';

export interface GraphqlError {
  message: string;
  locations?: Location[];
  path?: string[];
  extensions?: Record<string, string>;
}

export type Value = string | number | boolean | null | Value[] | { [field: string]: Value };
export type Arguments = Record<string, unknown>;
export type Resolvers = Record<string, (given: Arguments) => Value>;

/** What a resolver throws: the whole answer is then `data: null`, at 200. */
export class ResolverFault extends Error {
  extensions: Record<string, string> | undefined;
  constructor(message: string, extensions?: Record<string, string>) {
    super(message);
    this.extensions = extensions;
  }
}

const bare = (type: string) => type.replace(/[[\]!]/g, '');

/** The rule that an unknown argument or input field, or a missing required one, breaks. */
function checkGiven(
  rules: Record<string, string>,
  given: Record<string, Literal>,
  where: string,
  variables: Record<string, string>,
): string[] {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(rules, name));
  const missing = Object.entries(rules).filter(([name, type]) => type.endsWith('!') && !(name in given));
  return [
    ...unknown.map((name) => `Unknown argument "${name}" on field "${where}".`),
    ...missing.map(
      ([name, type]) =>
        `Field "${where}" argument "${name}" of type "${type}" is required, but it was not provided.`,
    ),
    ...Object.entries(given).flatMap(([name, value]) => checkValue(rules[name], value, where, variables)),
  ];
}

function checkValue(
  type: string | undefined,
  value: Literal,
  where: string,
  variables: Record<string, string>,
): string[] {
  if (type === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((item) => checkValue(bare(type), item, where, variables));
  if (value === null) return type.endsWith('!') ? [`Expected value of type "${type}", found null.`] : [];
  if (typeof value === 'object' && 'variable' in value) {
    const declared = variables[value.variable];
    if (declared === undefined) return [`Variable "$${value.variable}" is not defined.`];
    if (declared === type || declared === `${type}!`) return [];
    return [`Variable "$${value.variable}" of type "${declared}" used in position expecting type "${type}".`];
  }
  const input = TYPES.get(bare(type));
  if (typeof value === 'object') {
    if (!input) return [`Expected value of type "${type}", found an object.`];
    const rules = Object.fromEntries([...input].map(([name, rule]) => [name, rule.type]));
    const unknown = Object.keys(value.fields).filter((name) => !input.has(name));
    if (unknown[0]) return [`Field "${unknown[0]}" is not defined by type "${bare(type)}".`];
    return checkGiven(rules, value.fields, where, variables);
  }
  const wanted =
    { String: 'string', ID: 'string', Int: 'number', Boolean: 'boolean' }[bare(type)] ?? 'string';
  return input || typeof value !== wanted ? [`Expected value of type "${type}", found ${value}.`] : [];
}

function validate(type: string, fields: Field[], variables: Record<string, string>): GraphqlError[] {
  return fields.flatMap((field): GraphqlError[] => {
    const rule: FieldRule | undefined =
      field.name === '__typename' ? { type: 'String!', arguments: {} } : TYPES.get(type)?.get(field.name);
    const faults = (messages: string[]) =>
      messages.map((message) => ({
        message,
        locations: [field.location],
        extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
      }));
    if (!rule) return faults([`Cannot query field "${field.name}" on type "${type}".`]);
    const where = `${type}.${field.name}`;
    const given = faults(checkGiven(rule.arguments, field.arguments, where, variables));
    const isObject = TYPES.has(bare(rule.type));
    if (isObject && !field.selections) {
      const text = `Field "${field.name}" of type "${rule.type}" must have a selection of subfields.`;
      return [...given, ...faults([text])];
    }
    if (!isObject && field.selections) {
      const text = `Field "${field.name}" must not have a selection since type "${rule.type}" has no subfields.`;
      return [...given, ...faults([text])];
    }
    return [...given, ...(field.selections ? validate(bare(rule.type), field.selections, variables) : [])];
  });
}

/** The value of a literal, with the request's variables in their places. */
function fill(literal: Literal, variables: Arguments): unknown {
  if (Array.isArray(literal)) return literal.map((item) => fill(item, variables));
  if (literal === null || typeof literal !== 'object') return literal;
  if ('variable' in literal) return variables[literal.variable];
  return fillAll(literal.fields, variables);
}

function fillAll(literals: Record<string, Literal>, variables: Arguments): Arguments {
  return Object.fromEntries(Object.entries(literals).map(([name, value]) => [name, fill(value, variables)]));
}

function pick(type: string, fields: Field[], value: Value): Value {
  if (Array.isArray(value)) return value.map((item) => pick(type, fields, item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    fields.map((field): [string, Value] => {
      if (field.name === '__typename') return [field.alias, type];
      const inner = bare(TYPES.get(type)?.get(field.name)?.type ?? '');
      return [field.alias, pick(inner, field.selections ?? [], value[field.name] ?? null)];
    }),
  );
}

export interface Outcome {
  status: 200 | 400;
  body: { data?: Value; errors?: GraphqlError[] };
}

const bad = (...errors: GraphqlError[]): Outcome => ({ status: 400, body: { errors } });
const badText = (message: string) => bad({ message, extensions: { code: 'BAD_USER_INPUT' } });

/** Runs a document; one fault before it runs and nothing of it does. */
export function execute(
  request: { query: string; variables: Arguments; operationName: string | undefined },
  resolvers: Resolvers,
): Outcome {
  let operations: Operation[];
  try {
    operations = parse(request.query);
  } catch (fault) {
    if (!(fault instanceof SyntaxFault)) throw fault;
    const extensions = { code: 'GRAPHQL_PARSE_FAILED' };
    return bad({ message: fault.message, locations: [fault.location], extensions });
  }
  const named = operations.filter(({ name }) => (request.operationName ?? name) === name);
  const [operation] = named;
  if (!operation) return badText(`Unknown operation named "${request.operationName}".`);
  if (named.length > 1) return badText('Must provide operation name if query contains multiple operations.');

  const root = operation.kind === 'query' ? 'Query' : 'Mutation';
  const errors = validate(root, operation.selections, operation.variables);
  if (errors.length > 0) return bad(...errors);
  for (const [name, type] of Object.entries(operation.variables)) {
    if (type.endsWith('!') && request.variables[name] == null) {
      return badText(`Variable "$${name}" of required type "${type}" was not provided.`);
    }
  }
  const data: { [field: string]: Value } = {};
  for (const field of operation.selections) {
    try {
      const given = fillAll(field.arguments, request.variables);
      const value = resolvers[field.name]?.(given) ?? null;
      const type = bare(TYPES.get(root)?.get(field.name)?.type ?? '');
      data[field.alias] = field.name === '__typename' ? root : pick(type, field.selections ?? [], value);
    } catch (fault) {
      if (!(fault instanceof ResolverFault)) throw fault;
      const { message, extensions } = fault;
      const error = { message, locations: [field.location], path: [field.alias] };
      return { status: 200, body: { errors: [{ ...error, ...(extensions && { extensions }) }], data: null } };
    }
  }
  return { status: 200, body: { data } };
}
