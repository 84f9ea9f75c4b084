import {
  buildSchema,
  type DocumentNode,
  executeSync,
  GraphQLError,
  getOperationAST,
  getVariableValues,
  type OperationDefinitionNode,
  parse,
  print,
  validate,
} from 'graphql';
import { RULES } from './graphql-rules.ts';
import { SDL } from './schema.ts';
import type { SearchNote } from './search.ts';

const schema = buildSchema(SDL);

export interface GraphqlRequest {
  query: string;
  variables?: Record<string, unknown> | null | undefined;
  operationName?: string | null | undefined;
}

/** What the fields of one document have in common. */
export interface Shared {
  /** Told by resolvers: the answer has them in `extensions.search`. */
  notes: SearchNote[];
}

/** `data` is not there when nothing of the document has run. */
export interface Outcome {
  data?: unknown;
  errors?: readonly GraphQLError[];
  notes: SearchNote[];
}

/** Runs a document; `fields` has what its root fields give. A fault in it and nothing of it runs. */
export function execute(request: GraphqlRequest, fields: Record<string, unknown>): Outcome {
  const shared: Shared = { notes: [] };
  const variables = request.variables ?? {};
  const document = read(request.query);
  if (Array.isArray(document)) return { errors: document, notes: [] };
  const operation = getOperationAST(document, request.operationName);
  const errors = operation ? wrongVariables(operation, variables) : [];
  if (errors.length > 0) return { errors, notes: [] };
  const result = executeSync({
    schema,
    document,
    rootValue: fields,
    contextValue: shared,
    variableValues: variables,
    operationName: request.operationName,
  });
  return { ...result, notes: shared.notes };
}

function read(query: string): DocumentNode | GraphQLError[] {
  try {
    const document = parse(query);
    const errors = validate(schema, document, RULES);
    return errors.length > 0 ? [...errors] : document;
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return [error];
  }
}

function wrongVariables(
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Record<string, unknown>,
): GraphQLError[] {
  return variableDefinitions.flatMap((definition) => {
    const { errors } = getVariableValues(schema, [definition], given, { hideSuggestions: true });
    if (!errors) return [];
    const name = definition.variable.name.value;
    const message = `Variable $${name} of type ${print(definition.type)} was provided invalid value`;
    const problems = errors.map((error) => ({ path: [], explanation: error.message }));
    const extensions = { code: 'INVALID_VARIABLE', value: given[name] ?? null, problems };
    return [new GraphQLError(message, { nodes: definition, extensions })];
  });
}
