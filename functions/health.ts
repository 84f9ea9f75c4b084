import * as z from 'zod';
import { checkHealth } from '../lib/health.ts';
import { endpoint } from '../lib/http/endpoint.ts';

const state = z.enum(['ok', 'down']);

const body = z.object({
  status: z.enum(['ok', 'degraded']),
  dependencies: z.object({ postgres: state, kms: state, kv: state }),
  providers: z
    .record(z.string(), z.enum(['client_refused', 'rate_limited']))
    .describe('Platforms that refuse our own app, or limit it, at the moment.'),
});

export const health = endpoint(
  {
    method: 'get',
    path: '/health',
    summary: 'Whether the Worker lives, and each thing it depends on',
    access: 'public',
    responses: { 200: { description: 'Alive, with the state of each dependency', schema: body } },
    problems: [],
  },
  async (c) => c.json(await checkHealth(c.get('services'), Date.now())),
);
