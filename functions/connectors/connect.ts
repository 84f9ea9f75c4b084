import * as z from 'zod';
import { requireProvider } from '../../lib/catalog.ts';
import { connectByKey } from '../../lib/connections/connect-by-key.ts';
import { viewOf } from '../../lib/connections/view.ts';
import { connectionBody } from '../../lib/http/bodies.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';

const body = z.strictObject({
  provider: z.string().describe('Its id in the catalogue.'),
  api_key: z.union([z.string(), z.record(z.string(), z.unknown())]),
  config: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('What the catalogue’s fields ask for beside the key.'),
  replace: z.boolean().optional().describe('Replace a connection to another account.'),
});

export const connect = endpoint(
  {
    method: 'post',
    path: '/api/connectors/connect',
    summary: 'Connect with a key, which is checked with the provider before it is kept',
    access: 'session',
    limit: 'CONNECT_LIMIT',
    body,
    responses: {
      200: { description: 'A live connection was replaced', schema: connectionBody },
      201: { description: 'Connected', schema: connectionBody },
    },
    problems: [
      ...WITH_SESSION,
      'unknown_provider',
      'payload_too_large',
      'unsupported_media_type',
      'account_mismatch',
      'in_progress',
      'invalid_credential',
      'insufficient_scope',
      'wrong_auth_method',
      'provider_error',
      'provider_timeout',
    ],
  },
  async (c, { body: { provider: id, api_key, config, replace } }) => {
    const provider = requireProvider(c.env, id);
    c.set('logged', { provider_id: provider.id });
    const { row, replaced } = await connectByKey(c.get('services'), c.get('caller'), provider, {
      key: api_key,
      config: config ?? {},
      replace: replace ?? false,
    });
    c.set('logged', { provider_id: provider.id, connection_id: row.id });
    return c.json(viewOf(row), replaced ? 200 : 201);
  },
);
