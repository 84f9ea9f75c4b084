import { z } from 'zod';
import { ResolverFault, type Resolvers, type Value } from './graphql.ts';
import { type TokenRecord, USER, WORKSPACES, type WorkspaceRecord } from './records.ts';

const WHEN = '2026-11-20T10:00:00.000Z';
const dates = { createdAt: WHEN, updatedAt: WHEN };

/** A dead token, and a living one without a right to the thing, are told alike (railwayapp/cli, src/client.rs). */
const notAuthorized = () => new ResolverFault('Not Authorized');

const connection = (nodes: Value[]): Value => ({
  edges: nodes.map((node, index) => ({ cursor: String(index), node })),
  pageInfo: { endCursor: null, hasNextPage: false, hasPreviousPage: false, startCursor: null },
});

function environmentsOf({ project, environments }: WorkspaceRecord) {
  return Object.entries(environments).map(([name, id]) => ({
    ...dates,
    id,
    isEphemeral: false,
    name,
    projectId: project,
  }));
}

function projectOf(workspace: WorkspaceRecord) {
  const service = { ...dates, id: workspace.service, name: 'web', projectId: workspace.project };
  return {
    ...dates,
    description: null,
    environments: connection(environmentsOf(workspace)),
    id: workspace.project,
    name: workspace.projectName,
    services: connection([service]),
    workspaceId: workspace.id,
  };
}

function deploymentsOf(workspace: WorkspaceRecord, environment: string) {
  return ['SUCCESS', 'REMOVED', 'FAILED'].map((status, index) => ({
    ...dates,
    canRedeploy: true,
    canRollback: status === 'REMOVED',
    environmentId: environment,
    id: `${environment.slice(0, -12)}00000000010${index}`,
    projectId: workspace.project,
    serviceId: workspace.service,
    staticUrl: null,
    status,
    statusUpdatedAt: WHEN,
    url: null,
  }));
}

const statuses = z.array(z.string()).optional();
const deploymentList = z.object({
  projectId: z.string().optional(),
  environmentId: z.string().optional(),
  status: z.object({ in: statuses, notIn: statuses }).optional(),
});

/** The roots of the schema for whoever holds this token. */
export function resolversFor(record: TokenRecord | undefined, projectHeader: boolean): Resolvers {
  const mine = WORKSPACES.filter(({ id }) => record?.workspaces.includes(id));

  /** What the token reaches: all of its workspaces, or one environment. */
  function reach(fits: (workspace: WorkspaceRecord, environments: string[]) => boolean) {
    const [own] = mine;
    const found = mine.find((workspace) => {
      const all = environmentsOf(workspace).map(({ id }) => id);
      const only = own && record?.kind === 'project' ? [own.environments[record.environment]] : all;
      return fits(workspace, only);
    });
    if (!found) throw notAuthorized();
    if (record?.twoFactor) {
      throw new ResolverFault('Two Factor Authentication Required', { workspaceName: found.name });
    }
    return found;
  }

  function user() {
    if (record?.kind !== 'account') throw notAuthorized();
    return USER;
  }

  return {
    apiToken: () => {
      if (!record || record.kind === 'project') throw notAuthorized();
      reach(() => true);
      return { workspaces: mine.map(({ id, name }) => ({ id, name })) };
    },
    me: () => ({
      ...user(),
      workspaces: mine.map(({ id, name }) => ({ createdAt: WHEN, id, name, plan: 'HOBBY' })),
    }),
    projectToken: () => {
      if (record?.kind !== 'project') {
        throw projectHeader ? new ResolverFault('Project Token not found') : notAuthorized();
      }
      const workspace = reach(() => true);
      const environment = environmentsOf(workspace).find(({ name }) => name === record.environment) ?? null;
      return {
        createdAt: WHEN,
        displayToken: `****-${record.token.slice(-4)}`,
        environment,
        environmentId: workspace.environments[record.environment],
        id: record.id,
        name: 'Reeve',
        project: projectOf(workspace),
        projectId: workspace.project,
      };
    },
    workspace: ({ workspaceId }) => {
      const { id, name } = reach((workspace) => workspace.id === workspaceId && record?.kind !== 'project');
      return { createdAt: WHEN, id, name, plan: 'HOBBY' };
    },
    project: ({ id }) => projectOf(reach((workspace) => workspace.project === id)),
    projects: ({ workspaceId }) => {
      const first = reach(({ id }) => workspaceId == null || id === workspaceId);
      return connection((workspaceId == null ? mine : [first]).map(projectOf));
    },
    environment: ({ id }) => {
      const workspace = reach((_, environments) => environments.includes(String(id)));
      return environmentsOf(workspace).find((environment) => environment.id === id) ?? null;
    },
    serviceInstance: ({ environmentId: wanted, serviceId: service }) => {
      const environment = String(wanted);
      const workspace = reach((own, all) => all.includes(environment) && own.service === service);
      const [latest = null] = deploymentsOf(workspace, environment);
      return {
        ...dates,
        activeDeployments: [latest],
        environmentId: environment,
        id: `${environment.slice(0, -12)}000000000200`,
        latestDeployment: latest,
        numReplicas: 1,
        region: 'us-west2',
        serviceId: String(service),
        serviceName: 'web',
      };
    },
    deployments: ({ input }) => {
      const { projectId, environmentId, status } = deploymentList.parse(input);
      const workspace = reach(
        ({ project }, all) =>
          project === projectId && (environmentId === undefined || all.includes(environmentId)),
      );
      const all = deploymentsOf(workspace, environmentId ?? workspace.environments.production);
      return connection(
        all.filter(
          (each) => (status?.in?.includes(each.status) ?? true) && !status?.notIn?.includes(each.status),
        ),
      );
    },
  };
}
