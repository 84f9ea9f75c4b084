/** A field: its type as it is written, and its arguments' types. */
export interface FieldRule {
  type: string;
  arguments: Record<string, string>;
}

/** The part of Railway's schema (railwayapp/cli, src/gql/schema.json, 2026-08-08) behind the simulator. */
const SDL = `
type Query {
  apiToken: ApiTokenContext!
  deployments(after: String, before: String, first: Int, input: DeploymentListInput!, last: Int): QueryDeploymentsConnection!
  environment(id: String!, projectId: String): Environment!
  me: User!
  project(id: String!): Project!
  projectToken: ProjectToken!
  projects(after: String, before: String, first: Int, includeDeleted: Boolean, last: Int, orderBy: ProjectsOrderBy, userId: String, workspaceId: String): QueryProjectsConnection!
  serviceInstance(environmentId: String!, serviceId: String!): ServiceInstance!
  workspace(workspaceId: String!): Workspace!
}
type ApiTokenContext {
  workspaces: [ApiTokenWorkspace!]!
}
type ApiTokenWorkspace {
  id: String!
  name: String!
}
type User {
  email: String!
  id: ID!
  name: String
  username: String
  workspaces: [Workspace!]!
}
type Workspace {
  createdAt: DateTime!
  id: ID!
  name: String!
  plan: Plan!
}
type ProjectToken {
  createdAt: DateTime!
  displayToken: String!
  environment: Environment!
  environmentId: String!
  id: ID!
  name: String!
  project: Project!
  projectId: String!
}
type Project {
  createdAt: DateTime!
  description: String
  environments(after: String, before: String, first: Int, isEphemeral: Boolean, last: Int, sort: SortOrder): ProjectEnvironmentsConnection!
  id: ID!
  name: String!
  services(after: String, before: String, first: Int, last: Int): ProjectServicesConnection!
  updatedAt: DateTime!
  workspaceId: String
}
type ProjectEnvironmentsConnection {
  edges: [ProjectEnvironmentsConnectionEdge!]!
  pageInfo: PageInfo!
}
type ProjectEnvironmentsConnectionEdge {
  cursor: String!
  node: Environment!
}
type ProjectServicesConnection {
  edges: [ProjectServicesConnectionEdge!]!
  pageInfo: PageInfo!
}
type ProjectServicesConnectionEdge {
  cursor: String!
  node: Service!
}
type QueryProjectsConnection {
  edges: [QueryProjectsConnectionEdge!]!
  pageInfo: PageInfo!
}
type QueryProjectsConnectionEdge {
  cursor: String!
  node: Project!
}
type Environment {
  createdAt: DateTime!
  id: ID!
  isEphemeral: Boolean!
  name: String!
  projectId: String!
  updatedAt: DateTime!
}
type Service {
  createdAt: DateTime!
  id: ID!
  name: String!
  projectId: String!
  updatedAt: DateTime!
}
type ServiceInstance {
  activeDeployments: [Deployment!]!
  createdAt: DateTime!
  environmentId: String!
  id: ID!
  latestDeployment: Deployment
  numReplicas: Int
  region: String
  serviceId: String!
  serviceName: String!
  updatedAt: DateTime!
}
type QueryDeploymentsConnection {
  edges: [QueryDeploymentsConnectionEdge!]!
  pageInfo: PageInfo!
}
type QueryDeploymentsConnectionEdge {
  cursor: String!
  node: Deployment!
}
type Deployment {
  canRedeploy: Boolean!
  canRollback: Boolean!
  createdAt: DateTime!
  environmentId: String!
  id: ID!
  projectId: String!
  serviceId: String
  staticUrl: String
  status: DeploymentStatus!
  statusUpdatedAt: DateTime
  updatedAt: DateTime!
  url: String
}
type PageInfo {
  endCursor: String
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
}
input DeploymentListInput {
  environmentId: String
  includeDeleted: Boolean
  projectId: String
  serviceId: String
  status: DeploymentStatusInput
}
input DeploymentStatusInput {
  in: [DeploymentStatus!]
  notIn: [DeploymentStatus!]
}
`;

/** The types of the schema: of each the fields it has. */
export const TYPES: ReadonlyMap<string, ReadonlyMap<string, FieldRule>> = new Map(
  [...SDL.matchAll(/^(?:type|input) (\w+) \{\n([^}]*)\}/gm)].map(([, name = '', body = '']) => [
    name,
    new Map(
      [...body.matchAll(/^ {2}(\w+)(?:\(([^)]*)\))?: (.+)$/gm)].map(
        ([, field = '', given = '', type = '']) => [
          field,
          { type, arguments: Object.fromEntries(given.split(', ').flatMap(readArgument)) },
        ],
      ),
    ),
  ]),
);

function readArgument(text: string): [string, string][] {
  const [name = '', type = ''] = text.split(': ');
  return name === '' ? [] : [[name, type]];
}
