import { isObject } from './description.ts';

/** The parts of an OpenAPI document that a request is checked against. */
export interface Definition {
  servers?: Server[];
  security?: Requirement[];
  paths: Record<string, PathItem>;
  components?: { securitySchemes?: Record<string, SecurityScheme> };
}

export interface Server {
  url: string;
}

export type Requirement = Record<string, string[]>;

export interface SecurityScheme {
  type: string;
  scheme?: string;
  in?: string;
  name?: string;
}

export type Schema = Record<string, unknown>;

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Schema;
}

export interface Body {
  required?: boolean;
  content: Record<string, { schema: Schema }>;
}

export interface Operation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: Body;
  security?: Requirement[];
  servers?: Server[];
}

export type PathItem = Partial<Record<Method, Operation>>;

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const;
export type Method = (typeof methods)[number];

/** Every operation with its path and method; what is done to one is done to the definition. */
export function operationsOf(
  definition: Definition,
): { path: string; method: Method; operation: Operation }[] {
  return Object.entries(definition.paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method];
      return operation ? [{ path, method, operation }] : [];
    }),
  );
}

/**
 * The schema with its objects closed to names that they don't list: what a request sends and its description
 * doesn't know is a slip. Objects put together from several schemas stay open, as each part knows only its own.
 */
export function closed(schema: Schema, isPart = false, done: Done = [new Map(), new Map()]): Schema {
  const known = done[isPart ? 1 : 0].get(schema);
  if (known) return known;
  const copy: Schema = {};
  done[isPart ? 1 : 0].set(schema, copy);
  Object.assign(copy, schema);

  const isOpen = isPart || ['allOf', 'oneOf', 'anyOf'].some((keyword) => keyword in schema);
  const all = (parts: unknown, arePart: boolean) =>
    (parts as Schema[]).map((part) => closed(part, arePart, done));
  if (isObject(schema.properties)) {
    const properties = Object.entries(schema.properties);
    copy.properties = Object.fromEntries(
      properties.map(([name, value]) => [name, closed(value as Schema, false, done)]),
    );
    if (!isOpen) copy.additionalProperties ??= false;
  }
  for (const keyword of ['items', 'additionalProperties']) {
    if (isObject(schema[keyword])) copy[keyword] = closed(schema[keyword], false, done);
  }
  if (schema.allOf) copy.allOf = all(schema.allOf, true);
  for (const keyword of ['oneOf', 'anyOf']) {
    if (schema[keyword]) copy[keyword] = all(schema[keyword], isPart || 'properties' in schema);
  }
  // Generators write it beside `allOf` or `enum`, where it has no meaning; what they mean is clear.
  if (schema.nullable && !schema.type) {
    delete copy.nullable;
    const rest = { ...copy };
    for (const keyword of Object.keys(copy)) delete copy[keyword];
    copy.anyOf = [{ type: 'null' }, rest];
  }
  return copy;
}

type Done = [whole: Map<Schema, Schema>, part: Map<Schema, Schema>];
