import * as z from 'zod';
import { requireProvider } from '../../lib/catalog.ts';
import { retest } from '../../lib/connections/retest.ts';
import { viewOf } from '../../lib/connections/view.ts';
import { connectionBody } from '../../lib/http/bodies.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';

export const test = endpoint(
  {
    method: 'post',
    path: '/api/connectors/:provider/test',
    summary: 'Ask the provider whether the credential still works',
    access: 'session',
    limit: 'CONNECT_LIMIT',
    params: z.object({ provider: z.string() }),
    responses: { 200: { description: 'The connection as it now stands', schema: connectionBody } },
    problems: [
      ...WITH_SESSION,
      'unknown_provider',
      'not_connected',
      'in_progress',
      'provider_error',
      'provider_timeout',
    ],
  },
  async (c, { params }) => {
    const provider = requireProvider(c.env, params.provider);
    c.set('logged', { provider_id: provider.id });
    return c.json(viewOf(await retest(c.get('services'), c.get('caller'), provider)));
  },
);
