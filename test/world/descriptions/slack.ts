import type { Definition, Operation, Parameter } from './definition.ts';
import { operationsOf } from './definition.ts';
import { isObject, mediaType, readJson, type Sent, Unfit } from './description.ts';

/**
 * The description is of 2021 and knows each method with one verb. Here all are GET with their parameters in the
 * query, which `inTheQuery` makes of every other way; parameters that came later are let through.
 */
export function allInTheQuery(definition: Definition): Definition {
  const paths = Object.fromEntries(
    operationsOf(definition).map(({ path, operation }) => {
      const declared = operation.parameters ?? [];
      const needsToken = declared.some(({ name }) => name === 'token');
      const parameters = [...declared, ...formOf(operation)]
        .filter(({ name }) => name !== 'token')
        .map((parameter) => (parameter.name === 'code' ? { ...parameter, required: false } : parameter));
      const get: Operation = {
        operationId: operation.operationId,
        security: needsToken ? [{ slackAuth: [] }] : [],
        parameters: [...parameters, { name: '-', in: 'query', schema: { additionalProperties: true } }],
      };
      return [path, { get }];
    }),
  );
  return { ...definition, paths };
}

function formOf({ requestBody }: Operation): Parameter[] {
  const schema = Object.values(requestBody?.content ?? {})[0]?.schema;
  const required = Array.isArray(schema?.required) ? schema.required : [];
  return Object.entries(isObject(schema?.properties) ? schema.properties : {}).map(([name, each]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: isObject(each) ? each : {},
  }));
}

/** https://docs.slack.dev/apis/web-api: arguments by query, form or JSON, the token as one or as a Bearer. */
export function inTheQuery(sent: Sent): Sent {
  const url = new URL(sent.url);
  const headers = new Headers(sent.headers);
  if (sent.body !== '') {
    for (const [name, value] of bodyOf(sent)) url.searchParams.append(name, value);
  }
  const token = url.searchParams.get('token');
  url.searchParams.delete('token');
  if (token && !headers.get('authorization')) headers.set('authorization', `Bearer ${token}`);
  return { method: sent.method === 'POST' ? 'GET' : sent.method, url, headers, body: '' };
}

function bodyOf({ headers, body }: Sent): Iterable<[string, string]> {
  const type = mediaType(headers);
  if (type === 'application/x-www-form-urlencoded') return new URLSearchParams(body);
  if (type !== 'application/json') throw new Unfit('body: its type is not a form or JSON');
  const read = readJson(body);
  if (!isObject(read)) throw new Unfit('body: is not an object');
  return Object.entries(read).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
}
