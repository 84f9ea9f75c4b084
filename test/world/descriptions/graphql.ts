import {
  buildSchema,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  parse,
  print,
  validate,
  visit,
} from 'graphql';
import {
  type Description,
  isObject,
  mediaType,
  readJson,
  type Sent,
  Unfit,
  type Verdict,
} from './description.ts';

export interface GraphqlOptions {
  host: RegExp;
  /** The path of the endpoint, and what the paths of the whole API begin with. */
  path: string;
  base: string;
}

/** Checks requests of GraphQL over HTTP against a schema; each document is validated once. */
export function graphql(sdl: string, { host, path, base }: GraphqlOptions): Description {
  const schema = buildSchema(sdl);
  const documents = new Map<string, { document: DocumentNode | undefined; violations: string[] }>();

  function read(query: string) {
    const known = documents.get(query);
    if (known) return known;
    const made = validated(schema, query);
    documents.set(query, made);
    return made;
  }

  function violationsOf({ method, url, headers, body }: Sent): string[] {
    if (method !== 'POST') throw new Unfit('method: is not POST');
    if (mediaType(headers) !== 'application/json') throw new Unfit('body: its type is not application/json');
    const request = readJson(body);
    if (!isObject(request)) throw new Unfit('body: is not an object');
    const { query, variables, operationName, extensions, ...others } = request;
    const violations = [
      ...[...url.searchParams.keys()].map((name) => `query: unknown parameter ${name}`),
      ...Object.keys(others).map((name) => `body: unknown field ${name}`),
    ];
    if (!isObject(variables ?? {})) violations.push('body variables: is not an object');
    if (!isObject(extensions ?? {})) violations.push('body extensions: is not an object');
    if (typeof query !== 'string') return [...violations, 'body query: is not a text'];
    const { document, violations: ofDocument } = read(query);
    violations.push(...ofDocument);
    if (ofDocument.length > 0 || !document) return violations;
    const given = isObject(variables) ? variables : {};
    return [...violations, ...variableViolations(schema, document, operationName, given)];
  }

  return {
    covers: (url) => host.test(url.hostname) && url.pathname.startsWith(base),
    check(sent): Verdict {
      if (!host.test(sent.url.hostname) || sent.url.pathname !== path) return 'not described';
      try {
        const violations = violationsOf(sent);
        return violations.length === 0 ? 'fits' : { violations };
      } catch (error) {
        if (error instanceof Unfit) return { violations: [error.message] };
        throw error;
      }
    },
  };
}

function validated(schema: GraphQLSchema, query: string) {
  try {
    const document = parse(query);
    // The messages quote literals, and a text could be a secret.
    const silent = visit(document, { StringValue: (node) => ({ ...node, value: '…' }) });
    const violations = validate(schema, silent).map(({ message }) => `document: ${message}`);
    return { document, violations };
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const [at] = error.locations ?? [];
    return { document: undefined, violations: [`document: no syntax at ${at?.line}:${at?.column}`] };
  }
}

function variableViolations(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: unknown,
  given: Record<string, unknown>,
): string[] {
  const operations = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  const named = operations.filter(({ name }) => (operationName ?? name?.value) === name?.value);
  const [operation] = named;
  if (!operation || named.length > 1) return ['body operationName: does not name one operation'];
  const definitions = operation.variableDefinitions ?? [];
  const declared = new Set(definitions.map(({ variable }) => variable.name.value));
  return [
    ...Object.keys(given)
      .filter((name) => !declared.has(name))
      .map((name) => `variable ${name}: is not declared`),
    ...definitions
      .filter((definition) => getVariableValues(schema, [definition], given).errors)
      .map(({ variable, type }) => `variable ${variable.name.value}: is not of type ${print(type)}`),
  ];
}
