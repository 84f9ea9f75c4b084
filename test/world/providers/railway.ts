import { Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import { execute } from './railway/graphql.ts';
import { countCall, createToken, identify } from './railway/records.ts';
import { resolversFor } from './railway/resolvers.ts';

const requestBody = z.object({
  query: z.string(),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().nullish(),
});

/**
 * Railway's public API (docs.railway.com/integrations/api): two workspaces, and the user who is in both.
 *
 * Settings in the store: `settings.rateLimit` (calls an hour, 1000), `settings.retryAfter` (seconds; every
 * call is one too many).
 *
 * `issueKey` options: `kind` (`workspace`, `account`, `project`), `workspace` (`acme`, `globex`), `workspaces`
 * (how many an account token reaches, 2), `environment` (`production`, `staging`), `deleted` or `expired`
 * (`true`: it is no more), `twoFactor` (`enforced`: by the workspace, and the user has none).
 */
export const railway: SimulatorFactory = (context) => {
  const api = railwayApi(context);
  return {
    provider: 'railway',
    host: (hostname) => hostname === 'backboard.railway.com',
    fetch: (request) => api.fetch(request),
    issueKey: (options) => createToken(context, options),
  };
};

function railwayApi(context: SimulatorContext) {
  const api = new Hono();

  api.post('/graphql/v2', async (c) => {
    const record = identify(context, c.req.raw.headers);
    const { limit, remaining, reset, retryAfter } = countCall(context, record?.token ?? 'nobody');
    c.header('x-ratelimit-limit', String(limit));
    c.header('x-ratelimit-remaining', String(remaining));
    c.header('x-ratelimit-reset', new Date(reset).toISOString());
    if (retryAfter !== undefined) {
      c.header('retry-after', String(retryAfter));
      return c.json({ data: null }, 429);
    }
    const isJson = /^application\/json\b/i.test(c.req.header('content-type') ?? '');
    const body = requestBody.safeParse(isJson ? await c.req.json().catch(() => undefined) : undefined);
    if (!body.success) {
      const message = isJson ? 'GraphQL operations must contain a `query`.' : 'The body must be JSON.';
      return c.json({ errors: [{ message, extensions: { code: 'BAD_REQUEST' } }] }, 400);
    }
    const { query, variables, operationName } = body.data;
    const projectHeader = c.req.header('project-access-token') !== undefined;
    const outcome = execute(
      { query, variables: variables ?? {}, operationName: operationName ?? undefined },
      resolversFor(record, projectHeader),
    );
    return c.json(outcome.body, outcome.status);
  });

  api.notFound((c) => c.text('Not Found', 404));
  return api;
}
