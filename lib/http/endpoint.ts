import { type Context, Hono } from 'hono';
import type * as z from 'zod';
import { type InputError, Problem, type ProblemCode } from '../problem.ts';
import type { AppEnv } from './app.ts';
import { bearer } from './bearer.ts';
import { readJsonBody } from './json-body.ts';
import { type Limit, rateLimit } from './rate-limit.ts';

/** What an endpoint promises: its handler's types, the OpenAPI document and the shared tests are made of it. */
export interface Contract<
  Params extends Shape = Shape,
  Query extends Shape = Shape,
  Body extends Shape = Shape,
> {
  method: 'get' | 'post' | 'put' | 'delete';
  /** In Hono's form: `/api/connectors/:provider`. */
  path: string;
  summary: string;
  /** `session`: a bearer session, and X-Brand-Id for a brand's scope. */
  access: 'session' | 'public';
  limit?: Limit;
  params?: Params;
  query?: Query;
  body?: Body;
  /** By status; no schema where there is no JSON body. */
  responses: Record<number, { description: string; schema?: z.ZodType }>;
  problems: readonly ProblemCode[];
}

type Shape = z.ZodObject | undefined;
type Read<Schema extends Shape> = Schema extends z.ZodObject ? z.output<Schema> : undefined;

export interface Input<Params extends Shape, Query extends Shape, Body extends Shape> {
  params: Read<Params>;
  query: Read<Query>;
  body: Read<Body>;
}

export interface Endpoint {
  contract: Contract;
  app: Hono<AppEnv>;
}

/** Problems that every endpoint may answer. */
export const ANYWHERE = ['invalid_request', 'internal_error', 'unavailable'] as const satisfies ProblemCode[];
/** Problems of a route that needs a session and takes a brand. */
export const WITH_SESSION = ['unauthenticated', 'not_found', 'rate_limited'] as const satisfies ProblemCode[];

/** An endpoint of its own: who asks and how often, then what was sent, then the handler. */
export function endpoint<
  Params extends Shape = undefined,
  Query extends Shape = undefined,
  Body extends Shape = undefined,
>(
  contract: Contract<Params, Query, Body>,
  handler: (c: Context<AppEnv>, input: Input<Params, Query, Body>) => Response | Promise<Response>,
): Endpoint {
  const app = new Hono<AppEnv>();
  if (contract.access === 'session') app.on(contract.method.toUpperCase(), contract.path, bearer);
  if (contract.limit) app.on(contract.method.toUpperCase(), contract.path, rateLimit(contract.limit));
  app.on(contract.method.toUpperCase(), contract.path, async (c) => {
    const input = {
      params: read(contract.params, c.req.param()),
      query: contract.query && read(contract.query, singleValues(c.req.queries())),
      body: contract.body && read(contract.body, await readJsonBody(c.req.raw)),
    };
    // Each part was read by the schema that its type comes from.
    return handler(c, input as Input<Params, Query, Body>);
  });
  return { contract, app };
}

function read(schema: z.ZodObject | undefined, value: unknown): unknown {
  if (!schema) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors: InputError[] = result.error.issues.map((issue) => ({
    path: issue.path.map(String).join('.').slice(0, 100),
    // Zod repeats the names it does not know, and a secret may have been pasted as one.
    message: issue.code === 'unrecognized_keys' ? 'There is a member that is not taken here.' : issue.message,
  }));
  throw new Problem('invalid_request', 'The request does not fit what this endpoint takes; see errors.', {
    errors,
  });
}

function singleValues(queries: Record<string, string[]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  );
}
