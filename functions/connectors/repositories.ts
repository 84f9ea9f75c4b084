import * as z from 'zod';
import { requireProvider } from '../../lib/catalog.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';
import { choicesOf, watch } from '../../lib/webhooks/watched.ts';
import { github } from '../../providers/github.ts';

const path = `/api/connectors/${github.id}/repositories`;
const problems = [
  ...WITH_SESSION,
  'not_connected',
  'reauthorization_required',
  'provider_error',
  'provider_timeout',
] as const;

/** The repositories that a connection can see: https://docs.github.com/en/rest/repos/repos */
export const repositories = endpoint(
  {
    method: 'get',
    path,
    summary: 'The repositories that the connection can see, and which are watched',
    access: 'session',
    limit: 'CONNECT_LIMIT',
    query: z.object({ page: z.coerce.number().int().min(1).max(1_000).default(1) }),
    responses: {
      200: {
        description: 'A page of them; `next` is the next page, or null',
        schema: z.object({
          repositories: z.array(
            z.object({ full_name: z.string(), watched: z.boolean(), watchable: z.boolean() }),
          ),
          next: z.number().nullable(),
        }),
      },
    },
    problems,
  },
  async (c, { query: { page } }) => {
    const provider = requireProvider(c.env, github.id);
    c.set('logged', { provider_id: provider.id });
    const { choices, hasMore } = await choicesOf(c.get('services'), c.get('caller'), provider, page);
    return c.json({ repositories: choices, next: hasMore ? page + 1 : null });
  },
);

export const watchRepositories = endpoint(
  {
    method: 'put',
    path,
    summary: 'Set which repositories are watched: hooks are registered and removed to match',
    access: 'session',
    limit: 'CONNECT_LIMIT',
    body: z.strictObject({
      repositories: z
        .array(
          z.string().regex(/^[A-Za-z0-9-]{1,39}\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/, 'Give owner/name.'),
        )
        .max(100),
    }),
    responses: {
      200: {
        description: 'The set; `error` says what could not be watched, or not yet',
        schema: z.object({ repositories: z.array(z.string()), error: z.string().nullable() }),
      },
    },
    problems: [...problems, 'payload_too_large', 'unsupported_media_type'],
  },
  async (c, { body }) => {
    const provider = requireProvider(c.env, github.id);
    c.set('logged', { provider_id: provider.id });
    const { watched, error } = await watch(c.get('services'), c.get('caller'), provider, body.repositories);
    return c.json({ repositories: watched, error });
  },
);
