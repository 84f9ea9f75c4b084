import { randomBytes } from 'node:crypto';
import type { Context } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { unsupportedMedia } from './answers.ts';
import type { AccessToken, Records } from './desk.ts';

const RESOURCES = ['tickets', 'users', 'satisfaction_ratings', 'organizations', 'hc', 'auditlogs'];
const SCOPES = ['read', 'write', ...RESOURCES.flatMap((name) => [`${name}:read`, `${name}:write`])];

const tokenRequest = z.strictObject({
  grant_type: z.string(),
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
  scope: z.string().optional(),
  expires_in: z.number().int().gt(300).lt(172_800).optional(),
});

const DESCRIPTIONS = {
  invalid_client:
    'Client authentication failed due to unknown client, no client authentication included, or unsupported ' +
    'authentication method.',
  invalid_request: 'The request is missing a required parameter or has one that is not valid.',
  invalid_scope: 'The requested scope is invalid, unknown, or malformed.',
  unsupported_grant_type: 'The authorization grant type is not supported by the authorization server.',
};

/** Whether a token may do this: `read` covers all reading, `users:read` that of users. */
export function allows(scopes: string[], resource: string | null): boolean {
  return scopes.includes('read') || (resource !== null && scopes.includes(`${resource}:read`));
}

/**
 * POST /oauth/tokens with the client credentials grant, the only one here
 * (developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens). A token lives for `expires_in`,
 * failing that for `settings.accessTokenSeconds` of the store, failing that for good.
 */
export async function issueToken(
  c: Context,
  desk: string,
  records: Records,
  { store, now, secret }: SimulatorContext,
) {
  const refuse = (status: 400 | 401, error: keyof typeof DESCRIPTIONS) =>
    c.json({ error, error_description: DESCRIPTIONS[error] }, status);

  const type = c.req.header('content-type') ?? '';
  if (!/^application\/json\b/i.test(type)) return unsupportedMedia(type || 'no content type');
  const parsed = tokenRequest.safeParse(await c.req.json<unknown>().catch(() => undefined));
  if (!parsed.success) return refuse(400, 'invalid_request');
  const { grant_type, client_id = '', client_secret, scope, expires_in } = parsed.data;
  if (grant_type !== 'client_credentials') return refuse(400, 'unsupported_grant_type');
  const client = records.client(desk, client_id);
  if (!client || client.secret !== client_secret) return refuse(401, 'invalid_client');
  const scopes = (scope ?? '').split(' ');
  // support.zendesk.com 11093380955674 (allowed scopes, August 2026).
  const allowed = client.allowedScopes ?? SCOPES;
  if (!scopes.every((name) => allowed.includes(name))) return refuse(400, 'invalid_scope');

  const seconds = expires_in ?? store.get<number>('settings.accessTokenSeconds');
  const record: AccessToken = {
    id: records.nextId(),
    desk,
    token: secret(randomBytes(32).toString('hex')),
    clientIdentifier: client.identifier,
    email: client.email,
    scopes,
    createdAt: now(),
    expiresAt: seconds === undefined ? null : now() + seconds * 1000,
    revoked: false,
  };
  records.saveAccessToken(record);
  return c.json({
    access_token: record.token,
    token_type: 'bearer',
    scope: scopes.join(' '),
    ...(seconds === undefined ? {} : { expires_in: seconds }),
  });
}

/** GET /api/v2/oauth/tokens/current.json; only the first characters of the token are shown. */
export function tokenObject(record: AccessToken, userId: number) {
  return {
    id: record.id,
    url: `https://${record.desk}.zendesk.com/api/v2/oauth/tokens/${record.id}.json`,
    user_id: userId,
    client_id: null,
    token: record.token.slice(0, 10),
    scopes: record.scopes,
    created_at: new Date(record.createdAt).toISOString(),
    expires_at: record.expiresAt === null ? null : new Date(record.expiresAt).toISOString(),
  };
}
