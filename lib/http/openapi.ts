import * as z from 'zod';
import { PROBLEMS } from '../problem.ts';
import { problemBody } from './bodies.ts';
import { ANYWHERE, type Contract } from './endpoint.ts';

/** The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1) of a set of contracts. */
export function openApiDocument(contracts: readonly Contract[], url: string) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const contract of contracts) {
    const path = contract.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [contract.method]: operation(contract) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Reeve Connectors API',
      version: '1',
      description: 'Connects a company’s accounts and keeps the connections alive.',
    },
    servers: [{ url }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemBody, 'output') },
      securitySchemes: {
        session: { type: 'http', scheme: 'bearer', description: 'A session of the Cockpit.' },
      },
    },
  };
}

function operation(contract: Contract) {
  return {
    summary: contract.summary,
    operationId: `${contract.method}${contract.path.replace(/\W+(\w)/g, (_, first: string) => first.toUpperCase())}`,
    ...(contract.access === 'session' && { security: [{ session: [] }] }),
    parameters: [
      ...parameters(contract.params, 'path'),
      ...parameters(contract.query, 'query'),
      ...(contract.access === 'session' ? [brandHeader] : []),
    ],
    ...(contract.body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: jsonSchema(contract.body, 'input') } },
      },
    }),
    responses: { ...answers(contract), ...problemAnswers(contract) },
  };
}

const brandHeader = {
  name: 'X-Brand-Id',
  in: 'header',
  required: false,
  description: 'The brand whose scope the request works in; without it the user’s own.',
  schema: { type: 'string', format: 'uuid' },
};

function parameters(shape: z.ZodObject | undefined, place: 'path' | 'query') {
  if (!shape) return [];
  const { properties = {}, required = [] } = jsonSchema(shape, 'input');
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema,
  }));
}

function answers({ responses }: Contract) {
  return Object.fromEntries(
    Object.entries(responses).map(([status, { description, schema }]) => [
      status,
      {
        description,
        ...(schema && { content: { 'application/json': { schema: jsonSchema(schema, 'output') } } }),
      },
    ]),
  );
}

/** One answer a status, which names the codes it comes with. */
function problemAnswers({ problems, responses }: Contract) {
  const codes = [...new Set([...problems, ...ANYWHERE])];
  const statuses = [...new Set(codes.map((code) => PROBLEMS[code].status))].filter(
    (status) => !(status in responses),
  );
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: codes.filter((code) => PROBLEMS[code].status === status).join(', '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output') {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
