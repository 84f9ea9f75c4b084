import * as z from 'zod';
import {
  type Account,
  type Answer,
  bearer,
  type Config,
  type Finding,
  type Provider,
  postJson,
} from './provider.ts';

const named = z.object({ id: z.string().min(1), name: z.string() });

const workspaces = z.object({ data: z.object({ apiToken: z.object({ workspaces: z.array(named) }) }) });
const user = z.object({
  data: z.object({ me: z.object({ id: z.string().min(1), name: z.string().nullish(), email: z.string() }) }),
});
const environment = z.object({
  data: z.object({ projectToken: z.object({ project: named, environment: named }) }),
});

const errors = z.object({ errors: z.array(z.object({ message: z.string() })).min(1) });

const tokensPage = 'railway.com/account/tokens';

/** https://docs.railway.com/integrations/api; the types are those of railwayapp/cli, src/gql/schema.json. */
export const railway = {
  id: 'railway',
  name: 'Railway',
  category: 'development',
  docs: 'https://docs.railway.com/integrations/api',
  hosts: () => ['backboard.railway.com'],
  config: [
    {
      name: 'token_type',
      label: 'Kind of token',
      required: false,
      pattern: 'workspace|account|project',
      help: 'workspace (taken where nothing is said), account (a token made with No workspace) or project (a token from a project’s settings).',
      normalize: (value) => value.trim().toLowerCase(),
    },
  ],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'API token',
      required: true,
      pattern: '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}',
      help: `A workspace token: at ${tokensPage}, choose the workspace and Create. For one environment alone a project token: in the project under Settings, Tokens. Railway has no read-only tokens.`,
    },
  },
  *probe({ credential, config }) {
    // Nothing in a token tells its kind, and each kind has its own question: `me` is closed to workspace
    // tokens, and project tokens go into a header of their own.
    const answer = yield question(credential, config);
    // 200 whether it went well or not: the errors decide.
    const failed = errors.safeParse(answer.json);
    if (failed.success) return answer.status < 500 ? refused(failed.data.errors, config) : undefined;
    if (answer.status !== 200) return undefined;
    const reached = accounts(answer, config);
    const [account] = reached ?? [];
    if (account && reached?.length === 1) return { finding: 'works', account };
    return reached && { finding: 'insufficient', detail: several(reached.length) };
  },
  // apiTokenDelete and projectTokenDelete exist; whether a token may end itself is documented nowhere.
  revocation: {
    unsupported: `Delete the token at ${tokensPage}, a project token in its project under Settings, Tokens.`,
  },
  tools: [],
  capabilities: ['service status', 'deployment history'],
  webhookEvents: [],
} satisfies Provider;

function question(credential: string, { token_type }: Config) {
  switch (token_type) {
    case 'project':
      return query('{ projectToken { project { id name } environment { id name } } }', {
        'project-access-token': credential,
      });
    case 'account':
      return query('{ me { id name email } }', bearer(credential));
    default:
      return query('{ apiToken { workspaces { id name } } }', bearer(credential));
  }
}

function query(text: string, headers: Record<string, string>) {
  return postJson('https://backboard.railway.com/graphql/v2', { query: text }, headers);
}

/** What the token speaks for: a user, one environment of one project, or its workspaces. */
function accounts({ json }: Answer, { token_type }: Config): Account[] | undefined {
  if (token_type === 'account') {
    const body = user.safeParse(json);
    return (
      body.data && [{ id: body.data.data.me.id, name: body.data.data.me.name || body.data.data.me.email }]
    );
  }
  if (token_type === 'project') {
    const body = environment.safeParse(json);
    if (!body.success) return undefined;
    const { project, environment: own } = body.data.data.projectToken;
    return [{ id: own.id, name: `${project.name} / ${own.name}` }];
  }
  return workspaces.safeParse(json).data?.data.apiToken.workspaces;
}

function several(count: number): string {
  return count === 0
    ? `This token reaches no workspace of Railway. Make one at ${tokensPage} with the workspace chosen.`
    : `This is an account token, which reaches ${count} workspaces. Make a token at ${tokensPage} with one workspace chosen, or give account as the kind of token.`;
}

/** The messages are those that the official CLI reads (railwayapp/cli, src/client.rs); their codes are not public. */
function refused(all: ReadonlyArray<{ message: string }>, { token_type }: Config): Finding | undefined {
  const says = (pattern: RegExp) => all.some(({ message }) => pattern.test(message));
  if (says(/two factor authentication required/i)) {
    return {
      finding: 'insufficient',
      detail:
        'The Railway workspace lets in only users with two-factor authentication. Enable it at railway.com/account/security, then try again.',
    };
  }
  if (!says(/not authorized|project ?token not found/i)) return undefined;
  const kind = token_type ?? 'workspace';
  return {
    finding: 'refused',
    detail: `Railway does not accept this as ${kind === 'account' ? 'an' : 'a'} ${kind} token: it is deleted, or of another kind. Check the kind of token, or make a new one ${kind === 'project' ? 'in the project under Settings, Tokens' : `at ${tokensPage}`}.`,
  };
}
