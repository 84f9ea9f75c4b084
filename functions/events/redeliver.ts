import * as z from 'zod';
import { redeliver } from '../../lib/events/redeliver.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';
import { Problem } from '../../lib/problem.ts';

export const redeliverEvent = endpoint(
  {
    method: 'post',
    path: '/api/events/:id/redeliver',
    summary: 'Have an event told to the agent again',
    access: 'session',
    limit: 'CONNECT_LIMIT',
    params: z.object({ id: z.string() }),
    responses: { 202: { description: 'It is told again, under the same id' } },
    problems: WITH_SESSION,
  },
  async (c, { params }) => {
    const id = z.guid().safeParse(params.id.toLowerCase()).data;
    if (id === undefined) throw new Problem('not_found', 'There is no such event.');
    await redeliver(c.get('services'), c.get('caller'), id);
    return c.body(null, 202);
  },
);
