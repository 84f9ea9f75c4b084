import * as z from 'zod';
import { listConnections } from '../../lib/connections/list.ts';
import { viewOf } from '../../lib/connections/view.ts';
import { connectionBody } from '../../lib/http/bodies.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';

const listed = connectionBody.extend({
  user: z.object({ id: z.guid(), name: z.string() }).optional().describe('With scope=team.'),
});

export const listBody = z.object({ connections: z.array(listed) });

export const list = endpoint(
  {
    method: 'get',
    path: '/api/connectors/list',
    summary: 'The connections of a scope, ended ones included',
    access: 'session',
    query: z.object({ scope: z.enum(['mine', 'team']).default('mine') }),
    responses: { 200: { description: 'The connections', schema: listBody } },
    problems: WITH_SESSION,
  },
  async (c, { query: { scope } }) => {
    const connections = await listConnections(c.get('services'), c.get('caller'), scope);
    return c.json({
      connections: connections.map(({ row, owner }) => ({
        ...viewOf(row),
        ...(scope === 'team' && { user: owner }),
      })),
    });
  },
);
