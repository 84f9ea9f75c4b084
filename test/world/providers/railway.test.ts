import { beforeEach, describe, expect, test } from 'vitest';
import { keyOf } from '../../support/keys.ts';
import { openContext, type TestContext } from '../../support/open-context.ts';
import type { IssuedKey, Simulator } from '../simulator.ts';
import { WORKSPACES } from './railway/records.ts';
import { railway } from './railway.ts';

const [ACME, GLOBEX] = WORKSPACES;

let context: TestContext;
let simulator: Simulator;

beforeEach(() => {
  context = openContext('railway');
  simulator = railway(context);
});

const issue = (options?: Record<string, string>) => keyOf(simulator, options);

const post = async (headers: Record<string, string>, body: unknown) =>
  simulator.fetch(
    new Request('https://backboard.railway.com/graphql/v2', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  );

const bearer = (key: IssuedKey) => ({ authorization: `Bearer ${key.api_key}` });
const project = (key: IssuedKey) => ({ 'project-access-token': key.api_key });

async function run(headers: Record<string, string>, query: string, variables?: Record<string, unknown>) {
  const response = await post(headers, { query, ...(variables && { variables }) });
  return { status: response.status, body: await response.json() };
}

const refused = (message: string, field: string) => ({
  status: 200,
  body: { errors: [{ message, locations: [expect.anything()], path: [field] }], data: null },
});
const data = (value: unknown) => ({ status: 200, body: { data: value } });

const API_TOKEN = '{ apiToken { workspaces { id name } } }';
const ME = 'query { me { id name email } }';
const PROJECT_TOKEN =
  'query { projectToken { id name projectId environmentId project { id name } environment { id name } } }';

test('answers at backboard.railway.com alone, by POST to one path', async () => {
  const hosts = ['backboard.railway.com', 'railway.com', 'backboard.railway.com.evil.example'];
  expect(hosts.filter(simulator.host)).toEqual(['backboard.railway.com']);
  const get = await simulator.fetch(new Request('https://backboard.railway.com/graphql/v2'));
  expect(get.status).toBe(404);
});

test('tokens are UUIDs and pass through the leak test’s ear', () => {
  const { api_key } = issue();
  expect(api_key).toMatch(/^[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$/);
  expect(context.secrets.has(api_key)).toBe(true);
});

describe('tokens', () => {
  test('of a workspace reach that workspace and no user', async () => {
    const key = issue();
    expect(await run(bearer(key), API_TOKEN)).toEqual(
      data({ apiToken: { workspaces: [{ id: ACME.id, name: 'Acme' }] } }),
    );
    expect(await run(bearer(key), ME)).toEqual(refused('Not Authorized', 'me'));
    const workspace = 'query($id: String!) { workspace(workspaceId: $id) { name } }';
    expect(await run(bearer(key), workspace, { id: ACME.id })).toEqual(data({ workspace: { name: 'Acme' } }));
    expect(await run(bearer(key), workspace, { id: GLOBEX.id })).toEqual(
      refused('Not Authorized', 'workspace'),
    );
  });

  test('of an account reach the user and each workspace', async () => {
    const key = issue({ kind: 'account' });
    expect(await run(bearer(key), ME)).toMatchObject(data({ me: { name: 'Ada Lovelace' } }));
    const { body } = await run(bearer(key), API_TOKEN);
    expect(body).toMatchObject({
      data: { apiToken: { workspaces: [{ name: 'Acme' }, { name: 'Globex' }] } },
    });
  });

  test('of a project have a header of their own and reach one environment', async () => {
    const key = issue({ kind: 'project', environment: 'staging' });
    expect(await run(project(key), PROJECT_TOKEN)).toMatchObject(
      data({ projectToken: { projectId: ACME.project, environment: { name: 'staging' } } }),
    );
    const environment = 'query($id: String!) { environment(id: $id) { name } }';
    const { staging, production } = ACME.environments;
    expect(await run(project(key), environment, { id: staging })).toMatchObject({ body: { data: {} } });
    expect(await run(project(key), environment, { id: production })).toEqual(
      refused('Not Authorized', 'environment'),
    );
    expect(await run(bearer(key), PROJECT_TOKEN)).toEqual(refused('Not Authorized', 'projectToken'));
  });

  test('that are dead, missing or of another kind are refused at 200', async () => {
    const dead = issue({ deleted: 'true' });
    expect(await run(bearer(dead), API_TOKEN)).toEqual(refused('Not Authorized', 'apiToken'));
    expect(await run({}, API_TOKEN)).toEqual(refused('Not Authorized', 'apiToken'));
    const notFound = refused('Project Token not found', 'projectToken');
    expect(await run(project(dead), PROJECT_TOKEN)).toEqual(notFound);
    expect(await run(project(issue()), PROJECT_TOKEN)).toEqual(notFound);
  });

  test('of users without two factors are told which workspace wants them', async () => {
    expect(await run(bearer(issue({ twoFactor: 'enforced' })), API_TOKEN)).toMatchObject({
      status: 200,
      body: {
        errors: [{ message: 'Two Factor Authentication Required', extensions: { workspaceName: 'Acme' } }],
      },
    });
  });
});

test('status and history of a service are there for the tools', async () => {
  const key = issue();
  const status =
    'query($s: String!, $e: String!) { serviceInstance(serviceId: $s, environmentId: $e) { serviceName latestDeployment { status } } }';
  expect(await run(bearer(key), status, { s: ACME.service, e: ACME.environments.production })).toEqual(
    data({ serviceInstance: { serviceName: 'web', latestDeployment: { status: 'SUCCESS' } } }),
  );
  const history = `query($p: String!) { deployments(input: {projectId: $p, status: {in: [FAILED]}}, first: 20) { edges { node { status } } pageInfo { hasNextPage } } }`;
  expect(await run(bearer(key), history, { p: ACME.project })).toMatchObject(
    data({ deployments: { edges: [{ node: { status: 'FAILED' } }], pageInfo: { hasNextPage: false } } }),
  );
  const projects = await run(
    bearer(issue({ kind: 'account' })),
    '{ projects(first: 5) { edges { node { name } } } }',
  );
  expect(projects).toMatchObject({ body: { data: { projects: { edges: [{}, {}] } } } });
});

test.each([
  ['{ apiToken { id } }', 'Cannot query field "id" on type "ApiTokenContext".'],
  ['{ apiToken }', 'must have a selection of subfields'],
  ['{ me { id { x } } }', 'must not have a selection'],
  ['{ project { id } }', 'argument "id" of type "String!" is required'],
  ['{ project(id: 1) { id } }', 'Expected value of type "String!", found 1.'],
  ['{ project(id: "1", key: "2") { id } }', 'Unknown argument "key" on field "Query.project".'],
  ['{ project(id: $id) { id } }', 'Variable "$id" is not defined.'],
  ['query($id: Int) { project(id: $id) { id } }', 'used in position expecting type "String!"'],
  ['query($id: String!) { project(id: $id) { id } }', 'was not provided'],
  [
    '{ deployments(input: {status: {successfulOnly: true}}) { edges { cursor } } }',
    'Field "successfulOnly" is not defined by type "DeploymentStatusInput".',
  ],
  ['mutation { projectDelete(id: "1") }', 'Cannot query field "projectDelete" on type "Mutation".'],
  ['{ me { id }', 'Syntax Error'],
])('%s is refused with 400', async (query, message) => {
  const { status, body } = await run(bearer(issue()), query);
  expect(status).toBe(400);
  expect(body).toMatchObject({ errors: [{ message: expect.stringContaining(message) }] });
});

test('a body that is no JSON, or holds no query, is refused with 400', async () => {
  const headers = bearer(issue());
  expect((await post({ ...headers, 'content-type': 'text/plain' }, { query: ME })).status).toBe(400);
  expect((await post(headers, { document: ME })).status).toBe(400);
});

test('each answer counts, and after the last there is 429 with Retry-After', async () => {
  context.store.set('settings.rateLimit', 2);
  context.clock += 60_000;
  const headers = bearer(issue());
  const answers = [];
  for (let count = 0; count < 3; count += 1) answers.push(await post(headers, { query: API_TOKEN }));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  expect(answers.map((answer) => answer.headers.get('x-ratelimit-remaining'))).toEqual(['1', '0', '0']);
  expect(answers.map((answer) => answer.headers.get('retry-after'))).toEqual([null, null, '3540']);
  expect(await answers[2]?.json()).toEqual({ data: null });
});
