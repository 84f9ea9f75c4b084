import * as z from 'zod';
import { type Access, clientSecretBasic, type Provider, postJson, readTokenResponse } from './provider.ts';

const apiVersion = '2026-03-10';

/** https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api#user-agent */
const headers = {
  accept: 'application/vnd.github+json',
  'user-agent': 'Reeve-Connectors',
  'x-github-api-version': apiVersion,
};

const user = z.object({ id: z.number().int().positive(), login: z.string().min(1) });

/** https://docs.github.com/en/rest/apps/oauth-applications: these take the app's own credentials. */
const endAccess = (what: 'grant' | 'token') => ({
  request: ({ credential, client }: Access & { client: { id: string; secret: string } }) => ({
    method: 'DELETE' as const,
    url: `https://api.github.com/applications/${encodeURIComponent(client.id)}/${what}`,
    headers: { ...headers, authorization: clientSecretBasic(client), 'content-type': 'application/json' },
    body: JSON.stringify({ access_token: credential }),
  }),
  // 404 and 422: the token is unknown, so there is nothing left to end.
  ended: ({ status }: { status: number }) => status === 204 || status === 404 || status === 422,
});

/** GitHub as an OAuth App: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps */
export const github = {
  id: 'github',
  name: 'GitHub',
  category: 'development',
  docs: 'https://docs.github.com/en/rest',
  config: [],
  auth: {
    type: 'oauth',
    authorizationEndpoint: () => 'https://github.com/login/oauth/authorize',
    issuer: 'https://github.com/login/oauth',
    // There is no narrower scope that reads private repositories; it covers their hooks, too.
    scopes: ['repo'],
    scopeSeparator: ' ',
    pkce: true,
    codeRequest: ({ client, code, codeVerifier, redirectUri }) =>
      postJson('https://github.com/login/oauth/access_token', {
        client_id: client.id,
        client_secret: client.secret,
        code,
        redirect_uri: redirectUri,
        code_verifier: codeVerifier,
      }),
    // Errors come at 200; an unknown client is a 404 page.
    tokens: readTokenResponse,
  },
  probe: {
    request: ({ credential }) => ({
      method: 'GET',
      url: 'https://api.github.com/user',
      headers: { ...headers, authorization: `Bearer ${credential}` },
    }),
    read: (answer) => {
      const body = user.safeParse(answer.json);
      if (answer.status !== 200 || !body.success) return undefined;
      const scopes = answer.headers.get('x-oauth-scopes');
      return {
        finding: 'works',
        account: { id: String(body.data.id), name: body.data.login },
        ...(scopes !== null && { scopes: scopes.split(/[\s,]+/).filter((scope) => scope !== '') }),
      };
    },
  },
  revocation: { grant: endAccess('grant'), token: endAccess('token') },
  tools: [],
  capabilities: ['repositories', 'pull requests', 'CI/CD runs', 'deployments'],
  webhookEvents: ['github.push', 'github.pull_request.opened', 'github.deployment.status'],
} satisfies Provider;
