/** A request: its first line, its headers beside a bearer token, and its body behind that one's type. */
export type Example = [line: string, headers?: Record<string, string>, type?: string, body?: unknown];

export interface Examples {
  /** What stands before a path that begins with a slash. */
  at: string;
  fit: Example[];
  /** With one thing wrong, and before it what is said of that. */
  unfit: [violation: string, ...Example][];
  /** At an address of the API that its description doesn't know. */
  unknown: string[];
  /** At an address that isn't of the API. */
  beside: string[];
}

const json = 'application/json';
const jsonApi = 'application/vnd.api+json';
const form = 'application/x-www-form-urlencoded';

const none = { Authorization: '' };
const basic = { Authorization: 'Basic x' };
const current = { revision: '2026-07-15' };
const beta = { revision: '2026-07-15.pre' };

const noCredential = 'credentials: none of the kind that the operation asks for';
const noBody = 'body: the operation takes none';
const extra = (name: string, where = 'query') =>
  `${where}: must NOT have additional properties but has ${name}`;
const missing = (name: string, where = 'body') => `${where}: must have required property '${name}'`;
const otherType = (type: string) => `body: its type is not ${type}`;
const noArgument = (name: string, type: string) =>
  `document: Argument "${name}" of type "${type}" is required, but it was not provided.`;
const noField = (type: string, names: string) =>
  `document: Cannot query field "nickname" on type "${type}". Did you mean ${names}?`;

const graphql = 'POST /admin/api/2026-10/graphql.json';
const orders = 'query ($first: Int!) { orders(first: $first) { nodes { id } } }';
const twoShops = 'query A { shop { id } } query B { shop { id } }';
const appUninstall = 'mutation { appUninstall { userErrors { message } } }';
const railway = 'POST /graphql/v2';
const project = 'query P($id: String!) { project(id: $id) { id } }';
const edges = '{ projects { edges { cursor } } }';
const report = 'POST /v1beta/properties/7:runReport';
const admin = 'https://analyticsadmin.googleapis.com/v1beta';
const robot = 'https://iam.googleapis.com/v1/projects/-/serviceAccounts/robot@acme.example';
const disable = { data: { type: 'api-key', id: '1', attributes: { status: 'disabled' } } };
const message = { channel: 'C1', blocks: [{ type: 'divider' }], unfurl_links: false, metadata: {} };
const endpoints = 'POST /v1/webhook_endpoints';
const endpoint = 'url=https%3A%2F%2Facme.example&enabled_events[0]=charge.refunded&enabled_events[1]=*';

