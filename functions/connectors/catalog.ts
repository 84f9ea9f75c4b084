import * as z from 'zod';
import { checkScope } from '../../lib/access.ts';
import { catalogue } from '../../lib/catalog.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';

const field = z.object({
  name: z.string(),
  label: z.string(),
  secret: z.boolean(),
  required: z.boolean(),
  pattern: z.string(),
  help: z.string(),
});

const connector = z.object({
  provider: z.string(),
  name: z.string(),
  category: z.string(),
  auth: z.enum(['oauth', 'api_key', 'service_account']),
  configured: z.boolean(),
  fields: z.array(field),
  scopes: z.array(z.string()),
  tools: z.array(z.string()),
  capabilities: z.array(z.string()),
  webhook_events: z.array(z.string()),
  disconnect_help: z
    .string()
    .nullable()
    .describe('What is left for a person to do after a disconnect; null where the grant is ended for them.'),
  docs_url: z.url(),
});

export const catalogBody = z.object({ connectors: z.array(connector) });

export const catalog = endpoint(
  {
    method: 'get',
    path: '/api/connectors',
    summary: 'What can be connected, and how',
    access: 'session',
    responses: { 200: { description: 'The catalogue', schema: catalogBody } },
    problems: WITH_SESSION,
  },
  async (c) => {
    await checkScope(c.get('services'), c.get('caller'));
    return c.json({ connectors: catalogue(c.env) });
  },
);
