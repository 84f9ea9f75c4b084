import { access } from 'node:fs/promises';
import {
  OpenAPIBackend,
  OpenAPIRouter,
  OpenAPIValidator,
  type Options,
  type ValidationResult,
} from 'openapi-backend';
import { hasCredentials } from './credentials.ts';
import { closed, type Definition, type Operation, operationsOf } from './definition.ts';
import {
  type Description,
  isObject,
  mediaType,
  readJson,
  type Sent,
  Unfit,
  type Verdict,
} from './description.ts';
import { flat, nested, type Parameters } from './parameters.ts';
import { placesOf, type Route, routesOf } from './routes.ts';

const FORM = 'application/x-www-form-urlencoded';

export interface OpenApiOptions {
  /** Where customers have hosts of their own: whether a URL is of the API. Without it the servers are the definition's. */
  covers?: (url: URL) => boolean;
  /** What the definition leaves out or has from an older time. */
  prepare?: (definition: Definition) => Definition;
  /** Another way to say the same request, which is the definition's way. */
  rewrite?: (sent: Sent) => Sent;
  /** How names with brackets are meant: as they stand, or as Stripe nests them. */
  brackets?: 'nested';
}

/** Checks requests against an OpenAPI document; an operation is compiled when its first request comes. */
export async function openApi(file: string, options: OpenApiOptions): Promise<Description> {
  const read = await dereferenced(file);
  const definition = options.prepare?.(read) ?? read;
  dropStrayParameters(definition);
  const mediaTypes = takeMediaTypes(definition);
  const validators = { json: validatorOf(definition, false), form: validatorOf(definition, true) };
  // By its id the package would look through all operations for every request.
  const operations = new Map(validators.json.router.getOperations().map((each) => [each.operationId, each]));
  const routeOf = routesOf(definition, options.covers !== undefined);
  const places = operationsOf(definition).flatMap(({ operation }) =>
    placesOf(operation.servers ?? definition.servers),
  );
  const schemes = definition.components?.securitySchemes ?? {};
  const parametersOf = options.brackets === 'nested' ? nested : flat;

  function violationsOf(sent: Sent, route: Route, operation: Operation): string[] {
    const violations: string[] = [];
    if (!hasCredentials(sent, operation.security ?? definition.security ?? [], schemes)) {
      violations.push('credentials: none of the kind that the operation asks for');
    }
    const type = mediaType(sent.headers);
    const taken = mediaTypes.get(operation) ?? [];
    let body: Parameters | undefined;
    if (sent.body !== '') {
      if (taken.length === 0) throw new Unfit('body: the operation takes none');
      if (!taken.includes(type)) throw new Unfit(`body: its type is not ${taken.join(' or ')}`);
      const read = type === FORM ? parametersOf(new URLSearchParams(sent.body)) : readJson(sent.body);
      if (!isObject(read)) throw new Unfit('body: is not an object');
      body = read;
    }
    const result = validators[type === FORM ? 'form' : 'json'].validateRequest(
      {
        method: sent.method,
        path: sent.url.pathname.slice(route.base.length),
        headers: Object.fromEntries(sent.headers),
        // The package's type knows no nested parameters; its check does.
        query: parametersOf(sent.url.searchParams) as Record<string, string>,
        body,
      },
      operations.get(operation.operationId),
    );
    return [...violations, ...describe(result)];
  }

  function check(original: Sent): Verdict {
    try {
      const sent = options.rewrite?.(original) ?? original;
      const route = routeOf(sent.url);
      if (!route) return 'not described';
      const operation = route.operations[sent.method.toLowerCase() as 'get'];
      if (!operation) {
        throw new Unfit(
          `method: is not ${Object.keys(route.operations)
            .map((each) => each.toUpperCase())
            .join(' or ')}`,
        );
      }
      const violations = violationsOf(sent, route, operation);
      return violations.length === 0 ? 'fits' : { violations };
    } catch (error) {
      if (error instanceof Unfit) return { violations: [error.message] };
      if (error instanceof URIError) return { violations: ['path: is not well encoded'] };
      throw error;
    }
  }

  return {
    covers: (url) =>
      options.covers?.(url) ??
      places.some(({ host, base }) => url.host === host && url.pathname.startsWith(`${base}/`)),
    check,
  };
}

/** The package's own types of a document say more than is needed here. */
type PackageDocument = Exclude<Options['definition'], string>;

async function dereferenced(file: string): Promise<Definition> {
  // The package starts to read it twice, and waits for one of the two.
  await access(file);
  const backend = new OpenAPIBackend({ definition: file, quick: true, strict: true });
  await backend.init();
  return backend.definition as unknown as Definition;
}

/** A required parameter of the path can't be given where the path has no place for it. */
function dropStrayParameters(definition: Definition): void {
  for (const { path, operation } of operationsOf(definition)) {
    operation.parameters =
      operation.parameters?.filter(({ name, in: place }) => place !== 'path' || path.includes(`{${name}}`)) ??
      [];
  }
}

/** The package checks bodies of `application/json` only: all stand under it from here on. */
function takeMediaTypes(definition: Definition): Map<Operation, string[]> {
  const types = new Map<Operation, string[]>();
  for (const { operation } of operationsOf(definition)) {
    const [content] = Object.values(operation.requestBody?.content ?? {});
    if (!operation.requestBody || !content) continue;
    types.set(operation, Object.keys(operation.requestBody.content));
    operation.requestBody = {
      ...operation.requestBody,
      content: { 'application/json': { schema: closed(content.schema) } },
    };
  }
  return types;
}

function validatorOf(definition: Definition, isForm: boolean): OpenAPIValidator {
  const typed = definition as unknown as PackageDocument;
  return new OpenAPIValidator({
    definition: typed,
    router: new OpenAPIRouter({ definition: typed, ignoreTrailingSlashes: false }),
    lazyCompileValidators: true,
    // In a form every value is text; big schemas compile in half the time with neither of the middle two.
    ajvOpts: {
      allErrors: true,
      logger: false,
      inlineRefs: false,
      code: { optimize: false },
      coerceTypes: isForm,
    },
    customizeAjv: (ajv) => ajv.addFormat('uri', URL.canParse).addFormat('date-time', isDateTime),
  });
}

function isDateTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text) && !Number.isNaN(Date.parse(text));
}

function describe({ errors }: ValidationResult): string[] {
  const lines = (errors ?? []).map(({ instancePath, keyword, message, params }) => {
    const [, part = '', ...rest] = instancePath.split('/').map((each) => each.replaceAll('~1', '/'));
    const where = [part === 'requestBody' ? 'body' : part, ...rest].filter(Boolean).join(' ');
    if (keyword === 'required' && params.missingProperty === 'requestBody') return 'body: is missing';
    const name = keyword === 'additionalProperties' ? ` but has ${params.additionalProperty}` : '';
    return `${where}: ${message ?? keyword}${name}`;
  });
  return [...new Set(lines)].slice(0, 12);
}