export const examples: Record<string, Examples> = {
  figma: {
    at: 'https://api.figma.com',
    fit: [
      ['GET /v1/me', { ...none, 'X-Figma-Token': 't' }],
      ['GET /v1/files/abc?depth=2&branch_data=true'],
      ['DELETE /v2/webhooks/1'],
    ],
    unfit: [
      ['method: is not GET', 'POST /v1/me'],
      [extra('x'), 'GET /v1/me?x=1'],
      ['query depth: must be number', 'GET /v1/files/a?depth=two'],
      [noCredential, 'GET /v1/me', none],
      ['body: is missing', 'POST /v2/webhooks', {}, json],
      [otherType(json), 'POST /v2/webhooks', {}, form, 'endpoint=u'],
    ],
    unknown: ['GET /v1/you', 'POST /v1/oauth/token'],
    beside: ['GET https://www.figma.com/oauth'],
  },
  ga4: {
    at: 'https://analyticsdata.googleapis.com',
    fit: [
      [`GET ${admin}/accountSummaries?pageSize=200`],
      [`GET ${admin}/properties/7`],
      [report, {}, json, { dateRanges: [{ startDate: '7daysAgo', endDate: 'today' }] }],
      [`DELETE ${robot}/keys/1`],
    ],
    unfit: [
      ['method: is not POST', 'GET /v1beta/properties/7:runReport'],
      [extra('dateRange', 'body'), report, {}, json, { dateRange: [] }],
      [extra('from', 'body dateRanges 0'), report, {}, json, { dateRanges: [{ from: 'today' }] }],
      ['body dateRanges: must be array', report, {}, json, { dateRanges: {} }],
      [otherType(json), report, {}, 'text/plain', {}],
      ['body: is missing', report, {}, json],
      [extra('page_size'), `GET ${admin}/accountSummaries?page_size=1`],
      [noCredential, `GET ${admin}/properties/7`, basic],
    ],
    // An operation is served at its own host only.
    unknown: [`GET ${admin}/property/7`, 'GET /v1beta/properties/7'],
    beside: ['POST https://oauth2.googleapis.com/token'],
  },
  github: {
    at: 'https://api.github.com',
    fit: [
      ['GET /user'],
      ['GET /user/installations?per_page=100&page=2'],
      ['DELETE /applications/id/grant', basic, json, { access_token: 't' }],
      ['POST /app/installations/7/access_tokens'],
    ],
    unfit: [
      ['method: is not DELETE', 'GET /applications/id/grant'],
      [extra('x'), 'GET /user?x=1'],
      ['query per_page: must be integer', 'GET /user/installations?per_page=1&per_page=2'],
      [missing('access_token'), 'DELETE /applications/id/token', {}, json, {}],
      ['body access_token: must be string', 'DELETE /applications/id/token', {}, json, { access_token: 1 }],
      [otherType(json), 'DELETE /applications/id/token', {}, form, 'access_token=1'],
      ['path installation_id: must be integer', 'GET /app/installations/x'],
      ['path: is not well encoded', 'GET /app/installations/%zz'],
      [noBody, 'GET /user', {}, json, {}],
    ],
    unknown: ['GET /users'],
    beside: ['POST https://github.com/login/oauth/access_token'],
  },
  klaviyo: {
    at: 'https://a.klaviyo.com',
    fit: [
      ['GET /api/accounts', { ...current, Authorization: 'Klaviyo-API-Key x' }],
      ['GET /api/accounts?fields[account]=locale,timezone', current],
      ['GET /api/flows?page[size]=10&page%5Bcursor%5D=x', current],
      ['PATCH /api/api-keys/1', beta, jsonApi, disable],
    ],
    unfit: [
      [missing('revision', 'header'), 'GET /api/accounts'],
      ['header revision: must match pattern "^\\d{4}-\\d\\d-\\d\\d$"', 'GET /api/accounts', beta],
      ['header revision: must match pattern "^\\d{4}-\\d\\d-\\d\\d\\.pre$"', 'GET /api/api-keys', current],
      ['method: is not GET', 'PUT /api/accounts', current],
      [extra('page[size]'), 'GET /api/accounts?page[size]=1', current],
      [missing('filter', 'query'), 'GET /api/campaigns', current],
      [
        'query fields[account] 1: must be equal to one of the allowed values',
        'GET /api/accounts?fields[account]=locale,x',
        current,
      ],
      [otherType(jsonApi), 'PATCH /api/api-keys/1', beta, json, disable],
      [
        'body data id: must be string',
        'PATCH /api/api-keys/1',
        beta,
        jsonApi,
        { data: { ...disable.data, id: 1 } },
      ],
      [noCredential, 'GET /api/accounts', { ...current, ...none }],
    ],
    unknown: ['GET /api/account', 'POST /oauth/token'],
    beside: ['GET https://www.klaviyo.com/oauth/authorize'],
  },
  posthog: {
    at: 'https://us.posthog.com',
    fit: [
      ['GET /api/projects/7/'],
      ['GET https://analytics.acme.example/api/users/@me/'],
      ['POST /api/projects/7/query/', {}, json, { query: { kind: 'HogQLQuery', query: 'select 1' } }],
    ],
    unfit: [
      ['method: is not GET', 'POST /api/projects/7/'],
      [extra('x'), 'GET /api/projects/7/?x=1'],
      [missing('query'), 'POST /api/projects/7/query/', {}, json, {}],
      ['body token: must be string', 'POST /api/revoke_leaked_key', none, json, { token: 1 }],
      [otherType(json), 'POST /api/projects/7/query/', {}, form, 'query=1'],
      [noCredential, 'GET /api/projects/7/', basic],
    ],
    unknown: ['GET /api/projects/7', 'GET /api/project/7/'],
    beside: ['GET /login'],
  },
  railway: {
    at: 'https://backboard.railway.com',
    fit: [
      [railway, {}, json, { query: '{ apiToken { workspaces { id name } } }' }],
      [railway, {}, `${json}; charset=utf-8`, { query: project, variables: { id: '7' }, operationName: 'P' }],
    ],
    unfit: [
      ['method: is not POST', 'GET /graphql/v2'],
      [otherType(json), railway, {}, 'application/graphql', edges],
      [noField('User', '"name" or "username"'), railway, {}, json, { query: '{ me { nickname } }' }],
      [noArgument('Query.project(id:)', 'String!'), railway, {}, json, { query: '{ project { id } }' }],
      ['variable first: is not declared', railway, {}, json, { query: edges, variables: { first: 1 } }],
      ['query: unknown parameter x', `${railway}?x=1`, {}, json, { query: edges }],
    ],
    unknown: ['POST /graphql/v1'],
    beside: ['POST https://railway.com/graphql/v2'],
  },
  shopify: {
    at: 'https://acme.myshopify.com',
    fit: [
      [graphql, {}, json, { query: '{ shop { id name } }' }],
      [graphql, {}, json, { query: orders, variables: { first: 5 } }],
      [graphql, {}, json, { query: twoShops, operationName: 'B' }],
      [graphql, {}, json, { query: appUninstall, variables: null }],
    ],
    unfit: [
      ['method: is not POST', 'PUT /admin/api/2026-10/graphql.json'],
      [otherType(json), graphql, {}, form, 'query=1'],
      ['body: is not JSON', graphql, {}, json, '{'],
      ['body query: is not a text', graphql, {}, json, {}],
      ['body: unknown field variable', graphql, {}, json, { query: '{ shop { id } }', variable: {} }],
      [noField('Shop', '"name"'), graphql, {}, json, { query: '{ shop { nickname } }' }],
      [noArgument('QueryRoot.order(id:)', 'ID!'), graphql, {}, json, { query: '{ order { id } }' }],
      ['document: no syntax at 1:14', graphql, {}, json, { query: '{ shop { id }' }],
      [
        'variable first: is not of type Int!',
        graphql,
        {},
        json,
        { query: orders, variables: { first: '5' } },
      ],
      ['variable first: is not of type Int!', graphql, {}, json, { query: orders }],
      ['body operationName: does not name one operation', graphql, {}, json, { query: twoShops }],
    ],
    unknown: ['POST /admin/api/2025-10/graphql.json', 'DELETE /admin/api_permissions/current.json'],
    beside: ['POST /admin/oauth/access_token', 'POST https://acme.example/admin/api/2026-10/graphql.json'],
  },
  slack: {
    at: 'https://slack.com',
    fit: [
      ['GET /api/auth.test'],
      ['POST /api/auth.test'],
      ['POST /api/team.info', none, form, 'token=t&team=T1'],
      ['POST /api/chat.postMessage', {}, `${json}; charset=utf-8`, message],
      ['POST /api/oauth.v2.access', basic, form, 'code=1&redirect_uri=u'],
      ['GET /api/conversations.list?limit=200&exclude_archived=true&team_id=T1'],
    ],
    unfit: [
      ['method: is not GET', 'PUT /api/auth.test'],
      [noCredential, 'GET /api/auth.test', none],
      [missing('channel', 'query'), 'POST /api/chat.postMessage', {}, form, 'text=hello'],
      ['query limit: must be integer', 'GET /api/conversations.list?limit=all'],
      ['query limit: must be integer', 'POST /api/conversations.list', {}, json, { limit: 'all' }],
      [otherType('a form or JSON'), 'POST /api/chat.postMessage', {}, 'text/plain', 'channel=C1'],
    ],
    unknown: ['GET /api/auth.teams.list'],
    beside: ['GET /oauth/v2/authorize'],
  },
  stripe: {
    at: 'https://api.stripe.com',
    fit: [
      ['GET /v1/account', basic],
      ['GET /v1/charges?limit=3&created[gte]=1700000000&expand[]=data.customer'],
      // In the old description only.
      ['GET /v1/events/evt_1'],
      [endpoints, {}, form, `${endpoint}&connect=true&metadata[a]=b`],
      [`${endpoints}/we_1`, {}, form, 'enabled_events[]=charge.refunded&description='],
      ['DELETE /v1/webhook_endpoints/we_1'],
    ],
    unfit: [
      ['method: is not GET or POST or DELETE', 'PATCH /v1/webhook_endpoints/we_1'],
      [extra('x'), 'GET /v1/account?x=1'],
      ['query limit: must be number', 'GET /v1/charges?limit=all'],
      ['limit: comes twice', 'GET /v1/charges?limit=1&limit=2'],
      [otherType(form), endpoints, {}, json, {}],
      [extra('events', 'body'), endpoints, {}, form, `${endpoint}&events[]=*`],
      ['body connect: must be boolean', endpoints, {}, form, `${endpoint}&connect=yes`],
      ['body enabled_events: must be array', endpoints, {}, form, 'url=u&enabled_events=*'],
      [noCredential, 'GET /v1/account', none],
    ],
    unknown: ['GET /v1/accounts'],
    beside: ['GET https://files.stripe.com/v1/account'],
  },
  vercel: {
    at: 'https://api.vercel.com',
    fit: [
      ['GET /v2/user'],
      ['GET /v6/deployments?teamId=team_1&limit=5'],
      [
        'POST /v1/webhooks?teamId=team_1',
        {},
        json,
        { url: 'https://acme.example', events: ['deployment.error'] },
      ],
    ],
    unfit: [
      ['method: is not GET', 'POST /v2/user'],
      [extra('x'), 'GET /v2/user?x=1'],
      ['query limit: must be number', 'GET /v6/deployments?limit=all'],
      [
        'body events: must be array',
        'POST /v1/webhooks',
        {},
        json,
        { url: 'https://acme.example', events: 'all' },
      ],
      [
        'body url: must match format "uri"',
        'POST /v1/webhooks',
        {},
        json,
        { url: 'https:// ', events: ['deployment.error'] },
      ],
      [otherType(json), 'POST /v1/webhooks', {}, form, 'url=u'],
      [noCredential, 'GET /v2/user', none],
    ],
    unknown: ['GET /v3/user'],
    beside: ['GET https://vercel.com/v2/user'],
  },
  zendesk: {
    at: 'https://acme.zendesk.com',
    fit: [
      ['GET /api/v2/users/me.json'],
      ['GET /api/v2/tickets?page[size]=100&page[after]=x&sort=-updated_at'],
      ['GET /api/v2/users/me', basic],
      ['GET /api/v2/incremental/tickets/cursor?start_time=1700000000'],
    ],
    unfit: [
      ['method: is not GET', 'POST /api/v2/users/me.json'],
      [extra('x'), 'GET /api/v2/users/me.json?x=1'],
      [missing('query', 'query'), 'GET /api/v2/search.json'],
      ['path ticket_id: must be integer', 'GET /api/v2/tickets/first'],
      [noBody, 'GET /api/v2/users/me', {}, form, 'a=b'],
      [noCredential, 'GET /api/v2/users/me', none],
    ],
    unknown: ['DELETE /api/v2/oauth/tokens/current.json'],
    beside: ['POST /oauth/tokens'],
  },
};
