import * as z from 'zod';
import { requireProvider } from '../../lib/catalog.ts';
import { disconnect as endConnection } from '../../lib/connections/disconnect.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';

const body = z.object({
  provider: z.string(),
  status: z.literal('disconnected'),
  revocation: z.enum(['revoked', 'pending', 'shared', 'unsupported']),
});

export const disconnect = endpoint(
  {
    method: 'delete',
    path: '/api/connectors/:provider',
    summary: 'Disconnect: unusable at once, ended at the provider where it can be',
    access: 'session',
    params: z.object({ provider: z.string() }),
    responses: { 200: { description: 'Disconnected', schema: body } },
    problems: [...WITH_SESSION, 'unknown_provider', 'not_connected'],
  },
  async (c, { params }) => {
    const provider = requireProvider(c.env, params.provider);
    c.set('logged', { provider_id: provider.id });
    const revocation = await endConnection(c.get('services'), c.get('caller'), provider);
    c.set('logged', { provider_id: provider.id, revocation });
    return c.json({ provider: provider.id, status: 'disconnected', revocation });
  },
);
